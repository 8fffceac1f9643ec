"""The recalculation of figures as arq functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.tables import JobKind
from app.documents.warmup import warm_cache
from app.job_handlers import dispatch
from app.job_queue.enqueue import schedule_job
from app.resources import Resources
from app.schema.build import build_graphql_schema


async def recalculate_metrics(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued recalculation, then cache the responses that clients will request next."""
    resources: Resources = ctx["resources"]
    if await dispatch.run_queued_job(resources, JobKind.RECALCULATE_METRICS, job_id) is not None:
        await warm_cache(resources, build_graphql_schema())


async def schedule_recalculation(ctx: dict[str, Any]) -> None:
    """Create the job of the night, unless another worker has created it."""
    resources: Resources = ctx["resources"]
    async with resources.write() as tx:
        await schedule_job(tx, JobKind.RECALCULATE_METRICS, resources.settings.recalculation_at, datetime.now(UTC))
