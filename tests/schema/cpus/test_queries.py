"""The query `cpus`: filters, orderings and pages compared with a plain implementation."""

from __future__ import annotations

import base64
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from app.core.global_ids import encode_global_id
from app.db.tables import cpu, listing
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.effort import size_of
from tests.support.mixed_catalog import (
    LIST_FILTERS,
    ORDER_FIELDS,
    PAGE_QUERY,
    RANGE_FILTERS,
    CpuRows,
    fill_mixed_catalog,
    order_argument,
    row_matches,
    sort_rows,
)
from tests.support.schema_execution import query_data

NAMED = "query ($id: ID!) { cpu(id: $id) { name } }"
FILTERED = "query ($filter: CPUFilter) { cpus(first: 200, filter: $filter) { nodes { id } totalCount } }"

Order = Sequence[tuple[str, bool]]


def global_ids(rows: CpuRows) -> list[str]:
    """Return their global ids."""
    return [encode_global_id("CPU", row["id"]) for row in rows]


@pytest.fixture
async def cpu_rows(resources: Resources) -> CpuRows:
    """Create the mixed catalogue."""
    return await fill_mixed_catalog(resources)


async def read_all_pages(
    resources: Resources, size: int, conditions: dict[str, Any], order: Order, total: int, backward: bool = False
) -> list[str]:
    """Return the ids of all pages in the direction of reading."""
    limit, cursor = ("last", "before") if backward else ("first", "after")
    ids: list[str] = []
    position = None
    for number in range(total + 2):
        arguments = {limit: size, cursor: position, "filter": conditions, "orderBy": order_argument(order)}
        page = (await query_data(resources, PAGE_QUERY, **arguments))["cpus"]
        info, here = page["pageInfo"], [edge["node"]["id"] for edge in page["edges"]]
        assert [node["id"] for node in page["nodes"]] == here
        assert page["totalCount"] == total
        assert len(here) <= size
        cursors = [edge["cursor"] for edge in page["edges"]] or [None]
        assert (info["startCursor"], info["endCursor"]) == (cursors[0], cursors[-1])
        ids += reversed(here) if backward else here
        ahead, behind = ("hasPreviousPage", "hasNextPage") if backward else ("hasNextPage", "hasPreviousPage")
        assert info[ahead] == (len(ids) < total)
        assert info[behind] == (number > 0)
        if not info[ahead]:
            return ids
        position = info["startCursor"] if backward else info["endCursor"]
    raise AssertionError("the pages do not end")


FILTERS: list[dict[str, Any]] = [
    {},
    {"search": ""},
    {"search": "   "},
    {"search": "i5 8500t"},
    {"search": "8500T CORE intel"},
    {"search": "i58500T"},
    {"search": "core-2"},
    {"search": "quad nothing"},
    {"search": "50%"},
    {"search": "%"},
    {"search": "50%_off"},
    {"search": "_"},
    {"search": "\\"},
    {"search": "off\\special"},
    {"search": "💥"},
    {"search": "É"},
    {"search": "öl 中"},
    {"search": "' OR 1=1 --"},
    {"manufacturer": []},
    {"manufacturer": ["Intel"]},
    {"manufacturer": ["Wörk & Co", "AMD", "AMD", "None Such"]},
    {"socket": ["AM4"]},
    {"category": ["Laptop", "Desktop"]},
    {"rating": []},
    {"rating": ["EXCELLENT", "POOR"]},
    {"confidence": []},
    {"confidence": ["HIGH"]},
    {"confidence": ["INSUFFICIENT", "MEDIUM"]},
    {"confidence": ["HIGH", "MEDIUM", "LOW", "INSUFFICIENT"]},
    {"hasIgpu": True},
    {"hasIgpu": False},
    {"withListings": True},
    {"withListings": False},
    {"cores": {}},
    {"cores": {"min": 4}},
    {"cores": {"max": 4}},
    {"cores": {"min": 4, "max": 4}},
    {"cores": {"min": -(2**31), "max": 2**31 - 1}},
    {"cores": None, "search": None, "manufacturer": None},
    {"cpuMarkMulti": {"min": 0, "max": 0}},
    {"price": {"max": 19.99}},
    {"price": {"min": 19.99, "max": 19.99}},
    {"price": {"max": 0.1}},
    {"price": {"min": 1e300}},
    {"price": {"min": -1e300, "max": 1e300}},
    {"dollarPerMarkMulti": {"min": 0.0123, "max": 0.0123}},
    {"dollarPerMarkSingle": {"max": 0.4}},
    {"percentile": {"max": 33.3}},
    {"percentile": {"min": 33.3, "max": 1e10}},
    {"manufacturer": ["Intel"], "cores": {"min": 4}, "withListings": True},
]


async def test_cpus_filters_select_matching_cpus(resources: Resources, cpu_rows: CpuRows) -> None:
    seen = set()
    for conditions in FILTERS:
        page = (await query_data(resources, FILTERED, filter=conditions))["cpus"]
        expected = [row for row in cpu_rows if row_matches(row, conditions)]
        assert sorted(node["id"] for node in page["nodes"]) == sorted(global_ids(expected)), conditions
        assert page["totalCount"] == len(expected), conditions
        seen |= {name for name in conditions if 0 < len(expected) < len(cpu_rows)}
    assert seen >= {*LIST_FILTERS, "search", "hasIgpu", "withListings", "confidence"}, "each filter excludes some CPUs"


async def test_cpus_ranges_include_both_bounds(resources: Resources, cpu_rows: CpuRows) -> None:
    for name, column in RANGE_FILTERS.items():
        for bound in {row[column] for row in cpu_rows if row[column] is not None}:
            for key in ("min", "max"):
                conditions = {name: {key: bound if isinstance(bound, int) else float(bound)}}
                page = (await query_data(resources, FILTERED, filter=conditions))["cpus"]
                assert page["totalCount"] == sum(row_matches(row, conditions) for row in cpu_rows), conditions


def short_lists(values: list[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for lists of a few of these."""
    return st.lists(st.sampled_from(values), max_size=3)


def valid_ranges(values: list[float]) -> st.SearchStrategy[Any]:
    """Return a strategy for valid ranges over these values."""
    bounds = st.tuples(st.sampled_from(values), st.sampled_from(values)).map(sorted)
    return st.one_of(
        bounds.map(lambda pair: {"min": pair[0], "max": pair[1]}),
        st.sampled_from(values).map(lambda value: {"min": value}),
        st.sampled_from(values).map(lambda value: {"max": value}),
    )


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "search": st.sampled_from(["core", "i5 t", "x", "intel", "1 2", "é"]),
        "manufacturer": short_lists(["Intel", "AMD", "Unknown", "Wörk & Co"]),
        "rating": short_lists(["EXCELLENT", "GOOD", "FAIR", "POOR"]),
        "confidence": short_lists(["HIGH", "MEDIUM", "LOW", "INSUFFICIENT"]),
        "hasIgpu": st.none() | st.booleans(),
        "withListings": st.none() | st.booleans(),
        "cores": valid_ranges([2, 3, 4, 16]),
        "price": valid_ranges([0.1, 19.99, 20, 20.01]),
        "percentile": valid_ranges([0, 25, 33.3, 50, 100]),
    },
)
ORDERINGS = st.lists(
    st.tuples(st.sampled_from(list(ORDER_FIELDS)), st.booleans()), max_size=5, unique_by=lambda key: key[0]
)


@pytest.mark.sized
@settings(
    max_examples=size_of(short=15, long=200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CONDITIONS, ORDERINGS, st.sampled_from([1, 2, 3, 200]))
async def test_cpus_pages_concatenate_to_sorted_list(
    resources: Resources, cpu_rows: CpuRows, conditions: dict[str, Any], order: Order, size: int
) -> None:
    expected = global_ids(
        sort_rows([row for row in cpu_rows if row_matches(row, conditions)], order or [("NAME", False)])
    )
    assert await read_all_pages(resources, size, conditions, order, len(expected)) == expected
    assert await read_all_pages(resources, size, conditions, order, len(expected), backward=True) == expected[::-1]


async def test_cpus_every_ordering_pages_both_ways(resources: Resources, cpu_rows: CpuRows) -> None:
    for name in ORDER_FIELDS:
        for down in (False, True):
            expected = global_ids(sort_rows(cpu_rows, [(name, down)]))
            walked = await read_all_pages(resources, 25, {}, [(name, down)], len(cpu_rows), backward=down)
            assert walked == (expected[::-1] if down else expected), (name, down)


async def test_cpus_pages_return_unchanged_rows_once_while_others_change(
    resources: Resources, cpu_rows: CpuRows
) -> None:
    for order in ([("NAME", False)], [("PRICE_GOOD", True), ("NAME", False)]):
        await read_pages_while_changing(resources, order)


async def read_pages_while_changing(resources: Resources, order: Order) -> None:
    """Read all pages while rows are added, deleted and get other sort keys between pages."""
    chance = random.Random(3)
    before = {node["id"] for node in (await query_data(resources, FILTERED))["cpus"]["nodes"]}
    seen: list[str] = []
    moved: set[str] = set()
    position = None
    while True:
        page = (await query_data(resources, PAGE_QUERY, first=5, after=position, orderBy=order_argument(order)))["cpus"]
        seen += [node["id"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        position = page["pageInfo"]["endCursor"]
        gone, other = chance.sample(sorted(before - moved), 2)
        moved |= {gone, other}
        await change_rows(resources, gone, other, f"{chance.choice('ABCKXYZ')} new {len(seen)} {order[0][0]}")
    stayed = before - moved
    assert len(stayed) > 5
    assert [seen.count(row) for row in stayed] == [1] * len(stayed)


async def change_rows(resources: Resources, gone: str, other: str, name: str) -> None:
    """Delete one row, change the sort key of another, add a third."""
    keys = [int(base64.b64decode(global_id).decode().split(":")[1]) for global_id in (gone, other)]
    async with resources.write() as tx:
        await tx.execute(delete(listing).where(listing.c.cpu_id == keys[0]))
        await tx.execute(delete(cpu).where(cpu.c.id == keys[0]))
        await tx.execute(update(cpu).where(cpu.c.id == keys[1]).values(name=f"moved {name}", price_good=7))
    await add_cpu(resources, name, price_good=20)


async def test_cpus_page_after_deleted_row_continues(resources: Resources) -> None:
    for name in ("A", "B", "C", "D"):
        await add_cpu(resources, name)
    page = (await query_data(resources, PAGE_QUERY, first=2))["cpus"]
    async with resources.write() as tx:
        await tx.execute(delete(cpu).where(cpu.c.name.in_(["A", "B"])))
    rest = (await query_data(resources, PAGE_QUERY, first=1, after=page["pageInfo"]["endCursor"]))["cpus"]
    (node,) = rest["nodes"]
    assert (await query_data(resources, NAMED, id=node["id"]))["cpu"]["name"] == "C"
    assert (rest["pageInfo"]["hasNextPage"], rest["totalCount"]) == (True, 2)


async def test_cpus_empty_list(resources: Resources) -> None:
    for arguments in ({}, {"first": 5}, {"last": 5}):
        page = (await query_data(resources, PAGE_QUERY, **arguments))["cpus"]
        assert page == {
            "edges": [],
            "nodes": [],
            "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
            "totalCount": 0,
        }
