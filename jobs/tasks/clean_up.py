"""The nightly cleanup as arq functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.job_queue.enqueue import schedule_job
from app.resources import Resources


async def clean_up(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued cleanup."""
    await dispatch.run_queued_job(ctx["resources"], JobKind.CLEAN_UP, job_id)


async def schedule_clean_up(ctx: dict[str, Any]) -> None:
    """Create the job of the night, unless another worker has created it."""
    resources: Resources = ctx["resources"]
    async with resources.write() as tx:
        await schedule_job(tx, JobKind.CLEAN_UP, resources.settings.clean_up_at, datetime.now(UTC))
