"""Endpoints for operators: /health, /ready and /metrics."""

from __future__ import annotations

import asyncio
from math import nan

import asyncpg
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.analytics.verification import change_log_backlog
from app.core.errors import Unavailable
from app.core.metrics import CHANGE_LOG_OLDEST_AGE, CHANGE_LOG_PENDING, FIGURES_CONSISTENCY, TABLE_SIZE
from app.db import disk_usage
from app.db.pool import CONNECTION_ERRORS
from app.db.schema_version import head_revision
from app.db.tables import JobKind
from app.events import metrics as event_metrics
from app.job_queue.enqueue import latest_success_ratio
from app.resources import Resources

# Below the timeout of a Prometheus scrape.
METRICS_TIMEOUT_SECONDS = 2.0


async def health(_request: Request) -> Response:
    """Report that this process is alive, without checking other services: a restart would not repair them."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Report whether this process can serve requests.

    Database and migrations are required. Redis and the worker are reported, but their absence only degrades service.
    """
    resources: Resources = request.state.resources
    database, migrations = await _check_database(resources)
    redis, worker = await _check_redis(resources)
    checks = {"database": database, "migrations": migrations, "redis": redis, "worker": worker}
    can_serve = database == migrations == "ok"
    status = "ok" if set(checks.values()) == {"ok"} else "degraded" if can_serve else "unavailable"
    return JSONResponse({"status": status, "checks": checks}, 200 if can_serve else 503)


async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus text format. Those from the database are NaN while it does not answer."""
    resources: Resources = request.state.resources
    await _update_recalculation_metrics(resources)
    await _update_storage_metrics(resources)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _update_recalculation_metrics(resources: Resources) -> None:
    """Update the length and age of the change log, and the result of the latest verification."""
    values: tuple[float, float, float]
    try:
        async with asyncio.timeout(METRICS_TIMEOUT_SECONDS), resources.read() as session:
            pending, oldest_age = await change_log_backlog(session)
            consistency = await latest_success_ratio(session, JobKind.VERIFY_FIGURES)
            values = pending, oldest_age, consistency
    except (*CONNECTION_ERRORS, Unavailable):  # includes TimeoutError, an OSError
        values = nan, nan, nan
    for gauge, value in zip((CHANGE_LOG_PENDING, CHANGE_LOG_OLDEST_AGE, FIGURES_CONSISTENCY), values, strict=True):
        gauge.set(value)


async def _update_storage_metrics(resources: Resources) -> None:
    """Update the metrics of the outbox, the webhooks, and the table sizes."""
    try:
        async with asyncio.timeout(METRICS_TIMEOUT_SECONDS), resources.read() as session:
            await event_metrics.update(session)
            await disk_usage.measure_disk_usage(session)
    except (*CONNECTION_ERRORS, Unavailable):
        event_metrics.clear()
        TABLE_SIZE.clear()


async def _check_database(resources: Resources) -> tuple[str, str]:
    """Return the states of the database and of its migrations."""
    try:
        async with resources.read() as session:
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except asyncpg.UndefinedTableError:
        revision = None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, Unavailable):
        return "does not answer", "unknown"
    if revision is None:
        return "ok", "never migrated: run `dealmark migrate`"
    return (
        "ok",
        "ok"
        if revision == head_revision()
        else f"at {revision}, the code needs {head_revision()}: run `dealmark migrate`",
    )


async def _check_redis(resources: Resources) -> tuple[str, str]:
    """Return the states of Redis and of the worker."""
    try:
        alive = await resources.broker.is_worker_alive()
    except (RedisError, OSError):
        return "does not answer", "unknown"
    return "ok", "ok" if alive else "no heartbeat: is `dealmark worker` running?"
