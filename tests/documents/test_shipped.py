"""The documents that come with the server: valid, described, cheap, of as many statements for 1 CPU as for 100."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from graphql import FieldNode, OperationType, Visitor, visit

from app.core.global_ids import global_id
from app.db.tables import Domain
from app.documents.registry import shipped
from app.engine.document import Document, content_id, read_document
from app.engine.executor import execute_operation
from app.graphql.context import Context
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from app.settings import Settings
from tests.asking import SCHEMA
from tests.catalog.test_statements import stock
from tests.conftest import counting
from tests.events.changes import numbered
from tests.work.rows import run_sql

CATALOGUE = {Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET}
OF_NODES = {*CATALOGUE, Domain.WORK, Domain.EVENTS}
# Name -> variables for n CPUs, statements, domains read, whether time alone changes the answer.
QUERIES: dict[str, tuple[Any, int, set[Domain], bool]] = {
    "CpuList": (lambda n: {"first": n, "orderBy": [{"field": "PERCENTILE"}]}, 1, CATALOGUE, False),
    "CpuDetail": (lambda n: {"slug": f"cpu-{n}"}, 1, CATALOGUE, True),
    "CpuPriceHistory": (lambda n: {"slug": f"cpu-{n}"}, 3, CATALOGUE, True),
    "CpuCompare": (lambda n: {"ids": [global_id("CPU", k + 1) for k in range(n)]}, 1, OF_NODES, False),
    "Statistics": (lambda n: {}, 1, CATALOGUE, False),
    "NameSearch": (lambda n: {"search": "cpu", "first": n}, 1, CATALOGUE, False),
    "PriceChanges": (lambda n: {"first": n}, 3, {*CATALOGUE, Domain.EVENTS}, False),
    "ImportSession": (
        lambda n: {"id": global_id("ImportSession", 1), "first": n},
        *(4, {*CATALOGUE, Domain.WORK}, False),
    ),
    "JobStatus": (lambda n: {"id": global_id("Job", n)}, 1, {Domain.WORK}, False),
}
FOR_OPERATORS = {"ImportSession"}
OPERATOR = Viewer("tester", Role.OPERATOR)
SUBSCRIPTION = OperationType.SUBSCRIPTION
OTHERS = {
    **dict.fromkeys(("RecalculateMetrics", "IngestUrl", "IngestBulk"), OperationType.MUTATION),
    **dict.fromkeys(("JobProgress", "PriceChanged", "ImportProgress"), SUBSCRIPTION),
}
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
NAMES = [*QUERIES, *OTHERS]


def document_of(name: str) -> Document:
    text = shipped()[name]
    return read_document(SCHEMA._schema, content_id(text), text)


def test_they_are_all_here() -> None:
    assert sorted(shipped()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_one_operation_of_its_name_and_described(name: str) -> None:
    document = document_of(name)
    assert [*document.operations] == [name]
    assert document.text.startswith("# ")
    assert document.operations[name].kind is OTHERS.get(name, OperationType.QUERY)


@pytest.mark.parametrize("name", QUERIES)
def test_what_is_known_of_a_query(name: str) -> None:
    _, _, reads, timed = QUERIES[name]
    document = document_of(name)
    assert (document.public, set(document.reads), document.timed) == (name not in FOR_OPERATORS, reads, timed)


def test_who_may_change_things_is_not_everybody() -> None:
    for name in ("RecalculateMetrics", "IngestUrl", "IngestBulk"):
        assert not document_of(name).public


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_page_costs_less_than_the_limit(name: str, settings: Settings) -> None:
    operation = document_of(name).operations[name]
    largest = {"first": 200, "listings": 200, "bins": 100, "ids": ["x"] * 200}
    costs = [operation.cost(variables) for variables in ({}, {**largest, "first": 100}, largest)]
    assert costs == sorted(costs)
    assert 0 < costs[-1] < settings.cost_limit / 10


def test_the_list_has_the_columns_of_the_page() -> None:
    leaves: list[str] = []

    class Leaves(Visitor):
        def enter_field(self, node: FieldNode, _key: Any, _parent: Any, path: list[Any], ancestors: list[Any]) -> None:
            above = [each.name.value for each in ancestors if isinstance(each, FieldNode)]
            if node.selection_set is None and "nodes" in above:
                leaves.append(node.name.value)

    visit(document_of("CpuList").ast, Leaves())
    assert len(leaves) == 24
    assert "listingsCount" in leaves


@pytest.mark.parametrize("parents", [1, 100])
@pytest.mark.parametrize("name", QUERIES)
async def test_as_many_statements_for_100_cpus_as_for_1(resources: Resources, name: str, parents: int) -> None:
    variables, statements, _, _ = QUERIES[name]
    await stock(resources, 100, 8)
    if name == "PriceChanges":
        await run_sql(resources, "UPDATE listing SET price = price + 5")
        await numbered(resources)
    if name == "ImportSession":
        await run_sql(resources, IMPORT)
    document = document_of(name)
    with counting(resources) as ran:
        async with Context(resources, OPERATOR) as context:
            result = await execute_operation(
                SCHEMA._schema, document, document.operations[name], variables(parents), context
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


def test_they_are_part_of_the_package() -> None:
    root = Path(__file__).parents[2]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["app"]
    packaged = {path.stem for pattern in patterns for path in (root / "app").glob(pattern)}
    assert set(NAMES) <= packaged


def test_every_query_says_what_it_is_made_of() -> None:
    """An answer whose domains nobody told would be kept for good, unless it is the viewer's own."""
    query = SCHEMA._schema.query_type
    assert query is not None
    silent = [
        name
        for name, field in query.fields.items()
        for facts in [field.extensions["strawberry-definition"].metadata]
        if not facts.get("reads") and not facts.get("own")
    ]
    assert silent == []
