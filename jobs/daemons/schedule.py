"""Does what is due by the clock. Every worker does it; the database ensures that only one has effect.

This does not use arq's cron jobs. They need Redis, and they compare times of the worker's clock: if it is set back by
an hour, nothing is due for an hour. Here the monotonic clock measures intervals, and times of day are PostgreSQL's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import time
from typing import Any, NamedTuple

import structlog
from sqlalchemy import text

from app.db.errors import is_unavailable
from app.db.tables import JobKind
from app.db.write_access import SchemaMismatch
from app.job_handlers.revaluation import apply_due_rules
from app.job_queue.enqueue import requeue_abandoned, schedule_job
from app.resources import Resources
from app.settings import Settings

log = structlog.get_logger()


class NightlyJob(NamedTuple):
    """A job that is due every day at a time in UTC."""

    kind: JobKind
    at: time
    input: dict[str, Any]


def nightly_jobs(settings: Settings) -> Sequence[NightlyJob]:
    """Return the jobs that are created every day."""
    return [
        NightlyJob(JobKind.CLEAN_UP, settings.clean_up_at, {}),
        # Also repairs. It is due before the recalculation, which would hide all differences.
        NightlyJob(JobKind.VERIFY_FIGURES, settings.verification_at, {"fix": True}),
        NightlyJob(JobKind.RECALCULATE_METRICS, settings.recalculation_at, {}),
    ]


async def schedule_nightly_jobs(resources: Resources) -> None:
    """Create the jobs of the day that are due, unless a worker has created them."""
    async with resources.write() as tx:
        now = await tx.scalar(text("SELECT now()"))
        for job in nightly_jobs(resources.settings):
            await schedule_job(tx, job.kind, job.at, now, job.input)


# `requeue_abandoned` is the sweep.
STEPS: Sequence[Callable[[Resources], Awaitable[None]]] = (requeue_abandoned, apply_due_rules, schedule_nightly_jobs)


async def follow_schedule(resources: Resources) -> None:
    """Take all steps every `poll_interval_seconds`, until cancelled.

    Raise SchemaMismatch if the database is migrated by another version meanwhile.
    """
    while True:
        for step in STEPS:
            try:
                await step(resources)
            except SchemaMismatch:
                raise  # this worker must not run jobs of a database that another version has migrated
            except Exception as error:
                # The cause may last, so the next poll is soon enough.
                if is_unavailable(error):
                    log.warning("schedule.step_failed", step=step.__name__, error=str(error))
                else:
                    log.exception("schedule.step_failed", step=step.__name__)
        await asyncio.sleep(resources.settings.poll_interval_seconds)
