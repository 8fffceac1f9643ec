"""The built-in documents: valid, described, below the cost limit, with a constant number of statements."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from graphql import FieldNode, OperationType, Visitor, visit

from app.documents.registry import builtin_documents
from app.engine.executor import execute_operation
from app.graphql.context import Context
from app.graphql.strawberry_bridge import field_definition
from app.resources import Resources
from app.settings import Settings
from tests.support.builtin_documents import BUILTIN_QUERIES, OPERATOR, OTHER_BUILTIN_DOCUMENTS, load_builtin_document
from tests.support.jobs import run_sql
from tests.support.paths import ROOT
from tests.support.price_changes import sequence_all_events
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.statements import record_statements
from tests.support.uniform_catalog import add_uniform_cpus

FOR_OPERATORS = {"ImportSession"}
# An import of 100 pages, each with a listing.
IMPORT = """
    WITH session AS (
        INSERT INTO import_session (source, name, priority, requested_by, total) VALUES ('csv', 'x', 1, 'me', 100)
        RETURNING id
    ), page AS (
        INSERT INTO import_fetch (url, host, priority, status, listing_ids)
        SELECT 'https://a.example/' || id, 'a.example', 1, 'complete', ARRAY[id] FROM listing ORDER BY id LIMIT 100
        RETURNING id, url
    )
    INSERT INTO import_row (session_id, position, url, fetch_id)
    SELECT session.id, row_number() OVER (ORDER BY page.id), url, page.id FROM session, page
"""
NAMES = [*BUILTIN_QUERIES, *OTHER_BUILTIN_DOCUMENTS]


def test_builtin_documents_are_complete() -> None:
    assert sorted(builtin_documents()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_builtin_document_has_one_operation_of_its_name_and_a_comment(name: str) -> None:
    document = load_builtin_document(name)
    assert [*document.operations] == [name]
    assert document.text.startswith("# ")
    assert document.operations[name].kind is OTHER_BUILTIN_DOCUMENTS.get(name, OperationType.QUERY)


@pytest.mark.parametrize("name", BUILTIN_QUERIES)
def test_builtin_query_has_the_expected_facts(name: str) -> None:
    _, _, reads, timed = BUILTIN_QUERIES[name]
    document = load_builtin_document(name)
    assert (document.public, set(document.domains), document.time_dependent) == (
        name not in FOR_OPERATORS,
        reads,
        timed,
    )


def test_builtin_mutation_requires_a_role() -> None:
    for name in ("RecalculateMetrics", "IngestUrl", "IngestBulk"):
        assert not load_builtin_document(name).public


@pytest.mark.parametrize("name", NAMES)
def test_largest_page_costs_less_than_the_limit(name: str, settings: Settings) -> None:
    operation = load_builtin_document(name).operations[name]
    largest = {"first": 200, "listings": 200, "bins": 100, "ids": ["x"] * 200}
    costs = [operation.cost(variables) for variables in ({}, {**largest, "first": 100}, largest)]
    assert costs == sorted(costs)
    assert 0 < costs[-1] < settings.cost_limit / 10


def test_cpu_list_selects_the_columns_of_the_page() -> None:
    leaves: list[str] = []

    class Leaves(Visitor):
        def enter_field(self, node: FieldNode, _key: Any, _parent: Any, path: list[Any], ancestors: list[Any]) -> None:
            above = [each.name.value for each in ancestors if isinstance(each, FieldNode)]
            if node.selection_set is None and "nodes" in above:
                leaves.append(node.name.value)

    visit(load_builtin_document("CpuList").ast, Leaves())
    assert len(leaves) == 24
    assert "listingsCount" in leaves


@pytest.mark.parametrize("parents", [1, 100])
@pytest.mark.parametrize("name", BUILTIN_QUERIES)
async def test_number_of_statements_does_not_depend_on_number_of_cpus(
    resources: Resources, name: str, parents: int
) -> None:
    variables, statements, _, _ = BUILTIN_QUERIES[name]
    await add_uniform_cpus(resources, 100, 8)
    if name == "PriceChanges":
        await run_sql(resources, "UPDATE listing SET price = price + 5")
        await sequence_all_events(resources)
    if name == "ImportSession":
        await run_sql(resources, IMPORT)
    document = load_builtin_document(name)
    with record_statements(resources) as ran:
        async with Context(resources, OPERATOR) as context:
            result = await execute_operation(
                GRAPHQL_SCHEMA, document, document.operations[name], variables(parents), context
            )
    assert result.errors is None
    assert ran.count == statements, ran.texts
    assert result.data is not None
    if name in {"CpuList", "NameSearch"}:
        assert len(result.data["cpus"]["nodes"]) == parents
    if name == "PriceChanges":
        assert len(result.data["priceChanges"]["nodes"]) == parents
    if name == "ImportSession":
        rows = result.data["importSession"]["rows"]["nodes"]
        assert [len(row["listings"]) for row in rows] == [1] * parents
    if name == "CpuCompare":
        assert [node["listingsCount"] for node in result.data["nodes"]] == [6] * parents
    if name == "CpuDetail":
        assert len(result.data["cpu"]["listings"]["nodes"]) == 6


def test_builtin_documents_are_packaged() -> None:
    root = ROOT
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["app"]
    packaged = {path.stem for pattern in patterns for path in (root / "app").glob(pattern)}
    assert set(NAMES) <= packaged


def test_every_query_field_declares_its_domains() -> None:
    """Without domains, a cached response would never be invalidated. Per-viewer responses are not cached."""
    query = GRAPHQL_SCHEMA.query_type
    assert query is not None
    silent = [
        name
        for name, field in query.fields.items()
        if (definition := field_definition(field)) is not None
        and not definition.metadata.get("domains")
        and not definition.metadata.get("per_viewer")
    ]
    assert silent == []
