"""Nightly maintenance steps: scheduled tasks and data retention.

Each step works in batches with one transaction each. It therefore holds locks briefly, keeps completed batches if a
later one fails, and can be repeated at any time. The change log has no retention: its rows are deleted when they are
processed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from app.core.progress import ProgressCallback
from app.db.tables import JobKind
from app.events.retention import delete_old_changes, delete_removed_webhooks
from app.ingestion.retention import delete_old_imports, delete_old_payloads
from app.job_handlers.registry import job_handler
from app.job_queue.retention import delete_old_jobs
from app.job_queue.runner import JobRun
from app.market.retention import create_price_partitions, expire_missing_listings
from app.resources import Resources

log = structlog.get_logger()

# Returns the number of rows or tables that it created, changed or deleted.
Step = Callable[[Resources], Awaitable[int]]

STEPS: tuple[Step, ...] = (
    create_price_partitions,
    expire_missing_listings,
    delete_removed_webhooks,
    delete_old_payloads,
    delete_old_imports,
    delete_old_changes,
    delete_old_jobs,
)


@dataclass(frozen=True)
class CleanupResult:
    """Result of a cleanup; its items are the steps. `rows`: name of a successful step -> rows it affected."""

    total: int
    rows: dict[str, int]

    @property
    def succeeded(self) -> int:
        """Number of steps that succeeded."""
        return len(self.rows)

    @property
    def failed(self) -> int:
        """Number of steps that failed; the log has the reasons."""
        return self.total - self.succeeded


@job_handler(JobKind.CLEAN_UP)
async def clean_up(run: JobRun) -> CleanupResult:
    """Run all maintenance steps."""
    return await run_steps(run.resources, run.report_progress)


async def run_steps(
    resources: Resources, report_progress: ProgressCallback, steps: tuple[Step, ...] = STEPS
) -> CleanupResult:
    """Run the steps; after a failure the others are still run."""
    rows: dict[str, int] = {}
    for done, step in enumerate(steps):
        await report_progress(done, len(steps))
        try:
            rows[step.__name__] = await step(resources)
        except Exception:
            log.exception("clean_up.step_failed", step=step.__name__)
    result = CleanupResult(len(steps), rows)
    log.info("clean_up.complete", failed=result.failed, **rows)
    return result
