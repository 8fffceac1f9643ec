"""`/health`, `/ready` and `/metrics`, with all services and without some."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.broker import HEARTBEAT_KEY
from app.db.errors import NEVER_MIGRATED
from app.db.schema_version import head_revision
from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.databases import database_url_in, run_statement
from tests.support.ports import closed_port
from tests.support.waiting import wait_until

OK = {"database": "ok", "migrations": "ok", "redis": "ok", "worker": "ok"}
ALONE = {**OK, "worker": "no heartbeat: is `dealmark worker` running?"}


async def readiness(api: ApiClient) -> tuple[int, str, dict[str, str]]:
    """Return the response of /ready."""
    response = await api.http.get("/ready")
    answer = response.json()
    return response.status_code, answer["status"], answer["checks"]


@asynccontextmanager
async def run_api_with(settings: Settings, **changed: object) -> AsyncIterator[ApiClient]:
    """Run the API with other settings."""
    async with run_api(settings.model_copy(update=changed)) as api:
        yield api


async def test_ready_reports_a_missing_worker(api: ApiClient) -> None:
    assert await readiness(api) == (200, "degraded", ALONE)
    redis = Redis.from_url(api.settings.required_redis_url)
    await redis.set(HEARTBEAT_KEY, "here", ex=60)
    assert await readiness(api) == (200, "ok", OK)
    await redis.delete(HEARTBEAT_KEY)
    await redis.aclose()
    assert (await api.http.get("/health")).json() == {"status": "ok"}


async def test_ready_without_redis_is_degraded(settings: Settings) -> None:
    """Only queued jobs have to wait."""
    async with run_api_with(settings, redis_url=f"redis://127.0.0.1:{closed_port()}/0") as api:
        checks = {**OK, "redis": "does not answer", "worker": "unknown"}
        assert await readiness(api) == (200, "degraded", checks)
        assert await api.data("{ statistics { total } }") == {"statistics": {"total": 0}}


async def is_readiness(api: ApiClient, expected: tuple[int, str, dict[str, str]]) -> bool:
    """Return whether /ready returns this; its reports are kept for a moment."""
    return await readiness(api) == expected


async def test_ready_with_wrong_migrations_is_unavailable(api: ApiClient, resources: Resources) -> None:
    url, head = resources.settings.required_database_url, head_revision()
    for statement, migrations in {
        "UPDATE alembic_version SET version_num = '0001'": (
            f"The database is older than this code (revision 0001, the code needs {head}): run `dealmark migrate`."
        ),
        "UPDATE alembic_version SET version_num = 'f00d'": (
            f"The database is newer than this code (revision f00d, the code knows up to {head}): "
            "install the newer Dealmark, or restore a backup made with this one."
        ),
        "DELETE FROM alembic_version": NEVER_MIGRATED,
        "DROP TABLE alembic_version": NEVER_MIGRATED,
    }.items():
        await run_statement(url, statement)
        expected = (503, "unavailable", {**ALONE, "migrations": migrations})
        await wait_until(partial(is_readiness, api, expected))
    assert (await api.http.get("/health")).status_code == 200


def unusable_databases(cluster: str) -> dict[str, str]:
    """Unusable databases: no server, unknown database, unknown user."""
    return {
        "no server": f"postgresql://nobody@127.0.0.1:{closed_port()}/none",
        "no database": database_url_in(cluster, "no_such_database"),
        "no user": cluster.replace("postgres@", "nobody@"),
    }


async def test_ready_without_database_is_unavailable(settings: Settings, cluster: str) -> None:
    for name, url in unusable_databases(cluster).items():
        async with run_api_with(settings, database_url=url) as api:
            status, _, checks = await readiness(api)
            assert (status, checks["database"], checks["migrations"]) == (503, "does not answer", "unknown"), name
            with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
                response = await api.http.post("/graphql", json={"query": "{ statistics { total } }"})
            (error,) = response.json()["errors"]
            assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE"}, name
            assert error["message"] == "The database is unavailable; retry in a moment."
            (line,) = [line for line in logs if line["event"].startswith("request.")]
            assert (line["event"], line["log_level"], "exc_info" in line) == ("request.unavailable", "warning", False)
            assert line["request_id"] == response.headers["x-request-id"]
            assert (await api.http.get("/health")).status_code == 200
            assert await read_metrics(api) == ["nan", "nan", "nan"]


async def test_ready_after_the_database_returns_is_ok(settings: Settings, resources: Resources) -> None:
    async with resources.write() as tx:
        await tx.execute(text("CREATE ROLE late"))
    try:
        url = str(settings.database_url).replace("postgres@", "late@")
        async with run_api_with(settings, database_url=url) as api:
            assert (await api.error("{ statistics { total } }"))[0] == "SERVICE_UNAVAILABLE"
            async with resources.write() as tx:
                await tx.execute(text("ALTER ROLE late LOGIN SUPERUSER"))
            assert await api.data("{ statistics { total } }") == {"statistics": {"total": 0}}
    finally:
        async with resources.write() as tx:
            await tx.execute(text("DROP ROLE late"))


async def test_metrics_count_requests_by_outcome(api: ApiClient) -> None:
    def counted(page: str, line: str) -> float:
        found = [row.removeprefix(line) for row in page.splitlines() if row.startswith(line + " ")]
        return float(found[0]) if found else 0.0

    before = (await api.http.get("/metrics")).text
    await api.data("{ __typename }")
    await api.ask("{ cpu { id } }")
    await api.http.post("/graphql", content=b"")
    response = await api.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    for outcome in ("ok", "errors", "rejected"):
        line = f'dealmark_requests_total{{outcome="{outcome}"}}'
        assert counted(response.text, line) == counted(before, line) + 1
    seconds = "dealmark_request_duration_seconds_count"
    assert counted(response.text, seconds) == counted(before, seconds) + 3


async def read_metrics(api: ApiClient) -> list[str]:
    """Return the pending changes, the age of the oldest one, and the consistency ratio."""
    page = (await api.http.get("/metrics")).raise_for_status().text.splitlines()
    names = (
        "dealmark_change_log_pending",
        "dealmark_change_log_oldest_age_seconds",
        "dealmark_figures_consistency_ratio",
    )
    return [row.split()[1].lower() for name in names for row in page if row.startswith(name + " ")]


async def test_metrics_report_change_log_and_consistency(api: ApiClient, resources: Resources) -> None:
    assert await read_metrics(api) == ["0.0", "0.0", "nan"]
    await add_cpu(resources, "AMD One", [10, 20])
    rows, seconds, _ = await read_metrics(api)
    assert float(rows) == 3  # one for the CPU, one for each listing
    assert 0 < float(seconds) < 60
    await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {})
    assert await read_metrics(api) == ["0.0", "0.0", "1.0"]
    async with resources.write() as tx:
        await tx.execute(text("UPDATE cpu SET price_good = 1"))
    await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {"fix": True})
    assert await read_metrics(api) == ["0.0", "0.0", "0.5"]  # the statistics were correct
    async with resources.write() as tx:
        await tx.execute(text("DROP TABLE data_change_log CASCADE"))
    assert await read_metrics(api) == ["nan", "nan", "nan"]
