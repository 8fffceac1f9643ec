"""Keys of all PostgreSQL advisory locks.

Advisory locks share one number space per database, so every key is defined here. A lock with one 64-bit key never
conflicts with a lock with two 32-bit keys.
"""

from __future__ import annotations

# Held by a process that migrates the database, so that two processes never migrate it at the same time.
MIGRATION_LOCK = 7_310_001

# Held by every transaction that writes `cpu`, from before its first write until it ends: recalculations and CPU imports
# write many rows and would lock them in different orders. A trigger takes the lock for each statement that writes `cpu`
# (app/db/functions). A transaction that first reads what it will then write takes the lock itself, before it reads.
CPU_WRITERS_LOCK = 7_310_002

# Held by the transaction that moves events from `outbox` to `price_change`, so that positions become visible in order.
OUTBOX_SEQUENCER_LOCK = 7_310_003

# First of two keys, the second being a hash of the webhook's name. Held by the process that delivers to that webhook.
WEBHOOK_LOCK_CLASS = 7_310_004

# Held by an import worker while it claims fetches, so that its counts of running fetches per host are exact.
FETCH_CLAIM_LOCK = 7_310_005

# Plus the id of a job: held by the worker that runs the job. The prefix is the letters JOB.
JOB_LOCK_BASE = 0x4A4F42 << 32

# First of two keys (the letters IMP), the second being the number of a lease. Held by an import worker while it lives.
# If the lease of a running fetch is free, its worker is dead.
WORKER_LEASE_LOCK_CLASS = 0x494D50
