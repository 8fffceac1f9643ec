"""Recalculation of figures: the job, and the continuous processing of the change log."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from app.analytics.recalculation import (
    RecalculationResult,
    ids_of_slugs,
    recalculate,
    recalculate_logged,
    try_lock_change_log,
)
from app.core.errors import NotFound
from app.db.tables import JobKind
from app.job_handlers.registry import job_handler
from app.job_queue.runner import JobRun
from app.resources import Resources

log = structlog.get_logger()


@job_handler(JobKind.RECALCULATE_METRICS)
async def recalculate_metrics(run: JobRun) -> RecalculationResult:
    """Recalculate the CPUs with the ids in the input's `cpu_ids`, or all CPUs."""
    batch_size = run.resources.settings.recalculation_batch_size
    with structlog.contextvars.bound_contextvars(correlation_id=run.job_id):
        return await recalculate(run.tx, run.job_id, run.input.get("cpu_ids"), batch_size, run.report_progress)


async def process_change_log(resources: Resources) -> bool | None:
    """Recalculate the CPUs in the change log, and delete its rows in the same transaction.

    Return None if the change log is empty, and False if another transaction writes CPUs: call again later.
    """
    async with resources.write() as tx:
        locked = await try_lock_change_log(tx)
        result = await recalculate_logged(tx, resources.settings.recalculation_batch_size) if locked else None
    if result is not None:
        log.info("changes.recalculated", total=result.total, failed=result.failed, written=result.written)
    return locked


async def cpu_ids_of_slugs(resources: Resources, slugs: Sequence[str]) -> list[int]:
    """Return the ids of these CPUs in ascending order. Raises NotFound that names the unknown slugs."""
    async with resources.read() as session:
        ids = await ids_of_slugs(session, slugs)
    if unknown := [slug for slug in slugs if slug not in ids]:
        raise NotFound(f"No CPU has the slug {', '.join(unknown)}.")
    return sorted(ids.values())
