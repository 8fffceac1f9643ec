"""Prefetches with CPUs: the same responses as separate statements, with fewer statements."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.core.errors import BadInput
from app.core.global_ids import encode_global_id
from app.db.pagination import MAX_PAGE_SIZE
from app.db.tables import Condition, ListingStatus
from app.engine.compiler.compiler import NotCompilable
from app.engine.document import prepare_document
from app.engine.executor import execute_operation
from app.graphql.context import Context
from app.graphql.prefetch import MAX_PREFETCH_ROWS
from app.resources import Resources
from app.schema.cpus.types import MAX_BINS, prefetch_distribution, prefetch_first_listings
from app.settings import Settings
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.databases import database_name, temporary_database
from tests.support.schema_execution import GRAPHQL_SCHEMA, execute_in_context
from tests.support.settings import make_settings
from tests.support.statements import record_statements

LISTINGS = """listings(first: $first) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id } }
    nodes { id title url seller condition status price shipping currency adjustedPrice createdAt cpu { id name } }
}"""
BINS = "priceDistribution(bins: $bins) { lo hi count }"
BY_SLUG = f'query ($first: Int, $bins: Int) {{ cpu(slug: "cpu") {{ name {LISTINGS} {BINS} }} }}'
NODES = f"query ($ids: [ID!]!, $first: Int, $bins: Int) {{ nodes(ids: $ids) {{ ... on CPU {{ {LISTINGS} {BINS} }} }} }}"


def refuse() -> Any:
    raise NotCompilable("graphql-core executes it without prefetch")


async def run(resources: Resources, query: str, compiled: bool = True, **variables: Any) -> tuple[Any, int]:
    """Return data and errors, and the number of statements."""
    document = prepare_document(GRAPHQL_SCHEMA, "test", query)
    (operation,) = document.operations.values()
    if not compiled:
        operation = replace(operation, compile=refuse)
    with record_statements(resources) as ran:
        async with Context(resources) as context:
            result = await execute_operation(GRAPHQL_SCHEMA, document, operation, variables, context)
    return (result.data, [error.formatted for error in result.errors or ()]), ran.count


async def compare_statement_counts(resources: Resources, query: str, **variables: Any) -> tuple[int, int]:
    """Return the numbers of statements with and without prefetch; the responses must be equal."""
    ahead, few = await run(resources, query, **variables)
    plain, many = await run(resources, query, compiled=False, **variables)
    assert ahead == plain
    return few, many


@pytest.fixture(scope="module")
def template_url(cluster: str, redis_server: str) -> Iterator[str]:
    """Create a database with CPUs that have many listings, a single price, or none."""
    with temporary_database(cluster, template="template") as url:
        asyncio.run(fill(make_settings(database_url=url, redis_url=redis_server)))
        yield url


@pytest.fixture
def database_url(cluster: str, template_url: str) -> Iterator[str]:
    """Return a copy of that database."""
    with temporary_database(cluster, template=database_name(template_url)) as url:
        yield url


@pytest.fixture
def market(resources: Resources) -> Resources:
    """Return resources on the copy."""
    return resources


async def fill(settings: Settings) -> None:
    async with Resources.open(settings, listen=False) as resources:
        await add_market(resources)


async def add_market(resources: Resources) -> None:
    prices = [(number * 37 % 101) / 4 for number in range(205)]
    key = await add_cpu(resources, "CPU", prices)
    async with resources.write() as tx:
        await add_listing(tx, key, None, url="https://example.org/1", seller="me", shipping=1, currency="EUR")
        for condition in Condition:
            await add_listing(tx, key, 3, condition=condition)
        for status in ListingStatus:
            await add_listing(tx, key, 2, status=status)
    for number in range(2, MAX_PREFETCH_ROWS + 2):
        await add_cpu(resources, f"CPU {number}", [[], [7], [5, 5], [1, 2, 3]][number % 4])


@pytest.mark.parametrize("first", [None, 1, 2, 10, 199, MAX_PAGE_SIZE])
@pytest.mark.parametrize("bins", [None, 1, 7, MAX_BINS])
async def test_prefetch_response_equals_response_without_prefetch(
    market: Resources, first: int | None, bins: int | None
) -> None:
    assert await compare_statement_counts(market, BY_SLUG, first=first, bins=bins) == (1, 3), (
        "the listings have their CPU"
    )


async def test_prefetch_page_ends_are_correct(market: Resources) -> None:
    for first, more in [(1, True), (2, True), (3, False), (4, False)]:
        query = 'query ($n: Int) { cpu(slug: "cpu-3") { listings(first: $n) { pageInfo { hasNextPage } } } }'
        ((data, _), count) = await run(market, query, n=first)
        assert (data["cpu"]["listings"]["pageInfo"]["hasNextPage"], count) == (more, 1)


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"first": 0}, "BAD_USER_INPUT"),
        ({"first": MAX_PAGE_SIZE + 1}, "BAD_USER_INPUT"),
        ({"bins": 0}, "BAD_USER_INPUT"),
        ({"bins": MAX_BINS + 1}, "BAD_USER_INPUT"),
        ({"first": -1, "bins": -1}, "BAD_USER_INPUT"),
        ({"first": "x"}, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_prefetch_invalid_arguments_are_reported_by_resolvers(
    market: Resources, variables: dict[str, Any], code: str
) -> None:
    (_, errors), _ = await run(market, BY_SLUG, **variables)
    assert {error["extensions"]["code"] for error in errors} == {code}
    await compare_statement_counts(market, BY_SLUG, **variables)


@pytest.mark.parametrize("count", [1, MAX_PREFETCH_ROWS, MAX_PREFETCH_ROWS + 1])
async def test_prefetch_is_limited_to_few_cpus(market: Resources, count: int) -> None:
    ids = [encode_global_id("CPU", number) for number in range(1, count + 1)]
    assert await compare_statement_counts(market, NODES, ids=ids, first=3, bins=4) == (
        1 if count <= MAX_PREFETCH_ROWS else 3,
        3,
    )


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        (f'{{ cpu(id: "{encode_global_id("CPU", 1)}") {{ listings {{ nodes {{ title }} }} }} }}', 1),
        (f'{{ node(id: "{encode_global_id("CPU", 1)}") {{ id ... on CPU {{ priceDistribution {{ lo }} }} }} }}', 1),
        ('{ cpu(slug: "cpu") { listings { totalCount } } }', 1),
        ('{ cpu(slug: "none") { listings { totalCount } priceDistribution { lo } } }', 1),
        # A field with two sets of arguments is left to loaders, for one CPU and for two.
        ('{ cpu(slug: "cpu") { a: listings(first: 1) { totalCount } b: listings(first: 2) { totalCount } } }', 3),
        ('{ cpu(slug: "cpu") { a: priceDistribution(bins: 1) { hi } b: priceDistribution(bins: 2) { hi } } }', 3),
        ('{ a: cpu(slug: "cpu") { listings { totalCount } } b: cpu(slug: "cpu-2") { listings { totalCount } } }', 2),
        ('{ a: cpu(slug: "cpu") { listings { nodes { id } } } b: cpu(slug: "cpu-3") { name } }', 1),
        # Only first pages are prefetched.
        ('{ cpu(slug: "cpu") { listings(last: 3) { nodes { id } } } }', 2),
        ('{ cpu(slug: "cpu") { listings(after: "none") { nodes { id } } } }', 1),
        # Lists of CPUs do not prefetch lists per row.
        ("{ cpus(first: 2) { nodes { listings { nodes { id } } } } }", 2),
    ],
)
async def test_prefetch_includes_requested_fields(market: Resources, query: str, statements: int) -> None:
    assert (await compare_statement_counts(market, query))[0] == statements


@pytest.mark.parametrize("left_out", [True, False])
async def test_prefetch_skips_excluded_fields(market: Resources, left_out: bool) -> None:
    query = """query ($out: Boolean!) { cpu(slug: "cpu") {
        name listings(first: 1) @skip(if: $out) { nodes { id } } ... @skip(if: $out) { priceDistribution { lo } }
    } }"""
    await compare_statement_counts(market, query, out=left_out)
    document = prepare_document(GRAPHQL_SCHEMA, "test", query)
    (operation,) = document.operations.values()
    with record_statements(market) as ran:
        async with Context(market) as context:
            await execute_operation(GRAPHQL_SCHEMA, document, operation, {"out": left_out}, context)
    (only,) = ran.texts
    assert ("listing" in only) is not left_out


async def test_prefetch_of_operations_with_shared_context_is_separate(market: Resources) -> None:
    """Each operation prefetches its own fields."""
    query = "query ($slug: String, $n: Int) { cpu(slug: $slug) { listings(first: $n) { nodes { id } } } }"
    async with Context(market) as context:
        results = [await execute_in_context(context, query, slug="cpu", n=n) for n in (1, 2)]
        results.append(await execute_in_context(context, query, slug="cpu-3", n=3))
    assert [len((result.data or {})["cpu"]["listings"]["nodes"]) for result in results] == [1, 2, 3]


def page_arguments() -> Iterator[tuple[dict[str, Any], bool]]:
    """Check which arguments request a first page."""
    yield {}, True
    yield {"first": None}, True
    yield {"first": 10, "after": None, "last": None, "before": None}, True
    yield {"first": 3, "after": ""}, False
    yield {"first": 10, "last": 3}, False
    yield {"before": "x"}, False


def test_prefetches_of_compiled_operation_are_known() -> None:
    for arguments, is_first in page_arguments():
        assert (prefetch_first_listings(**arguments) is not None) is is_first, arguments
    assert prefetch_distribution(None) == prefetch_distribution() == prefetch_distribution(10)
    for wrong in (0, MAX_BINS + 1):
        with pytest.raises(BadInput, match="must be from 1"):
            prefetch_distribution(wrong)
