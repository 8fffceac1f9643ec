"""Streams of results: equal to graphql-core's, shared between subscribers, and without growing memory."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import orjson
import pytest
import strawberry
from graphql import GraphQLSchema, subscribe

from app.core.errors import NotFound
from app.engine import streams as streams_module
from app.engine.document import prepare_document
from app.engine.executor import Executor, encode_response
from app.engine.streams import OperationStreams
from app.graphql.context import Context, Info
from app.graphql.error_masking import mask_errors
from app.graphql.event_batch import EventBatch
from app.graphql.permissions import IsOperator
from app.graphql.strawberry_bridge import graphql_schema
from app.graphql.viewer import ANONYMOUS, Role, Viewer
from app.resources import Resources
from tests.support.response_cache import wait_until_connected

executed: list[int] = []


@strawberry.type
class Part:
    name: str


@strawberry.type
class Tick:
    number: int

    def __hash__(self) -> int:
        return self.number

    @strawberry.field
    async def parts(self, count: int = 2) -> list[Part]:
        """Return parts; every tenth tick fails."""
        executed.append(self.number)
        await asyncio.sleep(0)
        if self.number % 10 == 9:
            raise NotFound("no parts")
        return [Part(name=f"{self.number}.{part}") for part in range(count)]

    @strawberry.field
    def path(self, info: Info) -> str | None:
        """Return the response path of the field."""
        return ".".join(map(str, info.path.as_list()))

    @strawberry.field
    def subject(self, info: Info) -> str | None:
        """Return who asks."""
        return info.context.viewer.subject

    async def _secret(self, info: Info) -> str | None:
        return info.context.viewer.subject

    secret: str | None = strawberry.field(resolver=_secret, permission_classes=[IsOperator])


@strawberry.type
class UniqueTick(Tick):
    __hash__ = None  # type: ignore[assignment]


@strawberry.type
class TickSubscription:
    @strawberry.subscription
    async def ticks(self, count: int, since: int = 0, batch: int = 1) -> AsyncGenerator[Tick, None]:
        """Yield ticks, one by one or several at a time."""
        for start in range(since, count, batch):
            ready = [Tick(number=number) for number in range(start, min(start + batch, count))]
            yield ready[0] if batch == 1 else cast("Tick", EventBatch(ready))

    @strawberry.subscription
    async def unique_ticks(self, count: int) -> AsyncGenerator[UniqueTick, None]:
        """Yield ticks that cannot be compared."""
        for number in range(count):
            yield UniqueTick(number=number)


@strawberry.type
class TickQuery:
    nothing: str | None = None


SCHEMA: GraphQLSchema = graphql_schema(strawberry.Schema(query=TickQuery, subscription=TickSubscription))
TICKS = """
    subscription ($count: Int!, $since: Int! = 0, $batch: Int! = 1) {
      ticks(count: $count, since: $since, batch: $batch) """


@pytest.fixture
async def streams(resources: Resources) -> OperationStreams:
    """Return streams with connected notifications: without them nothing is shared."""
    await wait_until_connected(resources)
    executed.clear()
    return OperationStreams(Executor(resources, SCHEMA))


async def bodies(streams: OperationStreams, text: str, viewer: Viewer = ANONYMOUS, **variables: Any) -> list[bytes]:
    """Return all results of a subscription."""
    document = prepare_document(SCHEMA, "test", text)
    (operation,) = document.operations.values()
    results: list[bytes] = []
    async for batch in streams.stream(document, operation, variables, viewer):
        results += [result.body for result in batch]
    return results


async def reference(resources: Resources, text: str, **variables: Any) -> list[bytes]:
    """Return the results of graphql-core."""
    document = prepare_document(SCHEMA, "test", text)
    starting: Any = subscribe(SCHEMA, document.ast, context_value=Context(resources), variable_values=variables)
    results: list[bytes] = []
    async for result in await starting:
        result.errors = mask_errors(result.errors)
        results.append(encode_response(result))
    return results


SELECTIONS = [
    "{ number parts { name } } }",
    "{ number } }",
    "{ __typename a: parts(count: 0) { name } b: parts(count: 1) { name } ...F } } fragment F on Tick { number }",
    "{ path parts { __typename } } }",
    "{ secret number } }",
]


@pytest.mark.parametrize("batch", [1, 7, 100])
@pytest.mark.parametrize("selection", SELECTIONS)
async def test_stream_results_equal_those_of_graphql_core(
    streams: OperationStreams, resources: Resources, selection: str, batch: int
) -> None:
    """With failing fields, too, in batches of any size."""
    text = TICKS + selection
    expected = await reference(resources, text, count=30, batch=1)
    assert len(expected) == 30
    assert list(map(orjson.loads, await bodies(streams, text, count=30, batch=batch))) == [
        orjson.loads(result) for result in expected
    ]


async def test_stream_memory_does_not_grow_with_events(
    streams: OperationStreams, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams.shared.max_weight = 50 * streams_module.RESULT_OVERHEAD_BYTES
    for text, variables in (
        (TICKS + "{ number parts { name } } }", {"batch": 1}),
        (TICKS + "{ number parts { name } } }", {"batch": 25}),
        ("subscription ($count: Int!) { uniqueTicks(count: $count) { number parts { name } } }", {}),
    ):
        document = prepare_document(SCHEMA, "test", text)
        (operation,) = document.operations.values()
        results = streams.stream(document, operation, {"count": 11_100, **variables}, ANONYMOUS)
        counts: list[int] = []
        received = 0
        async for batch in results:
            received += len(batch)
            if received % 5_000 == 1_000:
                executed.clear()
                gc.collect()
                counts.append(len(gc.get_objects()))
        assert received == 11_100
        assert len(counts) == 3
        assert max(counts) - min(counts) < 200, (variables, counts)


async def test_subscribers_share_results(streams: OperationStreams) -> None:
    """Also if they began at different events, and with other values of variables that only select the events."""
    text = TICKS + "{ number parts { name } } }"
    calls = [bodies(streams, text, count=9, since=since, batch=1 + since) for since in (0, 3, 0, 5)]
    all_, later, same, latest = await asyncio.gather(*calls)
    assert (len(all_), later, same, latest) == (9, all_[3:], all_, all_[5:])
    assert sorted(executed) == list(range(9))
    assert await bodies(streams, text, count=8) == all_[:8]
    assert sorted(executed) == list(range(9))


async def test_results_depend_on_variables_below_the_root(streams: OperationStreams) -> None:
    text = "subscription ($count: Int!, $parts: Int!) { ticks(count: $count) { parts(count: $parts) { name } } }"
    one, two = await asyncio.gather(*(bodies(streams, text, count=3, parts=parts) for parts in (1, 2)))
    assert [len(orjson.loads(body)["data"]["ticks"]["parts"]) for body in one + two] == [1, 1, 1, 2, 2, 2]
    fragment = """
        subscription ($count: Int!) { ticks(count: 2) { ...F } } fragment F on Tick { parts(count: $count) { name } }
    """
    document = prepare_document(SCHEMA, "test", fragment)
    (operation,) = document.operations.values()
    assert operation.event_variables == {"count"}


async def test_results_depend_on_the_viewer_unless_public(streams: OperationStreams) -> None:
    text = TICKS + "{ number secret } }"
    operators = [Viewer(name, Role.OPERATOR) for name in ("a", "b")]
    calls = [bodies(streams, text, viewer, count=1) for viewer in (*operators, ANONYMOUS)]
    one, two, none = (orjson.loads(result[0]) for result in await asyncio.gather(*calls))
    assert (one["data"]["ticks"]["secret"], two["data"]["ticks"]["secret"]) == ("a", "b")
    assert [error["extensions"]["code"] for error in none["errors"]] == ["UNAUTHENTICATED"]


async def test_results_with_errors_are_not_kept(streams: OperationStreams) -> None:
    text = TICKS + "{ parts { name } } }"
    for _ in range(2):
        (body,) = await bodies(streams, text, since=9, count=10)
        assert orjson.loads(body)["errors"][0]["message"] == "no parts"
    assert executed.count(9) == 4, "as part of a batch, then alone"


async def test_results_follow_the_data_versions(streams: OperationStreams, resources: Resources) -> None:
    """A result is executed again when the data that it may show has changed."""
    text = TICKS + "{ number parts { name } } }"
    document = prepare_document(SCHEMA, "test", text)
    (operation,) = document.operations.values()
    object.__setattr__(document, "domains", frozenset({"market"}))

    async def first() -> Sequence[Any]:
        return [batch async for batch in streams.stream(document, operation, {"count": 1}, ANONYMOUS)]

    await first()
    await first()
    assert executed == [0]
    resources.notifications.apply_versions({"market": 1})
    await first()
    assert executed == [0, 0]
    resources.notifications.connected = False
    try:
        await first()
        assert executed == [0, 0, 0]
    finally:
        resources.notifications.connected = True


async def test_deliveries_to_many_subscribers_leave_time_for_requests(streams: OperationStreams) -> None:
    """In an iteration of the event loop at most one subscriber gets a batch, however many wait."""
    document = prepare_document(SCHEMA, "test", TICKS + "{ number } }")
    (operation,) = document.operations.values()
    iteration = 0
    deliveries: list[tuple[int, int]] = []

    async def follow() -> None:
        variables = {"count": 100, "batch": 60}
        async for batch in streams.stream(document, operation, variables, ANONYMOUS):
            deliveries.append((iteration, len(batch)))  # noqa: PERF401 - `iteration` changes meanwhile

    tasks = [asyncio.create_task(follow()) for _ in range(50)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        iteration += 1
    assert sum(size for _, size in deliveries) == 50 * 100
    assert max(size for _, size in deliveries) == streams_module.MAX_EVENTS_PER_TURN
    assert len({number for number, _ in deliveries}) == len(deliveries)


async def test_batches_cost_at_most_as_much_as_a_request(
    streams: OperationStreams, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    execute = OperationStreams._execute

    async def recorded(self: OperationStreams, request: Any, events: Sequence[Any]) -> Any:
        sizes.append(len(events))
        return await execute(self, request, events)

    monkeypatch.setattr(OperationStreams, "_execute", recorded)
    text = TICKS + "{ number } }"
    await bodies(streams, text, count=60, batch=60)
    assert sizes == [25, 25, 10]
    (operation,) = prepare_document(SCHEMA, "test", text).operations.values()
    limit = operation.cost({"count": 60}) * 4
    streams.resources.settings = resources.settings.model_copy(update={"cost_limit": limit})
    streams.shared.max_weight = 0
    sizes.clear()
    await bodies(streams, text.replace("number", "n: number"), count=10, batch=10)
    assert sizes == [4, 4, 2]
