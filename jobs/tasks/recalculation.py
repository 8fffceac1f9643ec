"""The recalculation as arq functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.tables import JobKind
from app.documents.warmup import warm
from app.job_handlers import dispatch
from app.job_queue.enqueue import schedule_job
from app.resources import Resources
from app.schema.build import build_schema


async def recalculate_metrics(ctx: dict[str, Any], job_id: int) -> None:
    """Runs the recalculation that this job asks for; once it is committed, the cache is filled with the new figures."""
    resources: Resources = ctx["resources"]
    if await dispatch.run(resources, JobKind.RECALCULATE_METRICS, job_id) is not None:
        await warm(resources, build_schema()._schema)


async def nightly_recalculation(ctx: dict[str, Any]) -> None:
    """Creates the night's job: once, however many workers there are, and not more than two hours late."""
    resources: Resources = ctx["resources"]
    async with resources.write() as tx:
        await schedule_job(tx, JobKind.RECALCULATE_METRICS, resources.settings.recalculation_at, datetime.now(UTC))
