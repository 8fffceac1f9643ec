"""Column fields, and the columns that an operation requests."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import GraphQLObjectType, OperationDefinitionNode, parse

from app.catalog.sql import COLUMNS
from app.core.global_ids import encode_global_id
from app.db.tables import job
from app.engine.compiler.column_projection import project_columns
from app.engine.compiler.compiler import NotCompilable, Plan
from app.engine.document import Operation, prepare_document
from app.engine.executor import execute_operation
from app.events import sql as events
from app.graphql.context import Context
from app.graphql.fields import ColumnField, ValueMapping, column
from app.graphql.strawberry_bridge import field_definition
from app.ingestion import session_sql as ingestion
from app.market import listing_sql as market
from app.market import price_ranges
from app.resources import Resources
from tests.support.builtin_documents import BUILTIN_QUERIES, OPERATOR, load_builtin_document
from tests.support.jobs import request_recalculation as ask_for_work
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.statements import record_statements
from tests.support.uniform_catalog import add_uniform_cpus

ROWS = {
    "CPU": set(COLUMNS),
    "Listing": set(market.COLUMNS),
    "Job": {column.name for column in job.c},
    "PriceChange": set(events.COLUMNS),
    "ImportSession": set(ingestion.SESSION_COLUMNS),
    "ImportRow": set(ingestion.ROW_COLUMNS),
}
CONNECTIONS = [f"{name}Connection" for name in ROWS]


def test_value_mapping_converts_each_value_once() -> None:
    asked: list[int] = []

    def convert(value: int) -> str:
        asked.append(value)
        return f"<{value}>"

    meanings = ValueMapping(convert)
    assert [meanings[1], meanings[1], meanings[None], meanings[2]] == ["<1>", "<1>", None, "<2>"]
    assert asked == [1, 2]


def test_value_mapping_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ValueMapping, "MAX_ENTRIES", 3)
    meanings = ValueMapping(str)
    assert [meanings[number] for number in range(10)] == [str(number) for number in range(10)]
    assert len(meanings) <= 3


def test_column_field_copy_keeps_column_and_mapping() -> None:
    field = column("price", description="What it costs.", mapping=ValueMapping(str))
    field.python_name = "price"
    assert copy.copy(field).get_result({"price": 5}, None, [], {}) == "5"


def columns_of_field(declared: Any) -> set[str]:
    if isinstance(declared, ColumnField):
        return set() if declared.column is None else {declared.column}
    return set(declared.metadata.get("required_columns", ()))


def test_every_column_of_a_field_can_be_selected() -> None:
    kinds: Mapping[str, Any] = GRAPHQL_SCHEMA.type_map
    of = {**ROWS, "PriceTarget": ROWS["CPU"], "PerformanceValue": ROWS["CPU"], "PriceBin": {"lo", "hi", "prices"}}
    seen = 0
    for name, selectable in of.items():
        kind = kinds[name]
        assert isinstance(kind, GraphQLObjectType)
        for field in kind.fields.values():
            needed = columns_of_field(field_definition(field))
            assert needed <= selectable, (name, needed)
            seen += bool(needed)
    assert seen > 50


def needs(query: str) -> Mapping[str, frozenset[str] | None]:
    (operation,) = prepare_document(GRAPHQL_SCHEMA, "test", query).operations.values()
    return operation.columns


CPU, LISTING = encode_global_id("CPU", 1), encode_global_id("Listing", 1)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ cpus { nodes { name tdpW } } }", {"CPU": {"name", "tdp_w"}}),
        ("{ cpus { edges { node { name } } totalCount } }", {"CPU": {"name"}, "CPUConnection": {"total_count"}}),
        ('{ cpu(slug: "x") { __typename } }', {}),
        (
            '{ cpu(slug: "x") { priceTarget { great fresh confidence } performanceValue { percentile } } }',
            {"CPU": {"price_great", "computed_at", "price_sample_size", "value_percentile"}},
        ),
        (
            '{ cpu(slug: "x") { listings { totalCount nodes { title cpu { cores } } } priceDistribution { lo } } }',
            {
                "CPU": {"id", "cores"},
                "Listing": {"title", "cpu_id"},
                "ListingConnection": {"total_count"},
                "PriceBin": {"lo"},
            },
        ),
        (
            f'{{ node(id: "{CPU}") {{ id ... on CPU {{ name }} ... on Listing {{ price }} }} }}',
            {
                "CPU": {"id", "name"},
                "Listing": {"id", "price"},
                "Job": {"id"},
                "PriceChange": {"position"},
                "ValuationRule": {"id"},
                "ImportSession": {"id"},
                "ImportRow": {"id"},
            },
        ),
        (
            (
                "query ($a: Boolean!) { cpus { nodes { ...F cores @skip(if: $a) } } } "
                "fragment F on CPU { ... on Node { ... on CPU { socket } } ... @include(if: $a) { name } ...G } "
                "fragment G on CPU { threads priceTarget { ...T } } fragment T on PriceTarget { stddev }"
            ),
            {"CPU": {"cores", "socket", "name", "threads", "price_stddev"}},
        ),
        ("mutation { recalculateMetrics { job { status } } }", {"Job": {"status"}}),
    ],
)
def test_operation_requests_the_columns_of_its_selections(query: str, expected: dict[str, set[str]]) -> None:
    assert {name: set(found or ()) for name, found in needs(query).items() if found} == expected


def test_fragment_spread_many_times_is_visited_once() -> None:
    steps = "".join(f"fragment F{n} on CPU {{ ...F{n + 1} ... on CPU {{ ...F{n + 1} }} }} " for n in range(40))
    query = f"{{ cpus {{ nodes {{ ...F0 }} }} }} {steps} fragment F40 on CPU {{ name }}"
    ast = parse(query)
    operation = next(definition for definition in ast.definitions if isinstance(definition, OperationDefinitionNode))
    assert project_columns(GRAPHQL_SCHEMA, ast, operation)["CPU"] == frozenset({"name"})


async def answer(resources: Resources, name: str, operation: Operation, variables: dict[str, Any]) -> tuple[Any, str]:
    """Run a built-in document; return its data and the SQL of its statements."""
    with record_statements(resources) as ran:
        async with Context(resources, OPERATOR) as context:
            result = await execute_operation(GRAPHQL_SCHEMA, load_builtin_document(name), operation, variables, context)
    assert not result.errors, result.errors
    return result.data, "\n".join(ran.texts)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", BUILTIN_QUERIES)
async def test_response_is_the_same_with_all_and_with_requested_columns(
    resources: Resources, name: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    monkeypatch.setattr(price_ranges, "utc_now", lambda: now)
    await add_uniform_cpus(resources, 20, 8)
    await ask_for_work(resources)
    await resources.broker.redis.flushall()
    operation = load_builtin_document(name).operations[name]
    assert isinstance(operation.plan, Plan)
    if not compiled:
        operation = replace(operation, compile=_not_compiled)
    variables = BUILTIN_QUERIES[name][0](1)
    projected, few = await answer(resources, name, operation, variables)
    unprojected = replace(operation)
    vars(unprojected)["columns"] = dict.fromkeys([*ROWS, *CONNECTIONS])
    whole, all_of_them = await answer(resources, name, unprojected, variables)
    assert projected == whole
    assert len(few) <= len(all_of_them)


def _not_compiled() -> Any:
    raise NotCompilable("so that graphql-core runs it")


async def test_statements_select_only_requested_columns(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    query = (
        '{ cpus { nodes { name } } cpu(slug: "cpu-1") { cores listings { nodes { title } } }'
        f' node(id: "{LISTING}") {{ ... on Listing {{ seller }} }} }}'
    )
    document = prepare_document(GRAPHQL_SCHEMA, "test", query)
    (operation,) = document.operations.values()
    with record_statements(resources) as ran:
        async with Context(resources) as context:
            await execute_operation(GRAPHQL_SCHEMA, document, operation, {}, context)
    selected = {name for text in ran.texts for name in re.findall(r"(?:cpu|listing)\.(\w+)", text)}
    assert selected <= {*("id", "name", "cores", "slug"), *("title", "seller", "adjusted_price", "cpu_id", "status")}
    assert "count(" not in " ".join(ran.texts)
