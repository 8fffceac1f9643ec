"""Cost of documents about CPUs: statements and indexes; and one snapshot per request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Executable, delete, update

from app.catalog import sql
from app.core.global_ids import encode_global_id
from app.db.pagination import PageRequest
from app.db.statements import compile_statement
from app.db.tables import cpu, listing
from app.graphql.context import Context
from app.market import listing_sql as market
from app.resources import Resources
from app.schema.cpus.inputs import RANGE_COLUMNS
from app.schema.listings.loaders import ListingById
from tests.support.catalog_rows import add_cpu
from tests.support.schema_execution import execute_in_context, query_data
from tests.support.statements import record_statements
from tests.support.uniform_catalog import add_uniform_cpus

ONE = encode_global_id("CPU", 1)
DOCUMENTS = {
    # page (with the total and the number of listings per CPU), listings, distribution
    "list": (
        """
        { cpus(first: 200) { totalCount nodes {
            name listingsCount priceTarget { good confidence } performanceValue { percentile }
            listings(first: 3) { totalCount nodes { title adjustedPrice cpu { name } } }
            priceDistribution { lo hi count }
        } } }
        """,
        3,
    ),
    "list, plain": ("{ cpus(first: 200) { nodes { name cores priceTarget { good } } pageInfo { endCursor } } }", 1),
    "list, counted": ("{ cpus { totalCount } }", 1),
    # Two pages of listings are two statements for all CPUs; so are two histograms with different bins.
    "list, two of each": (
        """
        { cpus(first: 200) { nodes {
            a: listings(first: 3) { nodes { id } } b: listings(last: 2) { nodes { id } }
            c: priceDistribution(bins: 5) { count } d: priceDistribution(bins: 6) { count }
        } } }
        """,
        5,
    ),
    # one CPU, the same edges
    "detail": (
        """
        { cpu(slug: "cpu-1") { name listingsCount listings { totalCount nodes { title } } priceDistribution { hi } } }
        """,
        1,
    ),
    "detail by id": (f'{{ cpu(id: "{ONE}") {{ name priceTarget {{ good }} }} }}', 1),
    # listings are prefetched for a few CPUs only
    "compared": (
        """
        { cpusBySlugs(slugs: ["cpu-1", "none", "cpu-2", "cpu-1"]) {
            name listingsCount listings(first: 1) { nodes { title } } priceDistribution { hi }
        } }
        """,
        1,
    ),
    "compared, many": (
        '{ cpusBySlugs(slugs: ["cpu-1", "b", "c", "d", "e", "cpu-6"]) { listings(first: 1) { nodes { title } } } }',
        2,
    ),
    "details": (f'{{ a: cpu(slug: "cpu-1") {{ id }} b: cpu(slug: "none") {{ id }} c: node(id: "{ONE}") {{ id }} }}', 2),
    # the page, and the similar CPUs of all
    "similar": ("{ cpus(first: 200) { nodes { similar { name priceTarget { good } } } } }", 2),
    "similar, two of each": ("{ cpus(first: 9) { nodes { a: similar(first: 2) { id } b: similar { id } } } }", 2),
    "price map": ("{ priceMap { name price cpuMarkMulti rating } }", 1),
    "facets": ("{ cpuFacets { manufacturers { value } sockets { count } confidences { confidence count } } }", 1),
    "statistics": ("{ statistics { total manufacturers sockets cores { min max } listings updatedAt } }", 1),
}


@pytest.mark.parametrize("parents", [1, 100])
async def test_statement_count_is_independent_of_number_of_cpus(resources: Resources, parents: int) -> None:
    await add_uniform_cpus(resources, parents, 8)
    for name, (document, statements) in DOCUMENTS.items():
        with record_statements(resources) as ran:
            data = await query_data(resources, document)
        assert ran.count == statements, (name, ran.texts)
        if name == "list":
            assert len(data["cpus"]["nodes"]) == parents
            assert data["cpus"]["nodes"][-1]["listings"]["totalCount"] == 6
            assert [len(node["listings"]["nodes"]) for node in data["cpus"]["nodes"]] == [3] * parents


async def test_nodes_run_one_statement_per_type(resources: Resources) -> None:
    await add_uniform_cpus(resources, 60, 1)
    query = (
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on CPU { listingsCount } ... on Listing { cpu { id } } } }"
    )
    for number in (1, 60):
        keys = range(1, number + 1)
        ids = [encode_global_id(name, key) for key in keys for name in ("CPU", "Listing", "Job")]
        with record_statements(resources) as ran:
            nodes = (await query_data(resources, query, ids=ids))["nodes"]
        assert [node["id"] for node in nodes if node] == [
            global_id for global_id in ids if global_id != "Job" and "Sm9i" not in global_id
        ]
        assert ran.count == 3, "CPUs, listings, jobs"


@pytest.fixture
async def planner(resources: Resources) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection to an analyzed database of realistic size."""
    await add_uniform_cpus(resources, 3000, 8)
    connection = await asyncpg.connect(str(resources.settings.database_url))
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


async def explain(
    planner: asyncpg.Connection, statement: Executable, values: Mapping[str, Any], option: str = ""
) -> str:
    """Return PostgreSQL's plan of this statement."""
    compiled = compile_statement(statement)
    rows = await planner.fetch(f"EXPLAIN (COSTS OFF{option}) {compiled.sql}", *compiled.arguments(values))
    return "\n".join(row[0] for row in rows)


async def test_cpu_list_and_detail_statements_use_indexes(planner: asyncpg.Connection) -> None:
    """Check custom plans, and the generic plan that a connection switches to after some runs."""
    by_name = sql.keyset_for((("NAME", False),))
    cursor = by_name.encode({"name": "CPU 001500", "id": 1500})
    offer = market.CHEAPEST_FIRST.encode({"exact_adjusted_price": "5.00", "id": 5})
    pages = {
        "first": PageRequest(50),
        "after": PageRequest(50, cursor),
        "last": PageRequest(50, None, backward=True),
        "before": PageRequest(50, cursor, backward=True),
    }
    listings = {"first": PageRequest(10), "after": PageRequest(10, offer)}
    statements = {
        **{f"page, {n}": (sql.select_page(sql.CpuFilter(), by_name, r), "cpu_name_id_idx") for n, r in pages.items()},
        **{f"listings, {n}": (market.select_pages([5, 6, 7], r), "listing_active_idx") for n, r in listings.items()},
        "listings, counted": ((sql.select_by_id(frozenset({"listings_count"})), {"ids": [5]}), "listing_active_idx"),
        "by slug": ((sql.select_by_slug(), {"slugs": ["cpu-5"]}), "cpu_slug_key"),
        "by id": ((sql.select_by_id(), {"ids": [5]}), "cpu_pkey"),
    }
    for name, ((statement, values), index) in statements.items():
        for option in ("", ", GENERIC_PLAN"):
            plan_text = await explain(planner, statement, values, option)
            assert index in plan_text, (name, option, plan_text)
            assert "Seq Scan on cpu" not in plan_text, (name, option, plan_text)
            assert "Seq Scan on listing" not in plan_text, (name, option, plan_text)
            # Nulls come last, so the next page consists of two index ranges, which are sorted for one CPU only.
            assert ("Sort" in plan_text) == (name == "listings, after"), (name, option, plan_text)


EVERYTHING = sql.CpuFilter(
    search="cpu 1",
    one_of={name: ["Maker", "None"] for name in ("manufacturer", "socket", "category", "value_rating")},
    ranges={column: sql.Range(0, 1000) for column in RANGE_COLUMNS.values()},
    has_igpu=False,
    confidence=["high", "low"],
    with_listings=True,
)
# All columns that a grid can show, as many as an ordering allows at a time.
ORDER = sql.keyset_for((("MANUFACTURER", False), ("PERCENTILE", False), ("CPU_MARK_MULTI", True), ("SOCKET", True)))


async def test_cpu_filters_read_cpus_once_and_use_listing_index(planner: asyncpg.Connection) -> None:
    """With all conditions there is one pass over the CPUs; listings are looked up for the remaining ones."""
    for conditions in (EVERYTHING, sql.CpuFilter(with_listings=True), sql.CpuFilter(with_listings=False)):
        for counted, scans in ((False, 1), (True, 2)):
            statement, values = sql.select_page(conditions, ORDER, PageRequest(200), None, counted)
            for option in ("", ", GENERIC_PLAN"):
                plan_text = await explain(planner, statement, values, option)
                assert plan_text.count("Seq Scan on cpu") <= scans, (option, plan_text)
                assert "listing_active_idx" in plan_text, (option, plan_text)
                if conditions is EVERYTHING:
                    assert "Seq Scan on listing" not in plan_text, (option, plan_text)


async def test_price_distribution_uses_index(planner: asyncpg.Connection) -> None:
    for option in ("", ", GENERIC_PLAN"):
        plan_text = await explain(planner, market.DISTRIBUTION, {"ids": [5, 6, 7], "bins": 10}, option)
        assert "listing_active_idx" in plan_text


async def test_request_statements_see_one_snapshot(resources: Resources) -> None:
    key = await add_cpu(resources, "Before", [1, 2])
    query = (
        "{ cpus { totalCount nodes { name listingsCount listings { nodes { id } } } } statistics { total listings } }"
    )
    async with Context(resources) as context:
        begun = await execute_in_context(context, "{ statistics { total } }")
        await add_cpu(resources, "Another", [5])
        async with resources.write() as tx:
            await tx.execute(update(cpu).where(cpu.c.id == key).values(name="After"))
            await tx.execute(delete(listing).where(listing.c.cpu_id == key))
        rest = await execute_in_context(context, query)
    assert begun.data == {"statistics": {"total": 1}}
    assert rest.data is not None
    assert rest.data["statistics"] == {"total": 1, "listings": 2}
    assert rest.data["cpus"]["totalCount"] == 1
    (only,) = rest.data["cpus"]["nodes"]
    assert (only["name"], only["listingsCount"], len(only["listings"]["nodes"])) == ("Before", 2, 2)
    now = await query_data(resources, query)
    assert now["statistics"] == {"total": 2, "listings": 1}
    assert [node["name"] for node in now["cpus"]["nodes"]] == ["After", "Another"]


async def test_request_ended_early_closes_snapshot(resources: Resources) -> None:
    """An error that nulls the response ends it while loaders run; they must not keep a connection."""
    await add_uniform_cpus(resources, 5, 3)
    query = (
        "{ cpus { nodes { listings { totalCount nodes { id } } listingsCount priceDistribution(bins: 0) { lo } } } }"
    )
    for _ in range(resources.settings.database_pool_size * 2):
        async with Context(resources) as context:
            result = await execute_in_context(context, query)
        assert result.data is None
    async with Context(resources) as context:
        late = asyncio.ensure_future(context.loader(ListingById).load(1))
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="has ended"):
        await late
    assert resources.read_pool.in_use == 0
