"""Whether the stored figures are what prices and marks ask for.

Changes that are not worked off yet make no figure wrong, only late: they are worked off first, as the worker would do
it, and what is logged while this runs is left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from app.analytics import sql
from app.analytics.recalculation import recalculate, recalculate_logged
from app.db.transaction import Tx

Progress = Callable[[int, int], Awaitable[None]]

# How far the figures are behind.
backlog = sql.backlog


@dataclass(frozen=True)
class Verified:
    """Of `total` CPUs: those with other figures than they should have (slug -> columns), those that cannot have theirs
    (slug -> reason), and those of either that are left after a repair."""

    total: int
    differing: dict[str, list[str]]
    failed: dict[str, str]
    left: int


@dataclass(frozen=True)
class Difference:
    """An item that was not right: the CPU with this slug, or the statistics (None).

    `columns`: those that differed; or the `reason` why the figures cannot be written.
    """

    slug: str | None
    columns: list[str]
    reason: str | None = None


async def record(
    tx: Tx, *, total: int, consistent: int, left: int, fixed: bool, differences: Sequence[Difference]
) -> None:
    """Keeps what a verification found for those who ask; `sql.MAX_DIFFERENCES` of the differences by name."""
    shown = [asdict(each) for each in differences[: sql.MAX_DIFFERENCES]]
    values = {"total": total, "consistent": consistent, "left_over": left, "fixed": fixed, "differences": shown}
    await sql.record_verification(tx, values)


async def verify(tx: Tx, job_id: int, batch_size: int, progress: Progress, *, fix: bool) -> Verified:
    """Computes all figures and compares them with the stored ones; with `fix` recalculates all if any differ.

    Keeps writers of CPUs waiting until the transaction ends, so nobody recalculates in between.
    """
    await sql.lock(tx)
    await recalculate_logged(tx, batch_size)
    total = await sql.count_cpus(tx, None)
    differing = await _compare(tx)
    failed = await sql.failed(tx)
    left = len({*differing, *failed})
    if differing and fix:
        left = (await recalculate(tx, job_id, None, batch_size, progress)).failed
    return Verified(total, differing, failed, left)


async def _compare(tx: Tx) -> dict[str, list[str]]:
    """Leaves nothing behind in the transaction."""
    look = await tx.connection.begin_nested()
    await sql.begin(tx, None)
    differing = await sql.differences(tx)
    await look.rollback()
    return differing
