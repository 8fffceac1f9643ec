"""The response cache without Redis, PostgreSQL or notifications, and its recovery."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import httpx
import psutil
import pytest
from structlog.testing import capture_logs

from app.core import circuit_breaker
from app.db import notifications, schema_version
from app.db.tables import Domain
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from app.resources import Resources
from app.server.graphql_app import GraphQLApp
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.http_errors import only_error
from tests.support.notifications import gate_reconnects, terminate_listener
from tests.support.response_cache import (
    CPUS_QUERY,
    TOTAL_QUERY,
    cache_status,
    commit_change,
    get_persisted,
    persisted_query_url,
    register_query,
    run_api_on,
    wait_until_connected,
)
from tests.support.settings import make_settings
from tests.support.waiting import wait_until

REQUEST_TIMEOUT_SECONDS = 20.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Directory for servers of the test, with a short path that PostgreSQL's account can read."""
    with tempfile.TemporaryDirectory(prefix="dealmark-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@asynccontextmanager
async def with_redis(settings: Settings, folder: Path) -> AsyncIterator[tuple[EmbeddedRedis, ApiClient, Resources]]:
    """Run the API with its own Redis."""
    redis = EmbeddedRedis(folder / "redis")
    own = settings.model_copy(update={"redis_url": redis.start()})
    try:
        async with Resources.open(own) as resources, run_api_on(resources) as (api, _):
            yield redis, api, resources
    finally:
        redis.stop()


async def timed_query(api: ApiClient, query: str, number: int) -> tuple[float, httpx.Response]:
    """Return the seconds that a query outside memory takes, and the response."""
    began = time.monotonic()
    response = await get_persisted(api, query, n=number)
    return time.monotonic() - began, response


async def test_stopped_redis_does_not_affect_responses(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "CALL_TIMEOUT_SECONDS", 20.0)
    async with with_redis(settings, folder) as (redis, api, resources):
        await add_cpu(resources, "AMD One")
        assert await cache_status(api, CPUS_QUERY, n=1) == "MISS"
        await asyncio.to_thread(redis.stop)
        for number in range(1, 20):
            seconds, response = await timed_query(api, CPUS_QUERY, number)
            assert response.json()["data"]["cpus"]["totalCount"] == 1
            assert response.headers["x-cache"] == "HIT-L1" if number == 1 else "MISS"
            assert await cache_status(api, CPUS_QUERY, n=number) == "HIT-L1"
            assert seconds < circuit_breaker.CALL_TIMEOUT_SECONDS, "the request waited for Redis"
        await asyncio.to_thread(redis.start)
        await wait_until_stored_in_redis(api, resources)


async def wait_until_stored_in_redis(api: ApiClient, resources: Resources) -> None:
    """Wait until responses are stored in Redis again. Each request has a new query."""
    asked = iter(range(50, 200))

    async def look() -> bool:
        await get_persisted(api, CPUS_QUERY, n=next(asked))
        return bool([key async for key in resources.broker.redis.scan_iter(b"dealmark:response:*")])

    await wait_until(look)


async def test_hanging_redis_delays_one_request_only(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later requests do not wait, although Redis still hangs."""
    monkeypatch.setattr(circuit_breaker, "CALL_TIMEOUT_SECONDS", 2.0)
    async with with_redis(settings, folder) as (redis, api, resources):
        await add_cpu(resources, "AMD One")
        await register_query(api, CPUS_QUERY)
        pid = redis._pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            with capture_logs() as logged:
                first, response = await timed_query(api, CPUS_QUERY, 1)
                assert response.headers["x-cache"] == "MISS"
                assert circuit_breaker.CALL_TIMEOUT_SECONDS <= first < circuit_breaker.CALL_TIMEOUT_SECONDS * 2.5
                unknown = await api.http.get(persisted_query_url(TOTAL_QUERY))
                assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound", "nor does the registry wait"
                slowest, number = 0.0, 2
                until = time.monotonic() + 2.5 * circuit_breaker.RETRY_INTERVAL_SECONDS
                while time.monotonic() < until:
                    seconds, response = await timed_query(api, CPUS_QUERY, number)
                    assert (response.status_code, response.headers["x-cache"]) == (200, "MISS")
                    slowest, number = max(slowest, seconds), number + 1
                    await asyncio.sleep(0.02)
            assert number > 5
            assert slowest < circuit_breaker.CALL_TIMEOUT_SECONDS
            assert [line["event"] for line in logged if line["event"].startswith("breaker")] == ["breaker.opened"]
        finally:
            os.kill(pid, signal.SIGCONT)
        await wait_until_stored_in_redis(api, resources)


async def test_lost_notifications_bypass_the_cache(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached response could be outdated, and is."""
    monkeypatch.setattr(notifications, "RECONNECT_INTERVAL_SECONDS", 0.1)
    gate = gate_reconnects(monkeypatch)
    async with run_api_on(resources) as (api, _):
        await add_cpu(resources, "CPU 0")
        for number in range(1, 4):
            assert await cache_status(api, CPUS_QUERY) == "MISS"
            assert await cache_status(api, CPUS_QUERY) == "HIT-L1"
            gate.clear()
            connection = await asyncpg.connect(resources.settings.database_url)
            await terminate_listener(connection)
            await connection.close()
            await wait_until_connected(resources, now=False)
            await add_cpu(resources, f"CPU {number}")
            async with resources.write() as tx:
                tx.bump_version(Domain.CATALOG)
            response = await get_persisted(api, CPUS_QUERY)
            assert response.headers["x-cache"] == "BYPASS"
            assert response.headers["cache-control"] == "private, no-store"
            assert "etag" not in response.headers
            assert response.json()["data"]["cpus"]["totalCount"] == number + 1
            gate.set()
            await wait_until_connected(resources)


async def test_closed_pooled_connections_do_not_fail_requests(resources: Resources) -> None:
    """PostgreSQL closes them when it restarts."""
    async with run_api_on(resources) as (api, _):
        await asyncio.gather(*(get_persisted(api, CPUS_QUERY, n=number) for number in range(1, 6)))
        connection = await asyncpg.connect(resources.settings.database_url)
        ended = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND application_name <> 'dealmark notifications'"
        )
        await connection.close()
        assert ended > 1
        answers = await asyncio.gather(*(get_persisted(api, CPUS_QUERY, n=number) for number in range(6, 12)))
        assert {response.headers["x-cache"] for response in answers} == {"MISS"}


@asynccontextmanager
async def with_postgres(
    redis_url: str, folder: Path, **values: object
) -> AsyncIterator[tuple[EmbeddedPostgres, ApiClient, Resources, GraphQLApp]]:
    """Run the API with its own PostgreSQL."""
    postgres = EmbeddedPostgres(folder, durable=False)
    url = await asyncio.to_thread(postgres.start)
    try:
        await asyncio.to_thread(schema_version.upgrade, url)
        settings = make_settings(database_url=url, redis_url=redis_url, development=True, **values)
        async with Resources.open(settings) as resources, run_api_on(resources) as (api, graphql_app):
            yield postgres, api, resources, graphql_app
    finally:
        await asyncio.to_thread(postgres.stop)


async def assert_unavailable(api: ApiClient, query: str) -> None:
    """Check for an immediate error with a clear message."""
    began = time.monotonic()
    response = await get_persisted(api, query)
    assert time.monotonic() - began < REQUEST_TIMEOUT_SECONDS, "the request waited for PostgreSQL"
    assert only_error(response, 503)["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
    assert int(response.headers["retry-after"]) > 0


async def test_stopped_postgresql_serves_stale_responses_for_the_grace_period(
    redis_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cached queries are served as stale, others are rejected, and the grace period ends."""
    monkeypatch.setattr(notifications, "RECONNECT_INTERVAL_SECONDS", 0.2)
    moved = 0.0
    monkeypatch.setattr(notifications, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + moved))
    values = {"stale_grace_seconds": 100.0, "request_timeout_seconds": REQUEST_TIMEOUT_SECONDS}
    async with with_postgres(redis_url, folder, **values) as (postgres, api, resources, graphql_app):
        await add_cpu(resources, "AMD One")
        await register_query(api, TOTAL_QUERY)
        right = await get_persisted(api, CPUS_QUERY)
        assert await cache_status(api, CPUS_QUERY) == "HIT-L1"
        await asyncio.to_thread(postgres.stop)
        await wait_until_connected(resources, now=False)
        for headers in ({}, {"if-none-match": right.headers["etag"]}):
            response = await get_persisted(api, CPUS_QUERY, headers)
            assert (response.status_code, response.content) == (200, right.content)
            assert response.headers["x-cache"] == "STALE"
            assert response.headers["warning"] == '110 - "Response is Stale"'
            assert response.headers["cache-control"] == "private, no-store"
            assert int(response.headers["age"]) >= 0
            assert "etag" not in response.headers
        await assert_unavailable(api, TOTAL_QUERY)
        await assert_unavailable(api, CPUS_QUERY.replace("50", "7"))
        moved = 101.0
        await assert_unavailable(api, CPUS_QUERY)
        await asyncio.to_thread(postgres.start)
        await wait_until_connected(resources)
        assert await cache_status(api, CPUS_QUERY) == "HIT-L1", "nothing has changed"
        assert await cache_status(api, TOTAL_QUERY) == "MISS"
        await commit_change(resources, Domain.CATALOG, sql="UPDATE cpu SET name = 'AMD Two'")
        assert "AMD Two" in (await get_persisted(api, CPUS_QUERY)).text
        assert graphql_app.response_cache._inflight == {}


async def test_hanging_postgresql_delays_stale_responses_once(
    redis_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL accepts connections and does not answer. Other queries are rejected."""
    monkeypatch.setattr(notifications, "PING_INTERVAL_SECONDS", 0.3)
    async with with_postgres(redis_url, folder, request_timeout_seconds=3.0) as (postgres, api, resources, _):
        await add_cpu(resources, "AMD One")
        await register_query(api, TOTAL_QUERY)
        right = await get_persisted(api, CPUS_QUERY)
        pids = [process.pid for process in _family(postgres._pid())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await wait_until_connected(resources, now=False)
            first = await get_persisted(api, CPUS_QUERY)
            assert (first.headers["x-cache"], first.content) == ("STALE", right.content)
            began = time.monotonic()
            assert {(await get_persisted(api, CPUS_QUERY)).headers["x-cache"] for _ in range(5)} == {"STALE"}
            assert time.monotonic() - began < 3.0, "it is not asked each time"
            response = await get_persisted(api, TOTAL_QUERY)
            assert only_error(response, 503)["extensions"]["code"] in {"DEADLINE_EXCEEDED", "SERVICE_UNAVAILABLE"}
            assert time.monotonic() - began < 20
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await wait_until_connected(resources)
        assert (await wait_until(lambda: _answers(api, TOTAL_QUERY))) == "MISS"


def _family(pid: int | None) -> list[psutil.Process]:
    assert pid is not None
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


async def _answers(api: ApiClient, query: str) -> str | None:
    response = await get_persisted(api, query)
    return response.headers["x-cache"] if response.status_code == 200 else None


async def test_server_starts_without_redis_and_postgresql(folder: Path) -> None:
    """It reports what is missing, and serves requests when the services are available."""
    redis, postgres = EmbeddedRedis(folder / "redis"), EmbeddedPostgres(folder / "postgres", durable=False)
    redis_url, url = redis.start(), await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(schema_version.upgrade, url)
    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(redis.stop)
    settings = make_settings(database_url=url, redis_url=redis_url, development=True)
    try:
        async with run_api(settings) as api:
            response = await api.http.get("/graphql", params={"query": "{ statistics { total } }"})
            assert only_error(response, 503)["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
            assert (await api.http.get("/health")).status_code == 200
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(redis.start)
            await wait_until(lambda: _answers(api, TOTAL_QUERY))
            await wait_until(lambda: _from_memory(api))
    finally:
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(redis.stop)


async def _from_memory(api: ApiClient) -> bool:
    return (await get_persisted(api, TOTAL_QUERY)).headers["x-cache"] == "HIT-L1"


async def test_damaged_response_in_redis_is_a_miss_and_is_replaced(resources: Resources) -> None:
    redis = resources.broker.redis
    async with run_api_on(resources) as (api, _):
        assert await cache_status(api, TOTAL_QUERY) == "MISS"
    (name,) = [name async for name in redis.scan_iter("dealmark:response:*")]
    intact = await redis.get(name)
    for damaged in (intact[:-1], intact[:30] + bytes([intact[30] ^ 1]) + intact[31:], b""):
        await redis.set(name, damaged, ex=600)
        async with run_api_on(resources) as (api, _):
            assert await cache_status(api, TOTAL_QUERY) == "MISS"
        async with run_api_on(resources) as (api, _):
            assert await cache_status(api, TOTAL_QUERY) == "HIT-L2", "the entry was replaced"
