"""The query `priceMap`: CPUs with a price, as points."""

from __future__ import annotations

from app.catalog import sql
from app.core.global_ids import encode_global_id
from app.engine.document import prepare_document
from app.resources import Resources
from app.settings import Settings
from tests.support.catalog_rows import add_cpu
from tests.support.mixed_catalog import fill_mixed_catalog, row_matches
from tests.support.schema_execution import GRAPHQL_SCHEMA, query_data, query_error

MAP = """
query ($filter: CPUFilter) {
  priceMap(filter: $filter) {
    id name slug manufacturer price cpuMarkMulti cpuMarkSingle rating
  }
}
"""


async def test_price_map_is_cheapest_first_without_unpriced_cpus(resources: Resources) -> None:
    for name, price in (("a", 10), ("b", 10), ("c", None), ("d", 11), ("e", 5)):
        await add_cpu(resources, name, price_good=price, cpu_mark_multi=None if name == "d" else 1)
    points = (await query_data(resources, MAP))["priceMap"]
    assert [point["name"] for point in points] == ["e", "a", "b", "d"], "by price, then by id"


async def test_price_map_point_has_values_of_its_cpu(resources: Resources) -> None:
    cpu_rows = await fill_mixed_catalog(resources)
    points = (await query_data(resources, MAP))["priceMap"]
    cpus = {
        cpu["id"]: cpu
        for cpu in (
            await query_data(
                resources,
                "{ cpus(first: 200) { nodes { id name slug manufacturer cpuMarkMulti cpuMarkSingle "
                "priceTarget { good } performanceValue { rating } } } }",
            )
        )["cpus"]["nodes"]
    }
    assert {point["id"] for point in points} == {
        encode_global_id("CPU", r["id"]) for r in cpu_rows if r["price_good"] is not None
    }
    for point in points:
        cpu = cpus[point["id"]]
        assert point["price"] == cpu["priceTarget"]["good"]
        assert point["rating"] == cpu["performanceValue"]["rating"]
        for name in ("name", "slug", "manufacturer", "cpuMarkMulti", "cpuMarkSingle"):
            assert point[name] == cpu[name]


async def test_price_map_applies_filter(resources: Resources) -> None:
    cpu_rows = await fill_mixed_catalog(resources)
    results = set()
    for conditions in ({"manufacturer": ["Intel"]}, {"withListings": True}, {"cores": {"min": 4}}, {"search": "i5"}):
        points = (await query_data(resources, MAP, filter=conditions))["priceMap"]
        expected = [r for r in cpu_rows if r["price_good"] is not None and row_matches(r, conditions)]
        assert {point["id"] for point in points} == {encode_global_id("CPU", row["id"]) for row in expected}
        assert [point["price"] for point in points] == sorted(point["price"] for point in points)
        results.add(tuple(point["id"] for point in points))
    assert len(results) > 1


async def test_price_map_empty(resources: Resources) -> None:
    assert await query_data(resources, MAP) == {"priceMap": []}
    await add_cpu(resources, "No Price")
    assert await query_data(resources, MAP) == {"priceMap": []}
    assert await query_data(resources, MAP, filter={"manufacturer": []}) == {"priceMap": []}


async def test_price_map_invalid_filters_are_rejected(resources: Resources) -> None:
    code, message = await query_error(resources, MAP, filter={"price": {"min": 2, "max": 1}})
    assert (code, message) == ("BAD_USER_INPUT", "`price` has a `min` (2.0) above its `max` (1.0).")


def test_price_map_of_whole_catalogue_is_allowed(settings: Settings) -> None:
    """Its cost is that of the maximum number of points."""
    (operation,) = prepare_document(GRAPHQL_SCHEMA, "test", MAP).operations.values()
    assert sql.MAX_PRICE_MAP_POINTS == operation.cost({}) < settings.cost_limit
