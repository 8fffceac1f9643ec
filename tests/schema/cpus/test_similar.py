"""`CPU.similar`: the CPUs with the least documented difference, compared with a plain implementation."""

from __future__ import annotations

import math
from typing import Any

import pytest

from app.catalog.sql import SIMILARITY_WEIGHTS
from app.core.global_ids import encode_global_id
from app.graphql.context import Context
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.mixed_catalog import fill_mixed_catalog
from tests.support.schema_execution import execute_in_context, query_data, query_error

SIMILAR = "query ($id: ID!, $first: Int) { cpu(id: $id) { similar(first: $first) { id } } }"


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the documented difference."""

    def of(name: str) -> float:
        mine, theirs = float(one[name] or 0), float(other[name] or 0)
        return abs(math.log(mine / theirs)) if mine and theirs else math.log(2)

    return sum(weight * of(name) for name, weight in SIMILARITY_WEIGHTS.items())


async def test_similar_cpus_are_ordered_by_difference(resources: Resources) -> None:
    """The catalogue has many unknown values and ties; equal differences are ordered by id."""
    cpu_rows = await fill_mixed_catalog(resources, 60)
    query = "{ cpus(first: 200) { nodes { id similar(first: 24) { id } } } }"
    similar_by_id = {cpu["id"]: cpu["similar"] for cpu in (await query_data(resources, query))["cpus"]["nodes"]}
    assert len(similar_by_id) == len(cpu_rows)
    rows = {encode_global_id("CPU", row["id"]): row for row in cpu_rows}
    for row in cpu_rows:
        others = [other for other in cpu_rows if other is not row]
        nearest = sorted(difference(row, other) for other in others)[:24]
        mine = [rows[similar["id"]] for similar in similar_by_id[encode_global_id("CPU", row["id"])]]
        assert row not in mine
        assert len({other["id"] for other in mine}) == 24
        assert [difference(row, other) for other in mine] == pytest.approx(nearest)


async def test_similar_cpus_with_equal_difference_are_ordered_by_id(resources: Resources) -> None:
    keys = [await add_cpu(resources, f"CPU {number}", cores=8, cpu_mark_multi=1000) for number in range(5)]
    far = await add_cpu(resources, "Far", cores=8, cpu_mark_multi=4000)
    unknown = await add_cpu(resources, "Unknown", cores=8)

    async def similar(key: int, first: int | None = None) -> list[int]:
        variables = {} if first is None else {"first": first}
        similar = (await query_data(resources, SIMILAR, id=encode_global_id("CPU", key), **variables))["cpu"]["similar"]
        return [{encode_global_id("CPU", each): each for each in (*keys, far, unknown)}[each["id"]] for each in similar]

    assert await similar(keys[1]) == [keys[0], *keys[2:], unknown, far], "half the value is more similar than a quarter"
    assert await similar(keys[1], 2) == [keys[0], keys[2]]
    assert await similar(unknown) == [*keys, far], "values that the CPU itself lacks count equally for all"


async def test_similar_cpus_have_all_cpu_fields(resources: Resources) -> None:
    """Similar CPUs have all fields of CPUs, including their own similar CPUs."""
    for number in range(4):
        await add_cpu(resources, f"CPU {number}", [10 + number, 20], cores=2**number)
    query = """{ cpu(slug: "cpu-0") { similar(first: 2) {
        slug cores listingsCount listings(first: 1) { nodes { adjustedPrice cpu { slug } } }
        similar(first: 1) { slug similar(first: 3) { slug } }
    } } }"""
    async with Context(resources) as context:
        result = await execute_in_context(context, query)
    assert not result.errors
    assert result.data is not None
    one, two = result.data["cpu"]["similar"]
    assert (one["slug"], one["cores"], one["listingsCount"]) == ("cpu-1", 2, 2)
    assert one["listings"]["nodes"] == [{"adjustedPrice": 11.0, "cpu": {"slug": "cpu-1"}}]
    assert one["similar"][0]["slug"] == "cpu-0"
    assert [cpu["slug"] for cpu in one["similar"][0]["similar"]] == ["cpu-1", "cpu-2", "cpu-3"]
    assert two["slug"] == "cpu-2"


async def test_similar_cpus_of_only_cpu_are_empty(resources: Resources) -> None:
    key = await add_cpu(resources, "Only")
    assert await query_data(resources, SIMILAR, id=encode_global_id("CPU", key)) == {"cpu": {"similar": []}}


@pytest.mark.parametrize("first", [0, -1, 25])
async def test_similar_cpus_count_is_limited(resources: Resources, first: int) -> None:
    key = await add_cpu(resources, "Only")
    code, message = await query_error(resources, SIMILAR, id=encode_global_id("CPU", key), first=first)
    assert (code, message) == ("BAD_USER_INPUT", f"`first` must be from 1 to 24, not {first}.")
