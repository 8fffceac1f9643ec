"""Invalid arguments and cursors of `cpus`, which are rejected with advice."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from app.catalog import sql
from app.resources import Resources
from tests.support.mixed_catalog import ORDER_FIELDS, PAGE_QUERY, CpuRows, fill_mixed_catalog, order_argument
from tests.support.schema_execution import execute_query, query_data, query_error


@pytest.fixture
async def cpu_rows(resources: Resources) -> CpuRows:
    """Create the mixed catalogue."""
    return await fill_mixed_catalog(resources)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"first": 0}, "from 1 to 200"),
    ({"first": -1}, "from 1 to 200"),
    ({"first": 201}, "from 1 to 200"),
    ({"last": 0}, "from 1 to 200"),
    ({"last": 201}, "from 1 to 200"),
    ({"first": 1, "last": 1}, "either `first` or `last`"),
    ({"first": 1, "before": "x"}, "goes with"),
    ({"last": 1, "after": "x"}, "goes with"),
    ({"after": "x", "before": "x"}, "either `after` or `before`"),
    ({"filter": {"cores": {"min": 5, "max": 4}}}, "`cores` has a `min` (5) above its `max` (4)"),
    ({"filter": {"cpuMarkMulti": {"min": 5, "max": 4}}}, "`cpuMarkMulti`"),
    ({"filter": {"price": {"min": 2.5, "max": 2.25}}}, "`price` has a `min` (2.5) above its `max` (2.25)"),
    ({"filter": {"search": "x" * 201}}, "`filter.search` takes at most 200 characters, not 201"),
    ({"filter": {"search": "x" * 10_000}}, "`filter.search` takes at most 200 characters, not 10,000"),
    ({"filter": {"search": "a\0b"}}, "contains a NUL character or half of a surrogate pair"),
    ({"filter": {"search": "a\ud800b"}}, "contains a NUL character or half of a surrogate pair"),
    ({"filter": {"socket": ["\0"]}}, "`socket`"),
    ({"filter": {"manufacturer": ["x"] * 201}}, "`filter.manufacturer` takes at most 200 values, not 201"),
    ({"filter": {"category": ["x" * 201]}}, "`filter.category` takes at most 200 characters"),
    ({"filter": {"rating": ["GOOD"] * 5}}, "`filter.rating` takes at most 4 values, not 5: send each value once"),
    ({"orderBy": order_argument([("NAME", False), ("NAME", True)])}, "same field twice"),
    (
        {"orderBy": order_argument([(name, False) for name in list(ORDER_FIELDS)[:6]])},
        "`orderBy` takes at most 5 values, not 6",
    ),
]
MISTYPED: list[dict[str, Any]] = [
    {"first": 2**31},
    {"first": "1"},
    {"first": 1.5},
    {"after": 5},
    {"filter": {"cores": {"min": 2**31}}},
    {"filter": {"cores": {"min": -(2**31) - 1}}},
    {"filter": {"cores": {"min": 1.5}}},
    {"filter": {"price": {"min": "1"}}},
    {"filter": {"price": {"min": float("nan")}}},
    {"filter": {"price": {"min": float("inf")}}},
    {"filter": {"rating": ["BEST"]}},
    {"filter": {"nothing": 1}},
    {"filter": {"socket": [None]}},
    {"orderBy": [{"field": "ID"}]},
    {"orderBy": [{"field": "NAME", "direction": "UP"}]},
    {"orderBy": [{"direction": "ASC"}]},
]


async def test_cpu_invalid_arguments_are_rejected_with_advice(resources: Resources) -> None:
    for arguments, advice in WRONG:
        code, message = await query_error(resources, PAGE_QUERY, **arguments)
        assert code == "BAD_USER_INPUT", (arguments, message)
        assert advice in message, arguments


async def test_cpu_arguments_of_wrong_type_are_rejected(resources: Resources) -> None:
    for arguments in MISTYPED:
        assert (await query_error(resources, PAGE_QUERY, **arguments))[0] == "GRAPHQL_VALIDATION_FAILED", arguments


async def test_cpus_invalid_cursors_are_rejected(resources: Resources, cpu_rows: CpuRows) -> None:
    page = (await query_data(resources, PAGE_QUERY, first=2))["cpus"]
    cursor = page["pageInfo"]["endCursor"]
    theirs = (await query_data(resources, LISTING_CURSOR))["cpus"]["nodes"][0]["listings"]["pageInfo"]["endCursor"]
    other = (await query_data(resources, PAGE_QUERY, first=2, orderBy=order_argument([("NAME", True)])))["cpus"][
        "pageInfo"
    ]["endCursor"]
    for bad in ("", "junk", cursor[:-3], cursor + "AAAA", theirs, other, "A" * 8_000, "\0", "\ud800", "💥", "%00"):
        for position in ({"after": bad}, {"before": bad}):
            code, message = await query_error(resources, PAGE_QUERY, **position)
            assert code == "BAD_CURSOR", (bad, message)
            assert "pageInfo" in message


async def test_cpus_forged_cursor_is_position_or_rejected(resources: Resources, cpu_rows: CpuRows) -> None:
    """Cursors with the right checksum and any values never reach PostgreSQL with incomparable values."""
    forged: list[Any] = [None, True, -1, 2**31, 2**63, 0.5, "x", "NaN", "1e40", "999.95", "\0", []]
    outcomes = set()
    for name in ("NAME", "SOCKET", "CORES", "SAMPLE_SIZE", "PRICE_GOOD", "DOLLAR_PER_MARK_MULTI", "PERCENTILE"):
        mark = sql.keyset_for(((name, True),)).fingerprint
        for value in forged:
            cursor = base64.urlsafe_b64encode(orjson.dumps([mark, value, 1])).decode()
            result = await execute_query(
                resources, PAGE_QUERY, first=1, after=cursor, orderBy=order_argument([(name, True)])
            )
            outcomes |= {(error.extensions or {})["code"] for error in result.errors or []} or {None}
    assert outcomes == {None, "BAD_CURSOR"}


LISTING_CURSOR = """
{ cpus(filter: {withListings: true}) { nodes { listings(first: 1) { pageInfo { endCursor } } } } }
"""
