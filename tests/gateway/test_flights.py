"""One run for all who ask at the same time, ended when the last of them has gone; and the deadline of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.cache.response_cache import Responses
from app.core.global_ids import global_id
from app.db.tables import Domain
from app.graphql.viewer import Role
from app.main import create_app
from app.resources import Resources
from app.settings import Settings
from tests.conftest import Api, add_cpu, counting
from tests.gateway.caching import CPUS, TOTAL, change, get, held, known, serving_on, waiting
from tests.gateway.clients import streaming
from tests.gateway.test_http import the_error
from tests.gateway.test_subscriptions import advance, new_job
from tests.work.rows import eventually

BY_LOADER = 'query Nodes { nodes(ids: ["Q1BVOjE="]) { id ... on CPU { listingsCount } } }'
# A table that each query reads.
READ_FROM = {CPUS: "cpu", TOTAL: "cpu_statistics", BY_LOADER: "listing"}


@pytest.fixture
async def api(resources: Resources) -> AsyncIterator[Api]:
    async with serving_on(resources) as (api, _):
        yield api


@pytest.fixture
async def second(settings: Settings) -> AsyncIterator[Api]:
    """Another process, as far as flights go."""
    async with Resources.open(settings) as resources, serving_on(resources) as (api, _):
        yield api


async def test_many_ask_and_one_runs(resources: Resources, database_url: str) -> None:
    await add_cpu(resources, "AMD One")
    async with serving_on(resources) as (api, gateway):
        await known(api, CPUS)
        with counting(resources) as statements:
            async with held(database_url) as observer:
                asking = [asyncio.create_task(get(api, CPUS)) for _ in range(50)]
                flights = gateway.responses._flights
                await eventually(lambda: asyncio.sleep(0, [each.waiting for each in flights.values()] == [50]), 4)
                await waiting(observer, 1)
            answers = await asyncio.gather(*asking)
    assert statements.count == 2
    assert {answer.headers["x-cache"] for answer in answers} == {"MISS"}
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1


@pytest.mark.parametrize("lock", ["of all processes", "of none"])
async def test_after_a_change_one_runs(
    api: Api, resources: Resources, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    if lock == "of none":
        monkeypatch.setattr(Responses, "_lock", lambda _responses, _key: asyncio.sleep(0, True))
    for number in range(3):
        await add_cpu(resources, f"CPU {number}")
        await change(resources, Domain.CATALOG)
        with counting(resources) as statements:
            answers = await asyncio.gather(*(get(api, CPUS) for _ in range(30)))
        assert {answer.json()["data"]["cpus"]["totalCount"] for answer in answers} == {number + 1}
        # The page and the versions; from then on it is known that one statement is enough.
        assert statements.count == (2 if number == 0 else 1)


async def test_of_two_processes_one_runs(api: Api, second: Api, resources: Resources, database_url: str) -> None:
    await known(api, CPUS)
    await known(second, CPUS)
    async with held(database_url) as observer:
        first = asyncio.create_task(get(api, CPUS))
        await waiting(observer, 1)
        others = [asyncio.create_task(get(second, CPUS)) for _ in range(10)]
        await asyncio.sleep(0.3)
        await waiting(observer, 1)
    assert (await first).headers["x-cache"] == "MISS"
    answers = await asyncio.gather(*others)
    assert {answer.headers["x-cache"] for answer in answers} == {"HIT-L2"}
    assert {answer.content for answer in answers} == {(await first).content}


async def test_a_process_that_keeps_the_others_waiting_is_not_waited_for(
    api: Api, second: Api, resources: Resources, database_url: str
) -> None:
    await known(api, CPUS)
    await known(second, CPUS)
    async with held(database_url) as observer:
        asking = [asyncio.create_task(get(each, CPUS)) for each in (api, second)]
        await waiting(observer, 2)
    assert {answer.status_code for answer in await asyncio.gather(*asking)} == {200}


@pytest.mark.parametrize("query", [CPUS, TOTAL, BY_LOADER])
async def test_who_goes_away_takes_nobody_along(api: Api, resources: Resources, database_url: str, query: str) -> None:
    await known(api, query)
    await add_cpu(resources, "AMD One")
    async with held(database_url, READ_FROM[query]) as observer:
        asking = [asyncio.create_task(get(api, query)) for _ in range(3)]
        await waiting(observer, 1)
        asking[0].cancel()  # the one whose request began it
        asking[2].cancel()
        await asyncio.sleep(0.2)
        await waiting(observer, 1)
    answer = await asking[1]
    assert (answer.status_code, answer.headers["x-cache"]) == (200, "MISS")
    assert "errors" not in answer.json()


@pytest.mark.parametrize("query", [CPUS, TOTAL, BY_LOADER])
async def test_when_all_have_gone_the_statement_is_ended(
    api: Api, resources: Resources, database_url: str, query: str
) -> None:
    await known(api, query)
    await add_cpu(resources, "AMD One")
    async with held(database_url, READ_FROM[query]) as observer:
        asking = [asyncio.create_task(get(api, query)) for _ in range(3)]
        await waiting(observer, 1)
        for task in asking:
            task.cancel()
        await waiting(observer, 0)
        again = asyncio.create_task(get(api, query))
        await waiting(observer, 1)
    assert (await again).status_code == 200
    assert resources.reading.in_use == 0


async def test_a_mutation_whose_client_goes_away_is_ended(api: Api, resources: Resources, database_url: str) -> None:
    """By its socket: a task that is cancelled tells the server nothing more than this."""
    body = {"query": "mutation { recalculateMetrics { job { id } } }"}
    async with held(database_url, "job") as observer:
        asking = asyncio.create_task(api.http.post("/graphql", json=body, headers=api.token(Role.ADMIN)))
        await waiting(observer, 1)
        asking.cancel()
        await waiting(observer, 0)


@pytest.mark.parametrize("query", [CPUS, BY_LOADER, "mutation { recalculateMetrics { job { id } } }"])
async def test_the_deadline_ends_the_statement(settings: Settings, database_url: str, query: str) -> None:
    hurried = settings.model_copy(update={"request_seconds": 0.5})
    async with Resources.open(hurried) as resources, serving_on(resources) as (api, _):
        await add_cpu(resources, "AMD One")
        async with held(database_url, READ_FROM.get(query, "job")) as observer:
            began = time.monotonic()
            response = await api.http.post("/graphql", json={"query": query}, headers=api.token(Role.ADMIN))
            error = the_error(response, 503)
            assert 0.4 < time.monotonic() - began < 2
            assert error["extensions"]["code"] == "DEADLINE_EXCEEDED"
            assert error["message"] == "The answer was not ready within 0.5 s; ask for less."
            assert int(response.headers["retry-after"]) > 0
            await waiting(observer, 0)
        assert (await api.ask("{ __typename }")) == {"data": {"__typename": "Query"}}


async def test_postgresql_ends_statements_by_itself(settings: Settings) -> None:
    """Should the process hang. The worker's may take as long as they need."""
    api = create_app(settings.model_copy(update={"request_seconds": 7.5})).api
    async with api.router.lifespan_context(api) as state:
        assert state is not None
        async with state["resources"].read() as session:
            assert await session.scalar(text("SHOW statement_timeout")) == "7500ms"
    async with Resources.open(settings) as resources, resources.read() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "0"


async def test_a_subscription_has_no_deadline(settings: Settings) -> None:
    hurried = settings.model_copy(update={"request_seconds": 0.2})
    async with Resources.open(hurried) as resources, serving_on(resources) as (api, _):
        key = await new_job(resources)
        async with streaming(api, id=global_id("Job", key)) as events:
            assert (await events.job())["status"] == "QUEUED"
            await asyncio.sleep(0.4)
            await advance(resources, key, "succeed")
            assert (await events.job())["status"] == "SUCCEEDED"
