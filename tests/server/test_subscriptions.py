"""`jobProgress` by SSE and by graphql-transport-ws; a disconnect leaves no subscriber behind."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import websockets
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from structlog.testing import capture_logs

from app.core.global_ids import encode_global_id
from app.core.metrics import SUBSCRIPTIONS
from app.documents import sql
from app.documents.registry import builtin_documents
from app.graphql.viewer import Role
from app.resources import Resources
from app.server import authentication
from app.server import sse as events_module
from app.server.graphql_app import GraphQLApp
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.job_steps import advance_job, create_queued_job
from tests.support.queue_worker import run_queued_jobs
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.subscription_clients import ACCEPT_SSE, JOB_PROGRESS, WebSocketClient, open_event_stream, open_socket
from tests.support.tokens import VALID_CLAIMS, sign_token

UNKNOWN = encode_global_id("Job", 404)


@pytest.fixture
async def api_and_resources(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiClient]:
    """Run the API on the resources of the test."""
    graphql_app = GraphQLApp(resources, GRAPHQL_SCHEMA)
    routes = [Route("/graphql", graphql_app), WebSocketRoute("/graphql", graphql_app)]
    async with run_api(resources.settings, Starlette(routes=routes)) as api:
        yield api
    assert subscriber_count(resources) == 0
    assert SUBSCRIPTIONS._value.get() == 0


def subscriber_count(resources: Resources) -> int:
    """Return the number of subscribers of a job."""
    return sum(len(events) for events in resources.notifications._subscribers.values())


async def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a time limit."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110, nothing tells when
            await asyncio.sleep(0.01)


async def test_sse_sends_each_job_state_until_the_end(api_and_resources: ApiClient, resources: Resources) -> None:
    """The first event is the current state, then each change follows, and the stream ends with the job."""
    for method in ("POST", "GET"):
        key = await create_queued_job(resources)
        async with open_event_stream(api_and_resources, id=encode_global_id("Job", key), method=method) as events:
            assert (await events.job())["status"] == "QUEUED"
            await advance_job(resources, key, "start")
            assert (await events.job())["status"] == "RUNNING"
            for done in (1, 7):
                await advance_job(resources, key, "progress", done)
                job = await events.job()
                assert (job["status"], job["done"], job["total"]) == ("RUNNING", done, 10)
            await advance_job(resources, key, "succeed")
            job = await events.job()
            assert (job["status"], job["done"], job["succeeded"]) == ("SUCCEEDED", 10, 10)
            assert await events.rest() == [("complete", None)]
        async with open_event_stream(api_and_resources, id=encode_global_id("Job", key), method=method) as events:
            assert (await events.job())["status"] == "SUCCEEDED"
            assert await events.rest() == [("complete", None)]


async def test_sse_follows_a_real_recalculation(api_and_resources: ApiClient, resources: Resources) -> None:
    await add_cpu(resources, "CPU", [1, 2, 3])
    ask = "mutation { recalculateMetrics { job { id status } } }"
    job = (await api_and_resources.data(ask, Role.ADMIN))["recalculateMetrics"]["job"]
    async with open_event_stream(api_and_resources, id=job["id"]) as events:
        assert (await events.job())["status"] == "QUEUED"
        working = asyncio.create_task(run_queued_jobs(resources))
        states = [result["data"]["jobProgress"]["status"] for name, result in await events.rest() if name == "next"]
        await working
    assert states[-1] == "SUCCEEDED"
    assert set(states) <= {"RUNNING", "SUCCEEDED"}


async def test_sse_sends_execution_errors_as_events(api_and_resources: ApiClient) -> None:
    for query, variables, code in (
        (JOB_PROGRESS, {"id": UNKNOWN}, "NOT_FOUND"),
        (JOB_PROGRESS, {"id": "junk"}, "BAD_USER_INPUT"),
        (JOB_PROGRESS, {"id": encode_global_id("CPU", 1)}, "BAD_USER_INPUT"),
        (JOB_PROGRESS, {}, "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { recalculateMetrics { job { id } } }", {}, "UNAUTHENTICATED"),
    ):
        async with open_event_stream(api_and_resources, query, **variables) as events:
            (name, result), end = await events.rest()
        assert (name, end) == ("next", ("complete", None))
        assert {error["extensions"]["code"] for error in result["errors"]} == {code}, query


async def test_rejected_subscription_is_no_stream(api_and_resources: ApiClient) -> None:
    for query, code in (
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_VALIDATION_FAILED"),
        ("fragment f on Query { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("query a { __typename } query b { __typename }", "BAD_REQUEST"),
        ("{ cpus(first: 200) { nodes { listings(first: 200) { nodes { id } } } } }", "COST_LIMIT_EXCEEDED"),
    ):
        response = await api_and_resources.http.post("/graphql", json={"query": query}, headers=ACCEPT_SSE)
        assert response.status_code == 400, query
        assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        assert [error["extensions"]["code"] for error in response.json()["errors"]] == [code]


async def test_sse_sends_the_result_of_a_query(api_and_resources: ApiClient) -> None:
    async with open_event_stream(api_and_resources, "{ __typename }", method="GET") as events:
        assert await events.rest() == [("next", {"data": {"__typename": "Query"}}), ("complete", None)]
    mutation = {"query": "mutation { recalculateMetrics { job { id } } }"}
    response = await api_and_resources.http.get("/graphql", params=mutation, headers=ACCEPT_SSE)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    response = await api_and_resources.http.post("/graphql", content=b"", headers=ACCEPT_SSE)
    assert response.status_code == 415, "what is no GraphQL request is refused as such"
    response = await api_and_resources.http.get(
        "/graphql?query={__typename}", headers={**ACCEPT_SSE, "authorization": "Bearer x"}
    )
    assert response.status_code == 401


async def test_sse_disconnect_removes_the_subscriber(
    api_and_resources: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_INTERVAL_SECONDS", 0.05)
    key = await create_queued_job(resources)
    for pause in (0.0, 0.2):
        async with open_event_stream(api_and_resources, id=encode_global_id("Job", key)) as events:
            await events.job()
            await asyncio.sleep(pause)
            assert subscriber_count(resources) == 1
        await wait_for(lambda: subscriber_count(resources) == 0)
        await wait_for(lambda: SUBSCRIPTIONS._value.get() == 0)
    assert resources.read_pool.in_use == 0


async def test_idle_sse_stream_sends_heartbeats(
    api_and_resources: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_INTERVAL_SECONDS", 0.05)
    key = await create_queued_job(resources)
    async with open_event_stream(api_and_resources, id=encode_global_id("Job", key)) as events:
        await events.job()
        async for line in events.lines:
            if line == ":":
                break


async def test_websocket_sends_each_job_state_until_the_end(api_and_resources: ApiClient, resources: Resources) -> None:
    key = await create_queued_job(resources)
    async with open_socket(api_and_resources) as client:
        assert await client.receive() == {"type": "connection_ack", "payload": {}}
        await client.start("a", JOB_PROGRESS, id=encode_global_id("Job", key))
        assert (await client.receive())["payload"]["data"]["jobProgress"]["status"] == "QUEUED"
        await advance_job(resources, key, "progress", 4)
        message = await client.receive()
        assert (message["id"], message["type"]) == ("a", "next")
        assert message["payload"]["data"]["jobProgress"]["done"] == 4
        await advance_job(resources, key, "succeed")
        assert (await client.receive())["payload"]["data"]["jobProgress"]["status"] == "SUCCEEDED"
        assert await client.receive() == {"id": "a", "type": "complete"}


async def test_websocket_sends_errors(api_and_resources: ApiClient) -> None:
    async with open_socket(api_and_resources) as client:
        await client.receive()
        for query, variables, kind, code in (
            (JOB_PROGRESS, {"id": UNKNOWN}, "error", "NOT_FOUND"),
            (
                "{ cpus(first: 200) { nodes { listings(first: 200) { nodes { id } } } } }",
                {},
                "error",
                "COST_LIMIT_EXCEEDED",
            ),
            ("{ cpu { id } }", {}, "next", "BAD_USER_INPUT"),
            ("{ nothing }", {}, "error", "GRAPHQL_VALIDATION_FAILED"),
            (JOB_PROGRESS, {}, "error", "GRAPHQL_VALIDATION_FAILED"),
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


async def test_websocket_query_reads_current_data_each_time(api_and_resources: ApiClient, resources: Resources) -> None:
    query = "{ statistics { total } cpus { totalCount nodes { listingsCount } } }"
    async with open_socket(api_and_resources) as client:
        await client.receive()
        for number in range(3):
            assert (await client.one(query))["data"] == {
                "statistics": {"total": number},
                "cpus": {"totalCount": number, "nodes": [{"listingsCount": 1}] * number},
            }
            await add_cpu(resources, f"CPU {number}", [5])


async def test_websocket_token_is_read_from_payload_before_header(
    api_and_resources: ApiClient, resources: Resources
) -> None:
    """The name in the payload is case-insensitive."""
    await add_cpu(resources, "CPU")
    ask = "mutation { recalculateMetrics { job { status } } }"
    good, viewer = (
        api_and_resources.token(Role.ADMIN)["authorization"],
        api_and_resources.token(Role.VIEWER)["authorization"],
    )
    for payload, header in (({"Authorization": good}, viewer), ({"authorization": good}, ""), (None, good)):
        async with open_socket(api_and_resources, payload, **({"authorization": header} if header else {})) as client:
            assert (await client.receive())["type"] == "connection_ack"
            assert (await client.one(ask))["data"]["recalculateMetrics"]["job"]["status"] == "QUEUED"
    for payload, code in ((None, "UNAUTHENTICATED"), ({"Authorization": viewer}, "FORBIDDEN")):
        async with open_socket(api_and_resources, payload) as client:
            await client.receive()
            assert (await client.one(ask))["errors"][0]["extensions"]["code"] == code
    await run_queued_jobs(resources)


async def test_invalid_token_closes_the_websocket(api_and_resources: ApiClient) -> None:
    wrong: list[dict[str, Any]] = [{"authorization": "Bearer x"}, {"authorization": "x"}, {"authorization": {"a": 1}}]
    for payload in wrong:
        async with open_socket(api_and_resources, payload) as client:
            assert await client.closed() == (4403, "Forbidden")


async def test_expired_token_ends_the_permissions_of_a_websocket(
    api_and_resources: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = "mutation { recalculateMetrics { job { status } } }"
    token = sign_token({**VALID_CLAIMS, "exp": time.time() - 1})  # within the leeway
    async with open_socket(api_and_resources, {"authorization": f"Bearer {token}"}) as client:
        await client.receive()
        assert (await client.one(ask))["data"]["recalculateMetrics"]["job"]["status"] == "QUEUED"
        await resources.broker.redis.flushall()
        monkeypatch.setattr(authentication, "CLOCK_LEEWAY_SECONDS", 0)
        for query in (ask, "{ __typename }"):
            await client.start("late", query)
            message = await client.receive()
            assert (message["type"], message["id"]) == ("error", "late")
            assert message["payload"][0]["message"] == "The token has expired: get a new one."


async def test_websocket_runs_documents_by_id_and_counts_uses(settings: Settings, resources: Resources) -> None:
    """Every parameter that names a document works; production runs nothing else."""
    key = encode_global_id("Job", await create_queued_job(resources))
    text = builtin_documents()["JobProgress"]
    digest = hashlib.sha256(text.encode()).hexdigest()
    hashed = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    strict = settings.model_copy(update={"development": False, "documents": "required"})
    async with run_api(strict) as api, open_socket(api) as client:
        await client.receive()
        for named in (
            *({"documentId": f"sha256:{digest}"}, {"id": "JobProgress"}, {"query": text}),
            *({"extensions": hashed}, {"extensions": hashed, "query": text}),
        ):
            await client.send(type="subscribe", id="a", payload={**named, "variables": {"id": key}})
            message = await client.receive()
            assert (message["type"], message["payload"]["data"]["jobProgress"]["status"]) == ("next", "QUEUED"), named
            await client.send(type="complete", id="a")
        for named, code in (
            ({"documentId": "sha256:" + "0" * 64}, "PERSISTED_QUERY_NOT_IN_LIST"),
            ({"query": "{ __typename }"}, "PERSISTED_QUERY_ID_REQUIRED"),
            ({"documentId": "JobProgress", "query": text}, "BAD_REQUEST"),
        ):
            await client.send(type="subscribe", id="b", payload=named)
            message = await client.receive()
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)
    async with resources.read() as session:
        assert (await sql.usage(session))[f"sha256:{digest}"].hits == 5


async def test_websocket_registers_automatic_persisted_queries(settings: Settings) -> None:
    query = "{ __typename }"
    hashed = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(query.encode()).hexdigest()}}
    async with run_api(settings.model_copy(update={"documents": "apq"})) as api, open_socket(api) as client:
        await client.receive()
        await client.send(type="subscribe", id="a", payload={"extensions": hashed})
        assert (await client.receive())["payload"][0]["message"] == "PersistedQueryNotFound"
        for payload in ({"extensions": hashed, "query": query}, {"extensions": hashed}):
            await client.send(type="subscribe", id="a", payload=payload)
            assert (await client.receive())["payload"] == {"data": {"__typename": "Query"}}
            assert (await client.receive())["type"] == "complete"


async def test_malformed_operation_ends_only_itself(api_and_resources: ApiClient) -> None:
    async with open_socket(api_and_resources) as client:
        await client.receive()
        with capture_logs() as logged:
            for payload, code, message in (
                ({"query": 1}, "BAD_REQUEST", "`query` must be a string."),
                ({"query": JOB_PROGRESS, "variables": [1]}, "BAD_REQUEST", "`variables` must be an object."),
                ({"query": JOB_PROGRESS, "variables": "{}"}, "BAD_REQUEST", "`variables` must be an object."),
                ({"query": JOB_PROGRESS, "operationName": 1}, "BAD_REQUEST", "`operationName` must be a string."),
                ({"query": JOB_PROGRESS, "extensions": 1}, "BAD_REQUEST", "`extensions` must be an object."),
                ({}, "BAD_REQUEST", "Name a document by `documentId`, or give its text in `query`."),
                ({"query": "{"}, "GRAPHQL_VALIDATION_FAILED", "Syntax Error: Expected Name, found <EOF>."),
                ({"query": "{ a" + "(" * 1_000}, "GRAPHQL_VALIDATION_FAILED", None),
            ):
                await client.send(type="subscribe", id="a", payload=payload)
                answer = await client.receive()
                assert (answer["type"], answer["id"]) == ("error", "a")
                assert answer["payload"][0]["extensions"]["code"] == code
                assert message in (None, answer["payload"][0]["message"])
            assert (await client.one("{ __typename }"))["data"] == {"__typename": "Query"}
        assert [line for line in logged if line["log_level"] == "error"] == []


WRONG_MESSAGES = [
    ("[]", "A message must be a JSON object."),
    ("1", "A message must be a JSON object."),
    ("null", "A message must be a JSON object."),
    ("{", "The message is not JSON: Expecting property name enclosed in double quotes (line 1, column 2)."),
    ('{"type": "ping", "type": "pong"}', 'The message has the name "type" twice in one object.'),
    ('{"type": "ping", "payload": "\\ud800"}', None),
    ("[" * 50_000, None),
    ("{}", "A message must have a `type`, a string."),
    ('{"type": {}}', "A message must have a `type`, a string."),
    ('{"type": "%s"}' % ("é" * 500), "Unknown message type: " + "é" * 50),
    ('{"type": "subscribe", "payload": {}}', "A message of type subscribe must have an `id`, a string."),
    ('{"type": "complete", "id": []}', "A message of type complete must have an `id`, a string."),
    *(
        ('{"type": "subscribe", "id": "a"' + more, "A message of type subscribe must have a `payload`, an object.")
        for more in ("}", ', "payload": "x"}', ', "payload": []}')
    ),
]


@pytest.mark.parametrize(("message", "reason"), WRONG_MESSAGES)
async def test_malformed_message_closes_the_websocket(
    api_and_resources: ApiClient, message: str, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with open_socket(api_and_resources) as client:
            await client.receive()
            await client.connection.send(message)
            code, told = await client.closed()
    assert code == 4400
    assert reason in (None, told)
    assert caplog.records == []


async def test_repeated_operation_id_closes_the_websocket(api_and_resources: ApiClient, resources: Resources) -> None:
    key = await create_queued_job(resources)
    async with open_socket(api_and_resources) as client:
        await client.receive()
        await client.start("a" * 500, JOB_PROGRESS, id=encode_global_id("Job", key))
        await client.receive()
        await client.start("a" * 500, JOB_PROGRESS, id=encode_global_id("Job", key))
        code, reason = await client.closed()
        assert (code, len(reason)) == (4409, 123)


async def test_websocket_disconnect_removes_the_subscribers(api_and_resources: ApiClient, resources: Resources) -> None:
    key = await create_queued_job(resources)
    async with open_socket(api_and_resources) as client:
        await client.receive()
        for operation in ("a", "b", "c"):
            await client.start(operation, JOB_PROGRESS, id=encode_global_id("Job", key))
            await client.receive()
        assert subscriber_count(resources) == 3
        await client.send(type="complete", id="b")
        await wait_for(lambda: subscriber_count(resources) == 2)
    await wait_for(lambda: subscriber_count(resources) == 0)
    await wait_for(lambda: SUBSCRIPTIONS._value.get() == 0)


async def test_other_subprotocols_are_rejected(api_and_resources: ApiClient) -> None:
    for protocols in (None, [websockets.Subprotocol("graphql-ws")]):
        url = api_and_resources.url.replace("http", "ws") + "/graphql"
        async with websockets.connect(url, subprotocols=protocols) as connection:
            assert await WebSocketClient(connection).closed() == (4406, "Subprotocol not acceptable")
    async with open_socket(api_and_resources) as client:
        await client.receive()
        await client.connection.send("not JSON")
        assert (await client.closed())[0] == 4400
