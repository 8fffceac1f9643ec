"""Listings of a CPU, their number and price distribution; and single listings."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from app.core.global_ids import encode_global_id
from app.db.tables import Condition, ListingStatus, listing
from app.resources import Resources
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.effort import size_of
from tests.support.schema_execution import execute_query, query_data, query_error

PAGE = """
query ($slug: String, $first: Int, $after: String, $last: Int, $before: String) {
  cpu(slug: $slug) {
    listingsCount
    listings(first: $first, after: $after, last: $last, before: $before) {
      totalCount edges { cursor } nodes { id adjustedPrice }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
"""
PLAIN = "query ($slug: String) { cpu(slug: $slug) { listings { nodes { id } pageInfo { hasNextPage } } } }"
LISTING = """
query ($id: ID!) { node(id: $id) { ... on Listing {
  title url marketplace seller condition status price shipping currency adjustedPrice createdAt updatedAt cpu { name }
} } }
"""
BINS = "query ($slug: String, $bins: Int) { cpu(slug: $slug) { priceDistribution(bins: $bins) { lo hi count } } }"


async def create_listings(resources: Resources, prices: Sequence[float | str | None], name: str = "CPU") -> list[str]:
    """Create a CPU with active listings at these prices and other listings; return the ids in the expected order."""
    cpu_id = await add_cpu(resources, name)
    other = await add_cpu(resources, f"Other {name}", [1, 2])
    async with resources.write() as tx:
        listings = [(price, await add_listing(tx, cpu_id, price)) for price in prices]
        for status in ("sold", "ended", "pending"):
            await add_listing(tx, cpu_id, 3, status=status)
        await add_listing(tx, None, 3)
    assert other
    listings.sort(key=lambda pair: (pair[0] is None, Decimal(str(pair[0] or 0)), pair[1]))
    return [encode_global_id("Listing", key) for _, key in listings]


async def read_all_pages(resources: Resources, size: int, backward: bool) -> list[str]:
    """Return all pages of the CPU's listings in the direction of reading."""
    limit, cursor, ahead = ("last", "before", "hasPreviousPage") if backward else ("first", "after", "hasNextPage")
    ids: list[str] = []
    position = None
    for number in range(100):
        page = (await query_data(resources, PAGE, slug="cpu", **{limit: size, cursor: position}))["cpu"]["listings"]
        here = [node["id"] for node in page["nodes"]]
        ids += reversed(here) if backward else here
        info = page["pageInfo"]
        assert info["hasNextPage" if backward else "hasPreviousPage"] == (number > 0)
        assert [info["startCursor"], info["endCursor"]] == [
            page["edges"][at]["cursor"] if here else None for at in (0, -1)
        ]
        if not info[ahead]:
            return ids
        position = info["startCursor" if backward else "endCursor"]
    raise AssertionError("the pages do not end")


async def test_listings_pages_are_cheapest_first_both_ways(resources: Resources) -> None:
    expected = await create_listings(resources, [5, None, "0.01", 5, 7, 0, None, 5, "9999999999.99", 6])
    for size in (1, 2, 3, 200):
        assert await read_all_pages(resources, size, backward=False) == expected
        assert await read_all_pages(resources, size, backward=True) == expected[::-1]


async def test_listings_are_active_ones_of_their_cpu(resources: Resources) -> None:
    expected = await create_listings(resources, [5, None, 7])
    cpu = (await query_data(resources, PAGE, slug="cpu"))["cpu"]
    assert cpu["listingsCount"] == cpu["listings"]["totalCount"] == 3
    assert [node["id"] for node in cpu["listings"]["nodes"]] == expected
    assert [node["adjustedPrice"] for node in cpu["listings"]["nodes"]] == [5, 7, None]


async def test_listings_without_arguments_are_ten_cheapest(resources: Resources) -> None:
    expected = await create_listings(resources, range(12))
    cpu = (await query_data(resources, PLAIN, slug="cpu"))["cpu"]["listings"]
    assert [node["id"] for node in cpu["nodes"]] == expected[:10]
    assert cpu["pageInfo"]["hasNextPage"]


async def test_listings_default_first_does_not_conflict_with_last(resources: Resources) -> None:
    expected = await create_listings(resources, range(12))
    query = '{ cpu(slug: "cpu") { a: listings(last: 2) { nodes { id } } b: listings(first: 2) { edges { cursor } } } }'
    cpu = (await query_data(resources, query))["cpu"]
    assert [node["id"] for node in cpu["a"]["nodes"]] == expected[-2:]
    query = 'query ($c: String) { cpu(slug: "cpu") { listings(before: $c) { nodes { id } } } }'
    cpu = (await query_data(resources, query, c=cpu["b"]["edges"][1]["cursor"]))["cpu"]
    assert [node["id"] for node in cpu["listings"]["nodes"]] == expected[:1]


async def test_listings_pages_are_stable_while_listings_change(resources: Resources) -> None:
    expected = await create_listings(resources, [10, 20, 30, 40, 50])
    page = (await query_data(resources, PAGE, slug="cpu", first=2))["cpu"]["listings"]
    async with resources.write() as tx:
        await tx.execute(delete(listing).where(listing.c.adjusted_price == 20))
        for price in (5, 25):
            await add_listing(tx, 1, price)
    rest = (await query_data(resources, PAGE, slug="cpu", first=9, after=page["pageInfo"]["endCursor"]))["cpu"][
        "listings"
    ]
    assert [node["adjustedPrice"] for node in rest["nodes"]] == [25, 30, 40, 50]
    assert [node["id"] for node in rest["nodes"]][1:] == expected[2:]


BAD_PAGES: list[tuple[dict[str, Any], str]] = [
    ({"first": 0}, "BAD_USER_INPUT"),
    ({"first": 201}, "BAD_USER_INPUT"),
    ({"first": 3, "last": 3}, "BAD_USER_INPUT"),
    ({"first": 3, "before": "x"}, "BAD_USER_INPUT"),
    ({"after": "x", "before": "x"}, "BAD_USER_INPUT"),
    ({"after": "junk"}, "BAD_CURSOR"),
    ({"before": "\0"}, "BAD_CURSOR"),
    ({"after": "A" * 10_000}, "BAD_USER_INPUT"),
]


async def test_listings_invalid_pages_are_rejected(resources: Resources) -> None:
    await create_listings(resources, [5])
    for arguments, code in BAD_PAGES:
        assert (await query_error(resources, PAGE, slug="cpu", **arguments))[0] == code, arguments


async def test_listings_invalid_cursor_does_not_affect_other_pages(resources: Resources) -> None:
    await create_listings(resources, [5, 6])
    query = '{ cpu(slug: "cpu") { listings(first: 1) { nodes { id } } b: listings(after: "junk") { nodes { id } } } }'
    result = await execute_query(resources, query)
    assert [(error.path, (error.extensions or {})["code"]) for error in result.errors or []] == [
        (["cpu", "b"], "BAD_CURSOR")
    ]


async def test_listing_returns_all_fields(resources: Resources) -> None:
    cpu_id = await add_cpu(resources, "CPU")
    async with resources.write() as tx:
        full = await add_listing(
            tx, cpu_id, 110, title="i5", url="https://example.org/1", seller="me", shipping=Decimal("0.49"),
            currency="EUR", adjusted_price=Decimal("120.49"), condition="open_box", status="sold",
        )  # fmt: skip
        bare = await add_listing(tx, None, None)
    listing = (await query_data(resources, LISTING, id=encode_global_id("Listing", full)))["node"]
    assert listing.pop("createdAt") == listing.pop("updatedAt")
    assert listing == {
        "title": "i5",
        "url": "https://example.org/1",
        "marketplace": "test",
        "seller": "me",
        "condition": "OPEN_BOX",
        "status": "SOLD",
        "price": 110,
        "shipping": 0.49,
        "currency": "EUR",
        "adjustedPrice": 120.49,
        "cpu": {"name": "CPU"},
    }
    listing = (await query_data(resources, LISTING, id=encode_global_id("Listing", bare)))["node"]
    assert {name for name, value in listing.items() if value is None} == {
        *("url", "seller", "price", "shipping", "adjustedPrice", "cpu")
    }


async def test_listing_returns_every_condition_and_status(resources: Resources) -> None:
    async with resources.write() as tx:
        keys = [await add_listing(tx, None, 1, condition=c, status=s) for c in Condition for s in ListingStatus]
    listings = [(await query_data(resources, LISTING, id=encode_global_id("Listing", key)))["node"] for key in keys]
    assert [(node["condition"], node["status"]) for node in listings] == [
        (c.name, s.name) for c in Condition for s in ListingStatus
    ]


async def fetch_distribution(resources: Resources, name: str, **arguments: Any) -> list[tuple[float, float, int]]:
    """Return the price distribution of a CPU."""
    bins = (await query_data(resources, BINS, slug=name, **arguments))["cpu"]["priceDistribution"]
    return [(bin_["lo"], bin_["hi"], bin_["count"]) for bin_ in bins]


async def test_price_distribution_examples(resources: Resources) -> None:
    await add_cpu(resources, "none")
    await add_cpu(resources, "nothing positive", [0, 0])
    await add_cpu(resources, "one", ["12.34"])
    await add_cpu(resources, "equal", [5, 5, 5])
    edges = await add_cpu(resources, "edges", [0, 10, 20, 30, 40, 50])
    async with resources.write() as tx:
        for status in ("sold", "ended", "pending"):
            await add_listing(tx, edges, 5, status=status)
    await add_cpu(resources, "thirds", [1, 2])
    assert await fetch_distribution(resources, "none") == []
    assert await fetch_distribution(resources, "nothing-positive") == []
    assert await fetch_distribution(resources, "one") == [(12.34, 12.34, 1)]
    assert await fetch_distribution(resources, "equal", bins=100) == [(5, 5, 3)]
    assert await fetch_distribution(resources, "edges", bins=4) == [(10, 20, 1), (20, 30, 1), (30, 40, 1), (40, 50, 2)]
    assert await fetch_distribution(resources, "edges", bins=1) == [(10, 50, 5)]
    assert await fetch_distribution(resources, "thirds", bins=3) == [
        (1, 1.3333, 1),
        (1.3333, 1.6667, 0),
        (1.6667, 2, 1),
    ]
    assert len(await fetch_distribution(resources, "edges", bins=100)) == 100
    assert len(await fetch_distribution(resources, "edges", bins=None)) == 10
    assert (
        len((await query_data(resources, '{ cpu(slug: "edges") { priceDistribution { lo } } }'))["cpu"].popitem()[1])
        == 10
    )


async def test_price_distribution_bins_out_of_range_are_rejected(resources: Resources) -> None:
    await add_cpu(resources, "one")
    for wrong in (0, -1, 101, 2**31 - 1):
        code, message = await query_error(resources, BINS, slug="one", bins=wrong)
        assert (code, message) == ("BAD_USER_INPUT", f"`bins` must be from 1 to 100, not {wrong}.")


PRICES = st.lists(st.decimals("0.01", "9999999999.99", places=2), min_size=2, max_size=12)


@pytest.mark.sized
@settings(
    max_examples=size_of(short=20, long=200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(PRICES, st.integers(1, 100))
async def test_price_distribution_counts_every_price_once(
    resources: Resources, prices: list[Decimal], number: int
) -> None:
    async with resources.write() as tx:
        await tx.execute(delete(listing))
    name = f"c{await count_cpus(resources)}"
    await add_cpu(resources, name, [str(price) for price in prices])
    histogram = await fetch_distribution(resources, name, bins=number)
    lowest, highest = min(prices), max(prices)
    expected = [0] * (1 if lowest == highest else number)
    for price in prices:
        place = 0 if lowest == highest else (price - lowest) * number // (highest - lowest)
        expected[min(int(place), number - 1)] += 1
    assert [bin_[2] for bin_ in histogram] == expected
    assert (histogram[0][0], histogram[-1][1]) == (float(lowest), float(highest))
    assert all(before[1] == after[0] for before, after in pairwise(histogram))


async def count_cpus(resources: Resources) -> int:
    """Return the number of CPUs."""
    return int((await query_data(resources, "{ cpus { totalCount } }"))["cpus"]["totalCount"])
