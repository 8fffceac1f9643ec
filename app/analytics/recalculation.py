"""The recalculation: one path for the nightly run, the mutation, the command line, and for what the change log names.

Everything happens in one transaction, so nobody ever sees half of it. Rows are written in batches, each behind a
savepoint; a batch that fails is halved until the guilty CPU is alone. Then the whole is done again without the guilty,
because their old figures, which they keep, take part in everybody's rank.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from app.analytics import sql
from app.db.tables import Domain
from app.db.transaction import Tx

log = structlog.get_logger()

# For those who name CPUs by hand.
ids_of_slugs = sql.ids_of_slugs
# For those who recalculate what was logged.
may_drain = sql.may_drain

Progress = Callable[[int, int], Awaitable[None]]

# Above this share of failures something is wrong with more than single CPUs.
HIGH_ERROR_RATE = 0.10

# SQLSTATE classes that the data of a row can cause: bad values, violated constraints, errors raised by triggers.
# Anything else (lost connection, deadlock, disk full) concerns the whole and is not blamed on a CPU.
BLAMED_ON_DATA = ("21", "22", "23", "27", "P0", "44")


@dataclass(frozen=True)
class Outcome:
    """succeeded + failed = total; `failures` names the failed CPUs (id -> reason)."""

    total: int
    succeeded: int
    failed: int
    failures: dict[int, str]
    written: int = 0


async def recalculate(
    tx: Tx, job_id: int | None, cpu_ids: Sequence[int] | None, batch_size: int, progress: Progress
) -> Outcome:
    """Recalculates these CPUs (None: all) and the ranks they move.

    `progress(done, total)` is awaited after each batch. A CPU that fails keeps its old figures and is named in the
    outcome. Errors that no single CPU is to blame for are raised, and the caller's transaction with them.
    """

    async def report(written: int, to_write: int) -> None:
        done = total * written // to_write
        log.info("cpu_metrics.recalc.progress", done=done, total=total)
        await progress(done, total)

    log.info("cpu_metrics.recalc.start", scope="all" if cpu_ids is None else len(cpu_ids))
    try:
        await sql.lock(tx)
        await sql.clear_log(tx, cpu_ids)
        await sql.begin(tx, cpu_ids)
        total = await sql.count_cpus(tx, cpu_ids)
        written, failures = await _settle(tx, job_id, cpu_ids, batch_size, report)
        if cpu_ids is not None:
            # A row outside the scope whose rank could not be rewritten is a failure of that row, not of the scope.
            failures = {cpu: failures[cpu] for cpu in cpu_ids if cpu in failures}
        await sql.finish(tx, job_id, cpu_ids, failures)
    except BaseException as error:  # a job that takes too long, or whose worker stops, is cancelled
        log.error("cpu_metrics.recalc.failed", error=_reason(error) or type(error).__name__)
        raise
    tx.touch(Domain.ANALYTICS)
    outcome = Outcome(total, total - len(failures), len(failures), failures, written)
    _report(outcome)
    return outcome


async def recalculate_logged(tx: Tx, batch_size: int) -> Outcome | None:
    """Recalculates the CPUs that the change log names, and empties it; None when it is empty.

    Afterwards all figures are what a recalculation of all CPUs would make of them: those of the CPUs in the log, of
    those that failed before, and everybody's rank. Rows are written where a figure moved. The caller has the lock.
    """
    cpu_ids = await sql.take_log(tx)
    if not cpu_ids:
        return None
    await sql.begin(tx, cpu_ids)
    written, failures = await _settle(tx, None, cpu_ids, batch_size, _silent, stamp=False)
    await sql.finish(tx, None, cpu_ids, failures)
    tx.touch(Domain.ANALYTICS)
    total = len(set(cpu_ids) | set(failures))
    return Outcome(total, total - len(failures), len(failures), failures, written)


async def _settle(
    tx: Tx,
    job_id: int | None,
    cpu_ids: Sequence[int] | None,
    batch_size: int,
    progress: Progress,
    *,
    stamp: bool = True,
) -> tuple[int, dict[int, str]]:
    """Computes and writes, leaving out the guilty, until nobody fails. The rows written and the failures.

    `progress(written, to_write)` is awaited after each batch.
    """
    failures: dict[int, str] = {}
    while True:
        attempt = await tx.connection.begin_nested()
        ids = await sql.compute(tx, cpu_ids, list(failures), stamp=stamp)
        found: dict[int, str] = {}
        for start in range(0, len(ids), batch_size):
            batch = ids[start : start + batch_size]
            found |= await _write(tx, job_id, batch)
            await progress(start + len(batch), len(ids))
        if not found:
            await attempt.commit()
            return len(ids), failures
        await attempt.rollback()
        failures |= found


async def _silent(_written: int, _to_write: int) -> None:
    """Nobody waits for a few CPUs."""


async def _write(tx: Tx, job_id: int | None, ids: list[int]) -> dict[int, str]:
    """Writes a batch; on an error halves it. The CPUs that cannot be written, each with the reason."""
    try:
        async with tx.connection.begin_nested():
            await sql.write(tx, job_id, ids[0], ids[-1])
    except DBAPIError as error:
        if not _blamed_on_data(error):
            raise
        if len(ids) == 1:
            reason = _reason(error)
            log.warning("cpu_metrics.recalc.cpu_failed", cpu=ids[0], reason=reason)
            return {ids[0]: reason}
        middle = len(ids) // 2
        return await _write(tx, job_id, ids[:middle]) | await _write(tx, job_id, ids[middle:])
    return {}


def _blamed_on_data(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith(BLAMED_ON_DATA)


def _reason(error: BaseException) -> str:
    """The database's own words, without those that SQLAlchemy adds."""
    return str(getattr(error, "orig", None) or error)


def _report(outcome: Outcome) -> None:
    figures = {"total": outcome.total, "succeeded": outcome.succeeded, "failed": outcome.failed}
    if outcome.failed > HIGH_ERROR_RATE * outcome.total:
        log.error("cpu_metrics.recalc.high_error_rate", **figures)
    log.info("cpu_metrics.recalc.complete", written=outcome.written, **figures)
