"""Recalculation of price targets, performance values and ranks.

There is one code path for the nightly run, the mutation, the command line and the change log. A recalculation is one
transaction, so readers never see a part of its changes:

1. Load the active prices, compute the figures, rank all CPUs and compare with the stored rows (`app.analytics.sql`).
2. Write the rows that changed, in batches, and append changed figures to the history.
3. Record failures, and bump the version of the domain ANALYTICS, which invalidates cached responses on commit.

A CPU that cannot be written must not stop the others. Each batch runs behind a savepoint; a batch that fails
is halved until the failing CPU is isolated. Then everything is computed again without the failing CPUs: they keep their
old figures, and those take part in the ranks of all others.

Price changes reach this module through the database: each write to `listing` runs the trigger function
`log_listing_changes`, which adds the CPUs with changed active prices to `data_change_log` and notifies the topic
`change_log`. A worker then calls `recalculate_logged`. The triggers are described in `app/db/functions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from app.analytics import sql
from app.core.progress import ProgressCallback
from app.db.tables import Domain
from app.db.transaction import Transaction

log = structlog.get_logger()

# Other packages use these functions and do not import `sql`.
ids_of_slugs = sql.ids_of_slugs
try_lock_change_log = sql.try_lock_change_log

# A larger share of failures is logged as an error: it points to a fault that concerns more than single CPUs.
MAX_FAILURE_RATIO = 0.10

# SQLSTATE classes of errors that the data of one row can cause: cardinality (21), data (22), constraints (23), triggers
# (27, P0) and check options (44). All other errors, such as a lost connection, a deadlock or a full disk, concern the
# whole recalculation.
ROW_LEVEL_SQLSTATES = ("21", "22", "23", "27", "P0", "44")


@dataclass(frozen=True)
class RecalculationResult:
    """Result of a recalculation: numbers of CPUs, with succeeded + failed = total.

    `failures` maps the ids of failed CPUs to the reasons. `written` is the number of rows written, which includes rows
    of other CPUs with a changed rank.
    """

    total: int
    succeeded: int
    failed: int
    failures: dict[int, str]
    written: int = 0


async def recalculate(
    tx: Transaction, job_id: int | None, cpu_ids: Sequence[int] | None, batch_size: int, progress: ProgressCallback
) -> RecalculationResult:
    """Recalculate these CPUs (None: all) and the ranks that change with them.

    `progress(done, total)` is awaited after each batch. A CPU that fails keeps its old figures and is named in the
    result. Errors that do not belong to a single row are raised; the caller then rolls its transaction back.
    """

    async def report_batch(written: int, to_write: int) -> None:
        done = total * written // to_write
        log.info("cpu_metrics.recalc.progress", done=done, total=total)
        await progress(done, total)

    log.info("cpu_metrics.recalc.start", scope="all" if cpu_ids is None else len(cpu_ids))
    try:
        await sql.lock_cpu_writers(tx)
        await sql.clear_change_log(tx, cpu_ids)
        await sql.load_active_prices(tx, cpu_ids)
        total = await sql.count_cpus(tx, cpu_ids)
        written, failures = await _compute_and_write(tx, job_id, cpu_ids, batch_size, report_batch)
        if cpu_ids is not None:
            # Ignore failures of other CPUs, which are written only because their rank changed.
            failures = {cpu: failures[cpu] for cpu in cpu_ids if cpu in failures}
        await sql.record_outcome(tx, job_id, cpu_ids, failures)
    except BaseException as error:  # includes the cancellation after a timeout or at the shutdown of a worker
        log.error("cpu_metrics.recalc.failed", error=_reason(error) or type(error).__name__)
        raise
    tx.bump_version(Domain.ANALYTICS)
    result = RecalculationResult(total, total - len(failures), len(failures), failures, written)
    _log_result(result)
    return result


async def recalculate_logged(tx: Transaction, batch_size: int) -> RecalculationResult | None:
    """Recalculate the CPUs in the change log and empty it; return None if it is empty.

    The stored figures then equal those of a full recalculation: for the CPUs in the log, for CPUs that failed before,
    and for the ranks of all CPUs. Only rows with changed figures are written. The caller has the lock of CPU writers.
    """
    cpu_ids = await sql.take_change_log(tx)
    if not cpu_ids:
        return None
    await sql.load_active_prices(tx, cpu_ids)
    written, failures = await _compute_and_write(tx, None, cpu_ids, batch_size, _no_progress, set_computed_at=False)
    await sql.record_outcome(tx, None, cpu_ids, failures)
    tx.bump_version(Domain.ANALYTICS)
    total = len(set(cpu_ids) | set(failures))
    return RecalculationResult(total, total - len(failures), len(failures), failures, written)


async def _compute_and_write(
    tx: Transaction,
    job_id: int | None,
    cpu_ids: Sequence[int] | None,
    batch_size: int,
    progress: ProgressCallback,
    *,
    set_computed_at: bool = True,
) -> tuple[int, dict[int, str]]:
    """Compute and write figures, and repeat without the failing CPUs until none fails.

    Return the number of rows written and the failures (id -> reason). `progress(written, to_write)` is awaited after
    each batch.
    """
    failures: dict[int, str] = {}
    while True:
        attempt = await tx.connection.begin_nested()
        ids = await sql.compute_figures(tx, cpu_ids, list(failures), set_computed_at=set_computed_at)
        new_failures: dict[int, str] = {}
        for start in range(0, len(ids), batch_size):
            batch = ids[start : start + batch_size]
            new_failures |= await _write_batch(tx, job_id, batch)
            await progress(start + len(batch), len(ids))
        if not new_failures:
            await attempt.commit()
            return len(ids), failures
        await attempt.rollback()
        failures |= new_failures


async def _no_progress(_written: int, _to_write: int) -> None:
    """Report nothing: changes of a few CPUs have no job."""


async def _write_batch(tx: Transaction, job_id: int | None, ids: list[int]) -> dict[int, str]:
    """Write a batch, and halve it on an error of a row; return the failing CPUs (id -> reason)."""
    try:
        async with tx.connection.begin_nested():
            await sql.write_figures(tx, job_id, ids[0], ids[-1])
    except DBAPIError as error:
        if not _is_row_level(error):
            raise
        if len(ids) == 1:
            reason = _reason(error)
            log.warning("cpu_metrics.recalc.cpu_failed", cpu=ids[0], reason=reason)
            return {ids[0]: reason}
        middle = len(ids) // 2
        return await _write_batch(tx, job_id, ids[:middle]) | await _write_batch(tx, job_id, ids[middle:])
    return {}


def _is_row_level(error: DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return sqlstate.startswith(ROW_LEVEL_SQLSTATES)


def _reason(error: BaseException) -> str:
    """Return the message of the database, without the text that SQLAlchemy adds."""
    return str(getattr(error, "orig", None) or error)


def _log_result(result: RecalculationResult) -> None:
    total, succeeded, failed = result.total, result.succeeded, result.failed
    if failed > MAX_FAILURE_RATIO * total:
        log.error("cpu_metrics.recalc.high_error_rate", total=total, succeeded=succeeded, failed=failed)
    log.info("cpu_metrics.recalc.complete", written=result.written, total=total, succeeded=succeeded, failed=failed)
