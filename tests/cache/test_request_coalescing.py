"""Concurrent requests share one execution, which is cancelled when the last client disconnects; timeouts."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.lock import Lock
from sqlalchemy import text

from app.cache.response_cache import ResponseCache
from app.core.global_ids import encode_global_id
from app.db.tables import Domain
from app.graphql.viewer import Role
from app.main import create_root_app
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.http_errors import only_error
from tests.support.job_steps import advance_job, create_queued_job
from tests.support.response_cache import (
    CPUS_QUERY,
    TOTAL_QUERY,
    commit_change,
    get_persisted,
    lock_table,
    register_query,
    run_api_on,
    wait_for_blocked,
)
from tests.support.statements import record_statements
from tests.support.subscription_clients import open_event_stream
from tests.support.waiting import wait_until

BY_LOADER = 'query Nodes { nodes(ids: ["Q1BVOjE="]) { id ... on CPU { listingsCount } } }'
# A table that each query reads.
READ_FROM = {CPUS_QUERY: "cpu", TOTAL_QUERY: "cpu_statistics", BY_LOADER: "listing"}


@pytest.fixture
async def api(resources: Resources) -> AsyncIterator[ApiClient]:
    async with run_api_on(resources) as (api, _):
        yield api


@pytest.fixture
async def second_api(settings: Settings) -> AsyncIterator[ApiClient]:
    """Run a second API without shared in-flight requests."""
    async with Resources.open(settings) as resources, run_api_on(resources) as (api, _):
        yield api


async def test_concurrent_requests_are_executed_once(resources: Resources, database_url: str) -> None:
    await add_cpu(resources, "AMD One")
    async with run_api_on(resources) as (api, graphql_app):
        await register_query(api, CPUS_QUERY)
        with record_statements(resources) as statements:
            async with lock_table(database_url) as observer:
                requests = [asyncio.create_task(get_persisted(api, CPUS_QUERY)) for _ in range(50)]
                inflight = graphql_app.response_cache._inflight
                await wait_until(lambda: asyncio.sleep(0, [request.waiters for request in inflight.values()] == [50]))
                await wait_for_blocked(observer, 1)
            answers = await asyncio.gather(*requests)
    assert statements.count == 2
    assert {answer.headers["x-cache"] for answer in answers} == {"MISS"}
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1


async def acquire_private_lock(cache: ResponseCache, _key: bytes) -> Lock:
    """Acquire a lock that no other request knows."""
    lock: Lock = cache.redis.lock(secrets.token_hex(8), timeout=5, thread_local=False)
    assert await lock.acquire()
    return lock


@pytest.mark.parametrize("lock", ["of all processes", "of none"])
async def test_concurrent_requests_after_a_change_are_executed_once(
    api: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    if lock == "of none":
        monkeypatch.setattr(ResponseCache, "_acquire_lock", acquire_private_lock)
    for number in range(3):
        await add_cpu(resources, f"CPU {number}")
        await commit_change(resources, Domain.CATALOG)
        with record_statements(resources) as statements:
            answers = await asyncio.gather(*(get_persisted(api, CPUS_QUERY) for _ in range(30)))
        assert {answer.json()["data"]["cpus"]["totalCount"] for answer in answers} == {number + 1}
        # The page and the versions. Later executions expect a single statement.
        assert statements.count == (2 if number == 0 else 1)


async def test_two_processes_execute_once(
    api: ApiClient, second_api: ApiClient, resources: Resources, database_url: str
) -> None:
    await register_query(api, CPUS_QUERY)
    await register_query(second_api, CPUS_QUERY)
    async with lock_table(database_url) as observer:
        first = asyncio.create_task(get_persisted(api, CPUS_QUERY))
        await wait_for_blocked(observer, 1)
        others = [asyncio.create_task(get_persisted(second_api, CPUS_QUERY)) for _ in range(10)]
        await asyncio.sleep(0.3)
        await wait_for_blocked(observer, 1)
    assert (await first).headers["x-cache"] == "MISS"
    answers = await asyncio.gather(*others)
    assert {answer.headers["x-cache"] for answer in answers} == {"HIT-L2"}
    assert {answer.content for answer in answers} == {(await first).content}


async def test_wait_for_another_process_is_limited(
    api: ApiClient, second_api: ApiClient, resources: Resources, database_url: str
) -> None:
    await register_query(api, CPUS_QUERY)
    await register_query(second_api, CPUS_QUERY)
    async with lock_table(database_url) as observer:
        requests = [asyncio.create_task(get_persisted(each, CPUS_QUERY)) for each in (api, second_api)]
        await wait_for_blocked(observer, 2)
    assert {answer.status_code for answer in await asyncio.gather(*requests)} == {200}


@pytest.mark.parametrize("query", [CPUS_QUERY, TOTAL_QUERY, BY_LOADER])
async def test_disconnect_of_one_client_keeps_the_others_waiting(
    api: ApiClient, resources: Resources, database_url: str, query: str
) -> None:
    await register_query(api, query)
    await add_cpu(resources, "AMD One")
    async with lock_table(database_url, READ_FROM[query]) as observer:
        requests = [asyncio.create_task(get_persisted(api, query)) for _ in range(3)]
        await wait_for_blocked(observer, 1)
        requests[0].cancel()  # its request started the execution
        requests[2].cancel()
        await asyncio.sleep(0.2)
        await wait_for_blocked(observer, 1)
    answer = await requests[1]
    assert (answer.status_code, answer.headers["x-cache"]) == (200, "MISS")
    assert "errors" not in answer.json()


@pytest.mark.parametrize("query", [CPUS_QUERY, TOTAL_QUERY, BY_LOADER])
async def test_disconnect_of_all_clients_cancels_the_statement(
    api: ApiClient, resources: Resources, database_url: str, query: str
) -> None:
    await register_query(api, query)
    await add_cpu(resources, "AMD One")
    async with lock_table(database_url, READ_FROM[query]) as observer:
        requests = [asyncio.create_task(get_persisted(api, query)) for _ in range(3)]
        await wait_for_blocked(observer, 1)
        for task in requests:
            task.cancel()
        await wait_for_blocked(observer, 0)
        again = asyncio.create_task(get_persisted(api, query))
        await wait_for_blocked(observer, 1)
    assert (await again).status_code == 200
    assert resources.read_pool.in_use == 0


async def test_disconnect_cancels_a_mutation(api: ApiClient, resources: Resources, database_url: str) -> None:
    """The socket is closed, as a cancelled client task does."""
    body = {"query": "mutation { recalculateMetrics { job { id } } }"}
    async with lock_table(database_url, "job") as observer:
        requests = asyncio.create_task(api.http.post("/graphql", json=body, headers=api.token(Role.ADMIN)))
        await wait_for_blocked(observer, 1)
        requests.cancel()
        await wait_for_blocked(observer, 0)


@pytest.mark.parametrize("query", [CPUS_QUERY, BY_LOADER, "mutation { recalculateMetrics { job { id } } }"])
async def test_timeout_cancels_the_statement(settings: Settings, database_url: str, query: str) -> None:
    hurried = settings.model_copy(update={"request_timeout_seconds": 0.5})
    async with Resources.open(hurried) as resources, run_api_on(resources) as (api, _):
        await add_cpu(resources, "AMD One")
        async with lock_table(database_url, READ_FROM.get(query, "job")) as observer:
            began = time.monotonic()
            response = await api.http.post("/graphql", json={"query": query}, headers=api.token(Role.ADMIN))
            error = only_error(response, 503)
            assert 0.4 < time.monotonic() - began < 20
            assert error["extensions"]["code"] == "DEADLINE_EXCEEDED"
            assert error["message"] == "The operation did not finish within 0.5 s; request less data."
            assert int(response.headers["retry-after"]) > 0
            await wait_for_blocked(observer, 0)
        assert (await api.ask("{ __typename }")) == {"data": {"__typename": "Query"}}


async def test_postgresql_cancels_statements_of_the_api_after_the_timeout(settings: Settings) -> None:
    """The timeout helps if the API process hangs. Statements of the worker have no limit."""
    api = create_root_app(settings.model_copy(update={"request_timeout_seconds": 7.5})).starlette
    async with api.router.lifespan_context(api) as state:
        assert state is not None
        async with state["probes"].resources.read() as session:
            assert await session.scalar(text("SHOW statement_timeout")) == "7500ms"
    async with Resources.open(settings) as resources, resources.read() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "0"


async def test_subscription_has_no_timeout(settings: Settings) -> None:
    hurried = settings.model_copy(update={"request_timeout_seconds": 0.5})
    async with Resources.open(hurried) as resources, run_api_on(resources) as (api, _):
        key = await create_queued_job(resources)
        async with open_event_stream(api, id=encode_global_id("Job", key)) as events:
            assert (await events.job())["status"] == "QUEUED"
            await asyncio.sleep(0.8)
            await advance_job(resources, key, "succeed")
            assert (await events.job())["status"] == "SUCCEEDED"
