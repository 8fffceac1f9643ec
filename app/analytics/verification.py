"""Verification: compare the stored figures of all CPUs with computed ones, and repair them if requested.

Pending rows of the change log are recalculated first, as a worker would do, because a figure that is late is not wrong.
CPUs that are logged while the verification runs are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.analytics import sql, verification_sql
from app.analytics.recalculation import recalculate, recalculate_logged
from app.core.progress import ProgressCallback
from app.db.transaction import Transaction

change_log_backlog = sql.change_log_backlog


@dataclass(frozen=True)
class VerificationResult:
    """Result of the verification of `total` CPUs.

    `differing` maps slugs to the stored columns that differ, `failed` slugs to the reason why the figures cannot be
    written. `remaining` counts the CPUs of both kinds that are left after a repair, or without one.
    """

    total: int
    differing: dict[str, list[str]]
    failed: dict[str, str]
    remaining: int


@dataclass(frozen=True)
class Difference:
    """An item that is not consistent: the CPU with this slug, or the statistics (None).

    `columns` are those that differ; `reason` says why the figures of a CPU cannot be written.
    """

    slug: str | None
    columns: list[str]
    reason: str | None = None


async def save_verification(
    tx: Transaction, *, total: int, consistent: int, remaining: int, fixed: bool, differences: Sequence[Difference]
) -> None:
    """Store the result of a verification for the query `consistency`.

    `left` is the number of items that are not consistent afterwards. Up to `verification_sql.MAX_DIFFERENCES`
    differences are stored by name.
    """
    stored = [asdict(difference) for difference in differences[: verification_sql.MAX_DIFFERENCES]]
    values = {"total": total, "consistent": consistent, "left_over": remaining, "fixed": fixed, "differences": stored}
    await verification_sql.save_verification(tx, values)


async def verify(
    tx: Transaction, job_id: int, batch_size: int, progress: ProgressCallback, *, fix: bool
) -> VerificationResult:
    """Compute all figures and compare them with the stored ones; with `fix`, recalculate all CPUs if any differ.

    Takes the lock of CPU writers until the transaction ends, so no other recalculation runs in between.
    """
    await sql.lock_cpu_writers(tx)
    await recalculate_logged(tx, batch_size)
    total = await sql.count_cpus(tx, None)
    differing = await _find_differences(tx)
    failed = await verification_sql.failed_cpus(tx)
    remaining = len({*differing, *failed})
    if differing and fix:
        remaining = (await recalculate(tx, job_id, None, batch_size, progress)).failed
    return VerificationResult(total, differing, failed, remaining)


async def _find_differences(tx: Transaction) -> dict[str, list[str]]:
    """Return slug -> differing columns; the savepoint removes the temporary tables."""
    savepoint = await tx.connection.begin_nested()
    await sql.load_active_prices(tx, None)
    differing = await verification_sql.find_differences(tx)
    await savepoint.rollback()
    return differing
