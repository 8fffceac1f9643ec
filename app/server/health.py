"""Endpoints for operators: /health, /ready and /metrics."""

from __future__ import annotations

import asyncio
import hmac
from math import nan

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.analytics.verification import change_log_backlog
from app.core.errors import Unavailable
from app.core.metrics import CHANGE_LOG_OLDEST_AGE, CHANGE_LOG_PENDING, FIGURES_CONSISTENCY, TABLE_SIZE
from app.db import disk_usage
from app.db.pool import CONNECTION_ERRORS
from app.db.tables import JobKind
from app.events import metrics as event_metrics
from app.job_queue.enqueue import latest_success_ratio
from app.resources import Resources
from app.server.readiness import check_database, check_redis
from app.server.recent_result import RecentResult

# Below the timeout of a Prometheus scrape.
METRICS_TIMEOUT_SECONDS = 2.0
# Bound what any number of clients can cause. Load balancers notice a change of /ready nearly at once.
METRICS_TTL_SECONDS = 1.0
READINESS_TTL_SECONDS = 0.25
METRICS_CLOSED = "Metrics are closed: set DEALMARK_METRICS_TOKEN, and send it as a bearer token.\n"
METRICS_UNAUTHORIZED = "Send the token of DEALMARK_METRICS_TOKEN in the Authorization header, as a bearer token.\n"


async def health(_request: Request) -> Response:
    """Report that this process is alive, without checking other services: a restart would not repair them."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Report whether this process can serve requests."""
    probes: Probes = request.state.probes
    status, report = await probes.readiness.get()
    return JSONResponse(report, status)


async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus text format to a client that may read them."""
    probes: Probes = request.state.probes
    settings = probes.resources.settings
    token = settings.metrics_token.get_secret_value() if settings.metrics_token else None
    if token is None and not settings.development:
        return PlainTextResponse(METRICS_CLOSED, 403)
    if token is not None and not _has_bearer_token(request, token):
        return PlainTextResponse(METRICS_UNAUTHORIZED, 401, {"www-authenticate": "Bearer"})
    return Response(await probes.metrics.get(), media_type=CONTENT_TYPE_LATEST)


class Probes:
    """What /ready and /metrics report: computed once for all clients that ask at the same time."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.readiness = RecentResult(self._check_readiness, READINESS_TTL_SECONDS)
        self.metrics = RecentResult(self._collect_metrics, METRICS_TTL_SECONDS)

    async def _check_readiness(self) -> tuple[int, dict[str, object]]:
        """Return the status code of /ready and its report.

        The database has to answer, and to have been migrated. That it refuses changes, and the absence of Redis or of
        the worker, are reported, but only degrade the service.
        """
        database, migrations = await check_database(self.resources)
        redis, worker = await check_redis(self.resources)
        checks = {"database": database, "migrations": migrations, "redis": redis, "worker": worker}
        can_serve = database != "does not answer" and migrations == "ok"
        status = "ok" if set(checks.values()) == {"ok"} else "degraded" if can_serve else "unavailable"
        return 200 if can_serve else 503, {"status": status, "checks": checks}

    async def _collect_metrics(self) -> bytes:
        """Return the metrics. Those from the database are NaN while it does not answer."""
        await _update_recalculation_metrics(self.resources)
        await _update_storage_metrics(self.resources)
        return generate_latest()


def _has_bearer_token(request: Request, token: str) -> bool:
    """Compare in constant time, so that the time of a response does not reveal a part of the token."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(credentials.strip().encode(), token.encode())


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
