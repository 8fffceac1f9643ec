"""`jobProgress` by SSE and by graphql-transport-ws; whoever goes away leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import websockets
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from app.context import Role
from app.gateway import events as events_module
from app.gateway.gateway import Gateway
from app.observability import SUBSCRIPTIONS
from app.relay import global_id
from app.resources import Resources
from app.tables import JobKind
from app.work import sql
from tests import conftest
from tests.conftest import Api, add_cpu, work_off
from tests.gateway.clients import EVENTS, PROGRESS, Socket, socket, streaming

UNKNOWN = global_id("Job", 404)


@pytest.fixture
async def served(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The API on the test's own resources, so that it can look into them."""
    gateway = Gateway(resources)
    routes = [Route("/graphql", gateway), WebSocketRoute("/graphql", gateway)]
    monkeypatch.setattr(conftest, "create_app", lambda _settings: Starlette(routes=routes))
    async with conftest.serving(resources.settings) as api:
        yield api
    assert followers(resources) == 0
    assert SUBSCRIPTIONS._value.get() == 0


def followers(resources: Resources) -> int:
    """How many follow a job."""
    return sum(len(events) for events in resources.changes._followers.values())


async def until(condition: Callable[[], bool]) -> None:
    """Waits, not for ever."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110, nothing tells when
            await asyncio.sleep(0.01)


async def new_job(resources: Resources) -> int:
    """A queued job that no worker is told of."""
    async with resources.write() as tx:
        job_id = await sql.create(tx, JobKind.RECALCULATE_METRICS, {}, "test")
        tx.enqueued.clear()
    assert job_id is not None
    return job_id


async def advance(resources: Resources, job_id: int, step: str, done: int = 0) -> None:
    """Moves the job as a worker would."""
    async with resources.write() as tx:
        if step == "start":
            await sql.start(tx, job_id)
        elif step == "progress":
            await sql.progress(tx, job_id, done, 10)
        else:
            await sql.succeed(tx, job_id, 10, 10, 0)


async def test_progress_by_sse(served: Api, resources: Resources) -> None:
    """The state at the start comes at once, then each change, and the end with the job's."""
    for method in ("POST", "GET"):
        key = await new_job(resources)
        async with streaming(served, id=global_id("Job", key), method=method) as events:
            assert (await events.job())["status"] == "QUEUED"
            await advance(resources, key, "start")
            assert (await events.job())["status"] == "RUNNING"
            for done in (1, 7):
                await advance(resources, key, "progress", done)
                job = await events.job()
                assert (job["status"], job["done"], job["total"]) == ("RUNNING", done, 10)
            await advance(resources, key, "succeed")
            job = await events.job()
            assert (job["status"], job["done"], job["succeeded"]) == ("SUCCEEDED", 10, 10)
            assert await events.rest() == [("complete", None)]
        async with streaming(served, id=global_id("Job", key), method=method) as events:
            assert (await events.job())["status"] == "SUCCEEDED"
            assert await events.rest() == [("complete", None)]


async def test_a_real_recalculation_can_be_followed(served: Api, resources: Resources) -> None:
    await add_cpu(resources, "CPU", [1, 2, 3])
    ask = "mutation { recalculateMetrics { job { id status } } }"
    job = (await served.data(ask, Role.ADMIN))["recalculateMetrics"]["job"]
    async with streaming(served, id=job["id"]) as events:
        assert (await events.job())["status"] == "QUEUED"
        working = asyncio.create_task(work_off(resources))
        states = [result["data"]["jobProgress"]["status"] for name, result in await events.rest() if name == "next"]
        await working
    assert states[-1] == "SUCCEEDED"
    assert set(states) <= {"RUNNING", "SUCCEEDED"}


async def test_errors_by_sse_are_events(served: Api) -> None:
    for query, variables, code in (
        (PROGRESS, {"id": UNKNOWN}, "NOT_FOUND"),
        (PROGRESS, {"id": "junk"}, "BAD_USER_INPUT"),
        (PROGRESS, {"id": global_id("CPU", 1)}, "BAD_USER_INPUT"),
        (PROGRESS, {}, "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { recalculateMetrics { job { id } } }", {}, "UNAUTHENTICATED"),
    ):
        async with streaming(served, query, **variables) as events:
            (name, result), end = await events.rest()
        assert (name, end) == ("next", ("complete", None))
        assert {error["extensions"]["code"] for error in result["errors"]} == {code}, query


async def test_what_cannot_begin_is_no_stream(served: Api) -> None:
    for query, code in (
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_VALIDATION_FAILED"),
        ("fragment f on Query { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("query a { __typename } query b { __typename }", "BAD_REQUEST"),
        ("{ cpus(first: 200) { nodes { listings(first: 200) { nodes { id } } } } }", "COST_LIMIT_EXCEEDED"),
    ):
        response = await served.http.post("/graphql", json={"query": query}, headers=EVENTS)
        assert response.status_code == 400, query
        assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        assert [error["extensions"]["code"] for error in response.json()["errors"]] == [code]


async def test_queries_by_sse(served: Api) -> None:
    async with streaming(served, "{ __typename }", method="GET") as events:
        assert await events.rest() == [("next", {"data": {"__typename": "Query"}}), ("complete", None)]
    mutation = {"query": "mutation { recalculateMetrics { job { id } } }"}
    response = await served.http.get("/graphql", params=mutation, headers=EVENTS)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    response = await served.http.post("/graphql", content=b"", headers=EVENTS)
    assert response.status_code == 415, "what is no GraphQL request is refused as such"
    response = await served.http.get("/graphql?query={__typename}", headers={**EVENTS, "authorization": "Bearer x"})
    assert response.status_code == 401


async def test_a_client_of_sse_that_goes_away_frees_its_follower(
    served: Api, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.05)
    key = await new_job(resources)
    for pause in (0.0, 0.2):
        async with streaming(served, id=global_id("Job", key)) as events:
            await events.job()
            await asyncio.sleep(pause)
            assert followers(resources) == 1
        await until(lambda: followers(resources) == 0)
        await until(lambda: SUBSCRIPTIONS._value.get() == 0)
    assert resources.reading.in_use == 0


async def test_an_idle_stream_is_kept_alive_by_comments(
    served: Api, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_SECONDS", 0.05)
    key = await new_job(resources)
    async with streaming(served, id=global_id("Job", key)) as events:
        await events.job()
        async for line in events.lines:
            if line == ":":
                break


async def test_progress_by_websocket(served: Api, resources: Resources) -> None:
    key = await new_job(resources)
    async with socket(served) as client:
        assert await client.receive() == {"type": "connection_ack", "payload": {}}
        await client.start("a", PROGRESS, id=global_id("Job", key))
        assert (await client.receive())["payload"]["data"]["jobProgress"]["status"] == "QUEUED"
        await advance(resources, key, "progress", 4)
        message = await client.receive()
        assert (message["id"], message["type"]) == ("a", "next")
        assert message["payload"]["data"]["jobProgress"]["done"] == 4
        await advance(resources, key, "succeed")
        assert (await client.receive())["payload"]["data"]["jobProgress"]["status"] == "SUCCEEDED"
        assert await client.receive() == {"id": "a", "type": "complete"}


async def test_errors_by_websocket(served: Api) -> None:
    async with socket(served) as client:
        await client.receive()
        for query, variables, kind, code in (
            (PROGRESS, {"id": UNKNOWN}, "error", "NOT_FOUND"),
            (
                "{ cpus(first: 200) { nodes { listings(first: 200) { nodes { id } } } } }",
                {},
                "error",
                "COST_LIMIT_EXCEEDED",
            ),
            ("{ cpu { id } }", {}, "next", "BAD_USER_INPUT"),
            ("{ nothing }", {}, "error", "GRAPHQL_VALIDATION_FAILED"),
            (PROGRESS, {}, "error", "GRAPHQL_VALIDATION_FAILED"),
        ):
            await client.start("a", query, **variables)
            message = await client.receive()
            assert message["type"] == kind, query
            errors = message["payload"] if kind == "error" else message["payload"]["errors"]
            assert [error["extensions"]["code"] for error in errors] == [code]
            if kind == "next":
                assert (await client.receive())["type"] == "complete"
        await client.send(type="subscribe", id="b", payload={"query": "query a { __typename }", "operationName": "b"})
        message = await client.receive()
        assert message["payload"][0]["message"] == 'The document has no operation "b"; it has a.'


async def test_a_query_over_a_socket_sees_fresh_data_each_time(served: Api, resources: Resources) -> None:
    query = "{ statistics { total } cpus { totalCount nodes { listingsCount } } }"
    async with socket(served) as client:
        await client.receive()
        for number in range(3):
            assert (await client.one(query))["data"] == {
                "statistics": {"total": number},
                "cpus": {"totalCount": number, "nodes": [{"listingsCount": 1}] * number},
            }
            await add_cpu(resources, f"CPU {number}", [5])


async def test_tokens_over_a_socket(served: Api, resources: Resources) -> None:
    """In the payload, whatever its case, or in the header; the payload wins."""
    await add_cpu(resources, "CPU")
    ask = "mutation { recalculateMetrics { job { status } } }"
    good, viewer = served.token(Role.ADMIN)["authorization"], served.token(Role.VIEWER)["authorization"]
    for payload, header in (({"Authorization": good}, viewer), ({"authorization": good}, ""), (None, good)):
        async with socket(served, payload, **({"authorization": header} if header else {})) as client:
            assert (await client.receive())["type"] == "connection_ack"
            assert (await client.one(ask))["data"]["recalculateMetrics"]["job"]["status"] == "QUEUED"
    for payload, code in ((None, "UNAUTHENTICATED"), ({"Authorization": viewer}, "FORBIDDEN")):
        async with socket(served, payload) as client:
            await client.receive()
            assert (await client.one(ask))["errors"][0]["extensions"]["code"] == code
    await work_off(resources)


async def test_a_bad_token_closes_the_socket(served: Api) -> None:
    wrong: list[dict[str, Any]] = [{"authorization": "Bearer x"}, {"authorization": "x"}, {"authorization": {"a": 1}}]
    for payload in wrong:
        async with socket(served, payload) as client:
            assert await client.closed() == (4403, "Forbidden")


async def test_a_client_of_a_socket_that_goes_away_frees_its_followers(served: Api, resources: Resources) -> None:
    key = await new_job(resources)
    async with socket(served) as client:
        await client.receive()
        for operation in ("a", "b", "c"):
            await client.start(operation, PROGRESS, id=global_id("Job", key))
            await client.receive()
        assert followers(resources) == 3
        await client.send(type="complete", id="b")
        await until(lambda: followers(resources) == 2)
    await until(lambda: followers(resources) == 0)
    await until(lambda: SUBSCRIPTIONS._value.get() == 0)


async def test_other_protocols_are_refused(served: Api) -> None:
    for protocols in (None, [websockets.Subprotocol("graphql-ws")]):
        url = served.url.replace("http", "ws") + "/graphql"
        async with websockets.connect(url, subprotocols=protocols) as connection:
            assert await Socket(connection).closed() == (4406, "Subprotocol not acceptable")
    async with socket(served) as client:
        await client.receive()
        await client.connection.send("not JSON")
        assert (await client.closed())[0] == 4400
