"""Keys of all PostgreSQL advisory locks."""

from __future__ import annotations

# One recalculation or import of CPUs at a time: both write many rows of `cpu` and would lock them in different orders.
# A trigger takes it for every statement that writes `cpu`; who first reads what it then writes takes it by hand.
CPU_WRITERS_LOCK = 7_310_002


# One transaction at a time gives positions; see `number`.
NUMBERING_LOCK = 7_310_003


# Advisory locks share one number space: this prefix (the letters JOB) keeps those of jobs apart.
JOB_LOCKS = 0x4A4F42 << 32


# Advisory locks of two numbers: the letters IMP, and the claim of a worker.
CLAIMS = 0x494D50

# Of several workers one claims at a time, so what it counts is so.
CLAIMING_LOCK = 7_310_005


# Any two processes that migrate the same database take turns; the number has no meaning.
MIGRATION_LOCK = 7_310_001


# With a hash of its name, the lock of whoever delivers to a receiver.
WEBHOOK_LOCKS = 7_310_004
