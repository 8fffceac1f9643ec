"""What operators and their machines ask: is it alive, can it serve, how is it doing; and the id of each request."""

from __future__ import annotations

import asyncio
from math import nan

import asyncpg
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.analytics.verification import backlog
from app.core.errors import Unavailable
from app.core.metrics import CHANGE_LOG_ROWS, CHANGE_LOG_SECONDS, CONSISTENCY, STORED_BYTES
from app.db import disk_usage
from app.db.pool import LOST
from app.db.schema_version import head
from app.db.tables import JobKind
from app.events import metrics as events
from app.job_queue.enqueue import succeeded_ratio
from app.resources import Resources

# Whoever scrapes does not wait much longer.
METRICS_SECONDS = 2.0


async def health(_request: Request) -> Response:
    """Alive: this process answers. Says nothing about others, so that a restart is never their fault."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Whether it can serve: database and migrations must be right; Redis and the worker are told, but not required."""
    resources: Resources = request.state.resources
    database, migrations = await _database(resources)
    redis, worker = await _redis(resources)
    checks = {"database": database, "migrations": migrations, "redis": redis, "worker": worker}
    can_serve = database == migrations == "ok"
    status = "ok" if set(checks.values()) == {"ok"} else "degraded" if can_serve else "unavailable"
    return JSONResponse({"status": status, "checks": checks}, 200 if can_serve else 503)


async def metrics(request: Request) -> Response:
    """Prometheus text format. What only the database knows is NaN while that does not answer."""
    resources: Resources = request.state.resources
    known = await _figures(resources)
    for gauge, value in zip((CHANGE_LOG_ROWS, CHANGE_LOG_SECONDS, CONSISTENCY), known, strict=True):
        gauge.set(value)
    await _measure(resources)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _figures(resources: Resources) -> tuple[float, float, float]:
    """How far the figures are behind, in rows and seconds, and the outcome of their last verification."""
    try:
        async with asyncio.timeout(METRICS_SECONDS), resources.read() as session:
            return *await backlog(session), await succeeded_ratio(session, JobKind.VERIFY_FIGURES)
    except (*LOST, Unavailable):  # TimeoutError is an OSError
        return nan, nan, nan


async def _measure(resources: Resources) -> None:
    """Events, their receivers, and what is stored."""
    try:
        async with asyncio.timeout(METRICS_SECONDS), resources.read() as session:
            await events.measure(session)
            await disk_usage.measure(session)
    except (*LOST, Unavailable):
        events.forget()
        STORED_BYTES.clear()


async def _database(resources: Resources) -> tuple[str, str]:
    try:
        async with resources.read() as session:
            revision = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except asyncpg.UndefinedTableError:
        revision = None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, Unavailable):
        return "does not answer", "unknown"
    if revision is None:
        return "ok", "never migrated: run `dealmark migrate`"
    return "ok", "ok" if revision == head() else f"at {revision}, the code needs {head()}: run `dealmark migrate`"


async def _redis(resources: Resources) -> tuple[str, str]:
    try:
        alive = await resources.queue.worker_alive()
    except (RedisError, OSError):
        return "does not answer", "unknown"
    return "ok", "ok" if alive else "no heartbeat: is `dealmark worker` running?"
