"""The recalculation of figures as an arq function."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind
from app.documents.warmup import warm_cache
from app.job_handlers import dispatch
from app.resources import Resources
from app.schema.build import build_graphql_schema


async def recalculate_metrics(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued recalculation, then cache the responses that clients will request next."""
    resources: Resources = ctx["resources"]
    if await dispatch.run_queued_job(resources, JobKind.RECALCULATE_METRICS, job_id) is not None:
        await warm_cache(resources, build_graphql_schema())
