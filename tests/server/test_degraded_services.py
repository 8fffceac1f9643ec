"""The API while its servers are half there: a read-only or never migrated PostgreSQL, a Redis that refuses writes."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from structlog.typing import EventDict

from app.core import circuit_breaker
from app.db.errors import NEVER_MIGRATED, READ_ONLY
from app.devserver.embedded import EmbeddedRedis
from app.graphql.viewer import Role
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.databases import run_statement, set_read_only, temporary_database
from tests.support.waiting import wait_until

RECALCULATE = "mutation { recalculateMetrics { job { status } } }"
STATISTICS = "{ statistics { total } }"
NO_WORKER = "no heartbeat: is `dealmark worker` running?"


async def wait_for_readiness(api: ApiClient, check: str, value: str) -> tuple[int, str, dict[str, str]]:
    """Wait until a check of /ready starts with `value`, and return the response."""

    async def look() -> tuple[int, str, dict[str, str]] | None:
        response = await api.http.get("/ready")
        report = response.json()
        matches = report["checks"][check].startswith(value)
        return (response.status_code, report["status"], report["checks"]) if matches else None

    return await wait_until(look)


async def test_read_only_database_serves_queries_and_refuses_mutations(settings: Settings, cluster: str) -> None:
    url = settings.required_database_url
    async with run_api(settings) as api:
        await api.data(RECALCULATE, Role.ADMIN)
        await set_read_only(cluster, url, True)
        assert (await wait_for_readiness(api, "database", "read-only"))[:2] == (200, "degraded")
        with capture_logs() as logs:
            assert await api.error(RECALCULATE, Role.ADMIN) == ("SERVICE_UNAVAILABLE", READ_ONLY)
        assert [line for line in logs if line["log_level"] == "error"] == []
        assert await api.data(STATISTICS) == {"statistics": {"total": 0}}
        await set_read_only(cluster, url, False, disconnect=False)
        await api.data(RECALCULATE, Role.ADMIN)
        assert (await wait_for_readiness(api, "database", "ok"))[0] == 200
    async with Redis.from_url(settings.required_redis_url) as redis:
        await redis.flushall()


@pytest.fixture
def empty_url(cluster: str) -> Iterator[str]:
    """URL of a database that was never migrated."""
    with temporary_database(cluster) as url:
        yield url


@pytest.mark.parametrize("documents", ["open", "required"])
async def test_database_without_tables_is_named_in_answers(settings: Settings, empty_url: str, documents: str) -> None:
    with capture_logs() as logs:
        async with run_api(settings.model_copy(update={"database_url": empty_url, "documents": documents})) as api:
            assert (await wait_for_readiness(api, "migrations", NEVER_MIGRATED))[0] == 503
            for query, role in ((STATISTICS, None), (RECALCULATE, Role.ADMIN)):
                if documents == "open":
                    assert await api.error(query, role) == ("SERVICE_UNAVAILABLE", NEVER_MIGRATED)
            response = await api.http.get("/graphql", params={"documentId": "Unknown"})
            (error,) = response.json()["errors"]
            assert (error["extensions"]["code"], error["message"]) == ("SERVICE_UNAVAILABLE", NEVER_MIGRATED)
            await wait_until(lambda: _has_logged(logs, "notifications.connection_lost"))
            assert len([line for line in logs if line["event"] == "documents.unavailable"]) == 1


async def _has_logged(logs: Sequence[EventDict], event: str) -> bool:
    return any(line["event"] == event for line in logs)


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    """A Redis that the test may break."""
    with tempfile.TemporaryDirectory(prefix="dm-") as directory:
        server = EmbeddedRedis(Path(directory))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def redis_api(settings: Settings, own_redis: EmbeddedRedis) -> AsyncIterator[ApiClient]:
    """The API with this Redis and limits per client."""
    changes = {"redis_url": own_redis.url, "client_limits": "on"}
    async with run_api(settings.model_copy(update=changes)) as api:
        yield api


@pytest.mark.parametrize(
    ("broken", "mend", "state"),
    [
        (("maxmemory", "1"), ("maxmemory", "0"), "refuses writes: command not allowed when used memory > 'maxmemory'"),
        (("requirepass", "secret"), ("requirepass", ""), "refuses access: "),
        (("min-replicas-to-write", "1"), ("min-replicas-to-write", "0"), "refuses writes: NOREPLICAS"),
    ],
)
async def test_redis_that_refuses_writes_is_named_and_optional(
    redis_api: ApiClient,
    own_redis: EmbeddedRedis,
    monkeypatch: pytest.MonkeyPatch,
    broken: tuple[str, str],
    mend: tuple[str, str],
    state: str,
) -> None:
    monkeypatch.setattr(circuit_breaker, "RETRY_INTERVAL_SECONDS", 0.05)
    api, redis = redis_api, Redis.from_url(own_redis.url)
    assert (await wait_for_readiness(api, "worker", NO_WORKER))[1] == "degraded"
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set(*broken)
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # new connections have to log in
    code, status, checks = await wait_for_readiness(api, "redis", state)
    assert (code, status, checks["worker"]) == (200, "degraded", "unknown")
    with capture_logs() as logs:
        for number in range(5):
            assert await api.data(f"{{ statistics {{ n{number}: total }} }}") == {"statistics": {f"n{number}": 0}}
            await api.data(RECALCULATE, Role.ADMIN)  # the sweep sends its message later
        opened = [line for line in logs if line["event"].startswith("breaker.")]
    assert len(opened) <= 1, "the breaker opens once, and stays open"
    await redis.config_set(*mend)
    await wait_for_readiness(api, "redis", "ok")
    await redis.aclose()


async def test_redis_that_became_a_replica_is_named(redis_api: ApiClient, own_redis: EmbeddedRedis) -> None:
    redis = Redis.from_url(own_redis.url)
    await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    assert (await wait_for_readiness(redis_api, "redis", "refuses writes: You can't write against a read only"))[
        0
    ] == 200
    await redis.execute_command("REPLICAOF", "NO", "ONE")
    await wait_for_readiness(redis_api, "redis", "ok")
    await redis.aclose()


async def test_database_of_a_newer_version_refuses_mutations(api: ApiClient) -> None:
    await run_statement(api.settings.required_database_url, "UPDATE alembic_version SET version_num = 'f00d'")
    code, message = await api.error(RECALCULATE, Role.ADMIN)
    assert code == "SERVICE_UNAVAILABLE"
    assert message.startswith("The database is newer than this code (revision f00d")
    assert (await wait_for_readiness(api, "migrations", "The database is newer"))[0] == 503
