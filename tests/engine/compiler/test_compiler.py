"""Compiled plans: compilable documents, errors and nulls, resolve info, tracebacks, and unpacking of rows."""

from __future__ import annotations

import asyncio
import gc
import linecache
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    execute,
    parse,
    validate,
)
from hypothesis import example, given
from hypothesis import strategies as st

from app.db.statements import EmbeddedRow
from app.documents.registry import builtin_documents
from app.engine.compiler import compiler
from app.engine.compiler.compiler import MAX_VARIANTS, NotCompilable, Plan, compile_plan
from app.engine.compiler.plan import RowBuilder
from app.engine.document import prepare_document
from app.graphql.strawberry_bridge import graphql_schema
from app.schema.build import build_graphql_schema

OWN_SCHEMA = build_graphql_schema()


@strawberry.type
class Item:
    number: int
    parts: list[str]

    @strawberry.field
    def half(self) -> int:
        if self.number == 13:
            raise ValueError("unlucky")
        return self.number // 2

    @strawberry.field
    async def neighbour(self) -> Item | None:
        await asyncio.sleep(0)
        return None if self.number > 1 else Item(number=self.number + 1, parts=[])

    @strawberry.field
    def resolve_info(self, info: strawberry.Info) -> str:
        raw: Any = info._raw_info
        special = {"async_helpers", "is_awaitable", "path", "variable_values"}
        attributes = {name: getattr(raw, name) for name in sorted(set(GraphQLResolveInfo._fields) - special)}
        return repr([attributes, raw.path.as_list(), raw.path.typename, raw.variable_values.coerced])

    @strawberry.field
    def where(self, info: strawberry.Info) -> str:
        return "/".join(map(str, info.path.as_list()))


@strawberry.type
class Moment:
    at: datetime
    perhaps: datetime | None


class Someday(datetime):
    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "someday"


@strawberry.type
class Query:
    moments: list[Moment] = strawberry.field(default_factory=list)

    @strawberry.field
    def items(self, count: int = 3) -> list[Item]:
        return [Item(number=number, parts=["a", "b"]) for number in range(count)]

    @strawberry.field
    def unlucky(self) -> list[Item | None]:
        return [Item(number=1, parts=[]), Item(number=13, parts=[]), None]

    @strawberry.field
    async def stream(self) -> list[int]:
        async def numbers() -> AsyncIterator[int]:
            yield 1
            yield 2

        return numbers()  # type: ignore[return-value]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def note(self, info: strawberry.Info[list[str], None], text: str) -> str:
        info.context.append(f"begin {text}")
        await asyncio.sleep(0)
        if text == "bad":
            raise ValueError("bad")
        info.context.append(f"end {text}")
        return text


SMALL_SCHEMA: GraphQLSchema = graphql_schema(strawberry.Schema(query=Query, mutation=Mutation))


def plan_of(text: str, schema: GraphQLSchema = SMALL_SCHEMA) -> Plan:
    """Compile the first operation of a valid document."""
    document = parse(text)
    assert validate(schema, document) == []
    operation = next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    return compile_plan(schema, document, operation)


async def execute_both(text: str, variables: dict[str, Any] | None = None) -> tuple[ExecutionResult, ExecutionResult]:
    """Return the result of the plan and that of graphql-core."""
    expected: Any = execute(SMALL_SCHEMA, parse(text), context_value=[], variable_values=variables)
    if asyncio.iscoroutine(expected):
        expected = await expected
    return await plan_of(text).execute([], variables or {}), expected


@pytest.mark.parametrize("name", sorted(builtin_documents()))
def test_builtin_document_is_compiled(name: str) -> None:
    (operation,) = prepare_document(OWN_SCHEMA, name, builtin_documents()[name]).operations.values()
    assert operation.not_compiled_reason is None


async def test_variants_of_a_plan_are_limited() -> None:
    names = [f"v{number}" for number in range(8)]
    fields = [f"{name}: items(count: 0) @skip(if: ${name}) {{ number }}" for name in names]
    plan = plan_of(f"query ({', '.join(f'${name}: Boolean!' for name in names)}) {{ {' '.join(fields)} }}")
    for bits in range(256):
        held = {name: bool(bits >> number & 1) for number, name in enumerate(names)}
        result = await plan.execute([], held)
        assert result.data == {name: [] for name in names if not held[name]}
    assert len(plan._variants) == MAX_VARIANTS


def test_introspection_is_not_compilable() -> None:
    with pytest.raises(NotCompilable, match="introspection is not compiled"):
        plan_of("{ __schema { queryType { name } } }")


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("with_parts", [True, False])
async def test_conditions_follow_the_variables_of_the_request(small: bool, with_parts: bool) -> None:
    text = """
        query ($small: Boolean!, $parts: Boolean = true) {
            items(count: 1) @skip(if: $small) { number ...Parts }
            more: items { number ... @include(if: $parts) { parts } }
        }
        fragment Parts on Item { parts @include(if: $parts) }
    """
    got, expected = await execute_both(text, {"small": small, "parts": with_parts})
    assert got == expected
    assert got.data is not None
    assert list(got.data) == (["more"] if small else ["items", "more"])


async def test_null_condition_is_a_request_error() -> None:
    got, expected = await execute_both("query ($c: Boolean = true) { items @skip(if: $c) { number } }", {"c": None})
    assert got.data is None
    assert got.errors == expected.errors


async def test_invalid_variable_is_a_request_error() -> None:
    got, expected = await execute_both("query ($n: Int!) { items(count: $n) { number } }", {"n": "three"})
    assert got == expected
    assert got.errors is not None


async def test_null_propagates_to_the_nearest_nullable_position() -> None:
    got, expected = await execute_both("{ unlucky { number half parts } }")
    assert got.data == expected.data == {"unlucky": [{"number": 1, "half": 0, "parts": []}, None, None]}
    assert got.errors is not None
    assert expected.errors is not None
    assert got.errors[0].formatted == expected.errors[0].formatted
    assert got.errors[0].path == ["unlucky", 1, "half"]


async def test_null_that_reaches_the_root_leaves_no_data() -> None:
    text = "query ($n: Int!) { items(count: $n) { half } }"
    got, expected = await execute_both(text, {"n": 14})
    assert got.data is expected.data is None
    assert got.errors is not None
    assert got.errors[0].path == ["items", 13, "half"]


async def test_resolve_info_has_the_path() -> None:
    got, expected = await execute_both("{ items(count: 2) { w: where neighbour { where } } }")
    assert got == expected
    assert got.data is not None
    assert got.data["items"][1] == {"w": "items/1/w", "neighbour": {"where": "items/1/neighbour/where"}}


async def test_resolve_info_equals_that_of_graphql_core() -> None:
    text = "query ($n: Int = 1) { b: items(count: $n) { ...F } } fragment F on Item { resolveInfo }"
    got, expected = await execute_both(text)
    assert got == expected
    assert got.data is not None
    assert "['b', 0, 'resolveInfo'], 'Item', {'n': 1}" in got.data["b"][0]["resolveInfo"]


async def test_variant_that_is_not_compilable_is_tried_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiler, "MAX_SELECTIONS", 3)
    plan = plan_of("query ($less: Boolean!) { items { number } more: items @skip(if: $less) { n: number } }")
    monkeypatch.setattr(compiler, "MAX_SELECTIONS", 2)
    assert (await plan.execute([], {"less": True})).data == {"items": [{"number": n} for n in range(3)]}
    tried: list[Any] = []
    made = Plan._try_compile

    def make(plan: Plan, held: tuple[Any, ...]) -> Any:
        tried.append(held)
        return made(plan, held)

    monkeypatch.setattr(Plan, "_try_compile", make)
    for _ in range(3):
        result = await plan.execute([], {"less": False})
        assert result.data is not None
        assert result.data["more"] == [{"n": n} for n in range(3)]
        with pytest.raises(NotCompilable, match="more than 2 combinations"):
            plan.variant((False,))
    assert tried == [(False,)]


async def test_asynchronous_iterator_is_a_list() -> None:
    got, expected = await execute_both("{ stream }")
    assert got == expected
    assert got.data == {"stream": [1, 2]}


async def test_mutations_run_serially_until_one_leaves_no_data() -> None:
    plan = plan_of('mutation { a: note(text: "a") b: note(text: "bad") c: note(text: "c") }')
    notes: list[str] = []
    result = await plan.execute(notes, {})
    assert result.data is None
    assert notes == ["begin a", "end a", "begin bad"]


async def test_plan_gives_the_same_result_each_time() -> None:
    plan = plan_of("query ($n: Int) { items(count: $n) { number half } }")
    first = await plan.execute([], {"n": 2})
    assert (await plan.execute([], {"n": 14})).data is None
    assert await plan.execute([], {"n": 2}) == first


async def test_cancelled_execution_cancels_its_awaitables() -> None:
    plan = plan_of("{ items { neighbour { number } } }")
    task = asyncio.create_task(plan.execute([], {}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_tracebacks_show_generated_code_while_the_plan_exists() -> None:
    plan = plan_of("{ items { number } }")
    build = plan.variant(()).root.fields[0].selections["Item"].build_results
    try:
        build([object()])
    except AttributeError as error:
        shown = "".join(traceback.format_exception(error))
    assert "'number': value if (value := source.number)" in shown
    file = build.__code__.co_filename
    assert file in linecache.cache
    del plan, build
    gc.collect()
    assert file not in linecache.cache


ZONES = st.just(UTC) | st.sampled_from(
    [None, timezone(timedelta(hours=-3, minutes=-30)), timezone(timedelta(seconds=1)), ZoneInfo("UTC")]
)


@given(st.datetimes(timezones=ZONES), st.none() | st.datetimes(timezones=ZONES))
@example(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
@example(datetime(2026, 1, 1, microsecond=10, tzinfo=UTC), datetime(2026, 1, 1, fold=1, tzinfo=UTC))
@example(Someday(2026, 1, 1, tzinfo=UTC), Someday(2026, 1, 1))
def test_datetimes_are_serialized_like_graphql_core(at: datetime, perhaps: datetime | None) -> None:
    (moments,) = plan_of("{ moments { at perhaps } }").variant(()).root.fields
    serialize = SMALL_SCHEMA.type_map["DateTime"].coerce_output_value  # type: ignore[attr-defined]
    built = moments.selections["Moment"].build_results([Moment(at=at, perhaps=perhaps)])
    assert built == [{"at": serialize(at), "perhaps": perhaps if perhaps is None else serialize(perhaps)}]


class CpuInner(EmbeddedRow):
    """A row of CPU columns."""


def test_rows_are_unpacked_by_the_columns_of_their_class() -> None:
    plan = plan_of("{ cpus { nodes { name slug } } }", build_graphql_schema())
    (connection,) = plan.variant(()).root.fields
    (nodes,) = connection.selections["CPUConnection"].fields
    build = nodes.selections["CPU"].build_results
    assert isinstance(build, RowBuilder)
    straight = CpuInner.of("name", "id", "slug")(("A", 1, "a"))
    reverse = CpuInner.of("slug", "name")(("b", "B"))
    given: Any = {"name": "C", "slug": "c"}
    for rows in ([straight], [straight, straight], [reverse], [straight, reverse], [given, straight], [given], []):
        assert build(rows) == [{"name": row["name"], "slug": row["slug"]} for row in rows]
    with pytest.raises(KeyError):
        build([CpuInner.of("name")(("D",))])


def test_unpacking_functions_are_limited() -> None:
    made: list[tuple[str, ...]] = []

    def unpacking(columns: tuple[str, ...]) -> Any:
        made.append(columns)
        return lambda rows: [{"columns": columns} for _ in rows]

    build = RowBuilder(lambda _: [], unpacking)
    kinds = [CpuInner.of(f"column_{number}") for number in range(RowBuilder.MAX_ROW_CLASSES + 1)]
    for kind in [*kinds, kinds[-1], kinds[0]]:
        assert build([kind(("x",))]) == [{"columns": kind.columns}]
    assert len(made) == len(kinds) + 1, "the first one was evicted"
