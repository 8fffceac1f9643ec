"""`priceMap`: the points and their Pareto frontiers against a plain reading of the definition."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from app.catalog import sql
from app.gateway.documents import read_document
from app.relay import global_id
from app.resources import Resources
from app.settings import Settings
from tests.asking import SCHEMA, data, error
from tests.catalog.shelf import fill, matches
from tests.conftest import add_cpu

MAP = """
query ($filter: CPUFilter) {
  priceMap(filter: $filter) {
    id name slug manufacturer price cpuMarkMulti cpuMarkSingle rating onFrontier onFrontierSingle
  }
}
"""


def on_frontier(points: list[dict[str, Any]], point: dict[str, Any], mark: str) -> bool:
    """As it is defined: nobody is as good in both and better in one."""
    if not point[mark]:
        return False
    return not any(
        other["price"] <= point["price"]
        and other[mark] >= point[mark]
        and (other["price"] < point["price"] or other[mark] > point[mark])
        for other in points
        if other[mark]
    )


def check(points: list[dict[str, Any]]) -> None:
    for point in points:
        assert point["onFrontier"] == on_frontier(points, point, "cpuMarkMulti"), point
        assert point["onFrontierSingle"] == on_frontier(points, point, "cpuMarkSingle"), point
    assert [point["price"] for point in points] == sorted(point["price"] for point in points)


async def test_frontiers_are_what_they_are_defined_to_be(resources: Resources) -> None:
    """With many ties: few prices, few marks, and some without either."""
    chance = random.Random(11)
    for number in range(120):
        await add_cpu(
            resources,
            f"CPU {number}",
            price_good=chance.choice([None, *(Decimal(each) / 4 for each in range(40, 60))]),
            cpu_mark_multi=chance.choice([None, 0, *range(10, 40)]),
            cpu_mark_single=chance.choice([None, 1, 2, 3]),
        )
    points = (await data(resources, MAP))["priceMap"]
    check(points)
    assert 60 < len(points) < 120, "those without a price are left out"
    assert {point["onFrontier"] for point in points} == {point["onFrontierSingle"] for point in points} == {True, False}
    assert any(point["cpuMarkMulti"] in {None, 0} for point in points)


async def test_equal_cpus_are_both_on_the_frontier(resources: Resources) -> None:
    for name, price, mark in (("a", 10, 5), ("b", 10, 5), ("c", 10, 4), ("d", 11, 5), ("e", 12, 6), ("f", 5, 1)):
        await add_cpu(resources, name, price_good=price, cpu_mark_multi=mark)
    points = (await data(resources, MAP))["priceMap"]
    assert {point["name"] for point in points if point["onFrontier"]} == {"a", "b", "e", "f"}
    assert [point["name"] for point in points] == ["f", "a", "b", "c", "d", "e"], "cheapest first, then by id"
    assert not any(point["onFrontierSingle"] for point in points)


async def test_a_point_tells_what_the_cpu_does(resources: Resources) -> None:
    shelf = await fill(resources)
    points = (await data(resources, MAP))["priceMap"]
    cpus = {
        cpu["id"]: cpu
        for cpu in (
            await data(
                resources,
                "{ cpus(first: 200) { nodes { id name slug manufacturer cpuMarkMulti cpuMarkSingle "
                "priceTarget { good } performanceValue { rating } } } }",
            )
        )["cpus"]["nodes"]
    }
    assert {point["id"] for point in points} == {
        global_id("CPU", r["id"]) for r in shelf if r["price_good"] is not None
    }
    for point in points:
        cpu = cpus[point["id"]]
        assert point["price"] == cpu["priceTarget"]["good"]
        assert point["rating"] == cpu["performanceValue"]["rating"]
        for name in ("name", "slug", "manufacturer", "cpuMarkMulti", "cpuMarkSingle"):
            assert point[name] == cpu[name]


async def test_a_frontier_is_that_of_the_filtered_cpus(resources: Resources) -> None:
    shelf = await fill(resources)
    frontiers = set()
    for conditions in ({"manufacturer": ["Intel"]}, {"withListings": True}, {"cores": {"min": 4}}, {"search": "i5"}):
        points = (await data(resources, MAP, filter=conditions))["priceMap"]
        expected = [r for r in shelf if r["price_good"] is not None and matches(r, conditions)]
        assert {point["id"] for point in points} == {global_id("CPU", row["id"]) for row in expected}
        check(points)
        frontiers.add(tuple(point["id"] for point in points if point["onFrontier"]))
    assert len(frontiers) > 1


async def test_an_empty_map(resources: Resources) -> None:
    assert await data(resources, MAP) == {"priceMap": []}
    await add_cpu(resources, "No Price")
    assert await data(resources, MAP) == {"priceMap": []}
    assert await data(resources, MAP, filter={"manufacturer": []}) == {"priceMap": []}


async def test_filters_are_refused_as_they_are_for_lists(resources: Resources) -> None:
    code, message = await error(resources, MAP, filter={"price": {"min": 2, "max": 1}})
    assert (code, message) == ("BAD_USER_INPUT", "`price` has a `min` (2.0) above its `max` (1.0).")


def test_the_whole_map_may_be_asked_for(settings: Settings) -> None:
    """Its cost is that of as many points as it can have."""
    (operation,) = read_document(SCHEMA._schema, "test", MAP).operations.values()
    assert sql.MAX_POINTS == operation.cost({}) < settings.cost_limit
