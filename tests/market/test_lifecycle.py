"""Lifecycle of listings: transitions by any writer are recorded and returned newest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text, update

from app.core.global_ids import encode_global_id
from app.db.tables import listing
from app.db.transaction import Transaction
from app.market.lifecycle import expire_missing, mark_found, mark_gone, mark_missing
from app.market.retention import create_price_partitions, expire_missing_listings
from app.resources import Resources
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.file_imports import FileImporter, checked_counts
from tests.support.schema_execution import execute_query, query_data, query_error
from tests.support.statements import record_statements

LIFE = """
query ($id: ID!, $first: Int, $last: Int, $after: String, $range: PriceRange! = ALL) { node(id: $id) { ... on Listing {
  status firstSeenAt lastSeenAt missingSince lifecycle { kind at }
  priceHistory(first: $first, last: $last, after: $after, range: $range) {
    totalCount pageInfo { hasNextPage endCursor } nodes { at price shipping currency total adjustedPrice state }
  }
} } }
"""
SEEN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=300)
STATES = "SELECT price::int, state FROM price_observation WHERE listing_id = :id ORDER BY seen_at"


async def fetch_listing(resources: Resources, key: int, **variables: Any) -> dict[str, Any]:
    details: dict[str, Any] = (await query_data(resources, LIFE, id=encode_global_id("Listing", key), **variables))[
        "node"
    ]
    return details


async def event_kinds(resources: Resources, key: int) -> list[str]:
    return [event["kind"] for event in (await fetch_listing(resources, key))["lifecycle"]]


@pytest.fixture
async def key(resources: Resources) -> int:
    """Create an active listing at 10 USD and return its id."""
    cpu_id = await add_cpu(resources, "CPU")
    async with resources.write() as tx:
        return await add_listing(tx, cpu_id, 10, seen_at=SEEN)


async def observed_states(tx: Transaction, key: int) -> list[tuple[int, str]]:
    return [tuple(row) for row in await tx.rows(text(STATES), {"id": key})]


async def test_listing_lifecycle_records_every_transition(resources: Resources, key: int) -> None:
    steps = [
        (mark_missing, "MISSING"), (mark_found, "BACK"), (mark_missing, "MISSING"), (mark_gone, "GONE"),
    ]  # fmt: skip
    expected = ["SEEN"]
    for mark, kind in steps:
        async with resources.write() as tx:
            assert await mark(tx, [key]) == 1
            assert {str(domain) for domain in tx.changed_domains} == {"market"}
        async with resources.write() as tx:
            assert await mark(tx, [key]) == 0, "the second call changes nothing"
            assert not tx.changed_domains
        expected.insert(0, kind)
        assert await event_kinds(resources, key) == expected
    async with resources.write() as tx:
        await tx.execute(update(listing).values(status="active", seen_at=SEEN + timedelta(days=500)))
    details = await fetch_listing(resources, key)
    assert [event["kind"] for event in details["lifecycle"]] == ["BACK", *expected]
    assert details["lifecycle"][0]["at"] == (SEEN + timedelta(days=500)).isoformat()
    assert details["lifecycle"][-1] == {"kind": "SEEN", "at": SEEN.isoformat()}
    assert details["firstSeenAt"] == SEEN.isoformat()
    assert details["lastSeenAt"] == (SEEN + timedelta(days=500)).isoformat()
    assert details["missingSince"] is None


async def test_listing_gone_cannot_become_missing(resources: Resources, key: int) -> None:
    async with resources.write() as tx:
        await mark_gone(tx, [key])
        assert await mark_missing(tx, [key]) == 0
        assert await mark_gone(tx, [key, 12345]) == 0


async def test_listing_missing_for_expiry_days_ends(resources: Resources, key: int) -> None:
    async with resources.write() as tx:
        other = await add_listing(tx, 1, 5)
        await mark_missing(tx, [key, other])
        await tx.execute(
            text("UPDATE listing SET missing_since = now() - interval '7 days' WHERE id = :id"), {"id": key}
        )
    async with resources.write() as tx:
        assert await expire_missing(tx, 8) == 0
        assert await expire_missing(tx, 7) == 1
        assert (await tx.scalar(text("SELECT count(*) FROM data_change_log"))) >= 1, "its CPU is logged"
    details = await fetch_listing(resources, key)
    assert (details["status"], details["missingSince"]) == ("ENDED", None)
    assert await event_kinds(resources, key) == ["GONE", "MISSING", "SEEN"]
    assert (await fetch_listing(resources, other))["missingSince"] is not None


async def test_nightly_steps_expire_listings_and_create_partitions(resources: Resources, key: int) -> None:
    async with resources.write() as tx:
        await mark_missing(tx, [key])
        await tx.execute(text("UPDATE listing SET missing_since = missing_since - interval '6 days 23 hours'"))
    assert await expire_missing_listings(resources) == 0
    async with resources.write() as tx:
        await tx.execute(text("UPDATE listing SET missing_since = missing_since - interval '1 hour'"))
    assert await expire_missing_listings(resources) == 1
    assert await create_price_partitions(resources) == 1, "the month of the first observation, 300 days ago"
    assert await create_price_partitions(resources) == 0


async def test_listing_updated_by_plain_sql_is_observed(resources: Resources, key: int) -> None:
    for values in ({"price": 12, "adjusted_price": 12}, {"title": "Other"}, {"status": "pending"}, {"status": "sold"}):
        async with resources.write() as tx:
            await tx.execute(update(listing).values(values))
    async with resources.write() as tx:
        assert await observed_states(tx, key) == [(10, "active"), (12, "active"), (12, "gone")]


async def test_observations_of_one_moment_are_one_row(resources: Resources, key: int) -> None:
    async with resources.write() as tx:
        for price in (11, 12):
            await tx.execute(update(listing).values(price=price))
        await mark_missing(tx, [key])
        assert await observed_states(tx, key) == [(10, "active"), (12, "missing")]


async def test_adjusted_price_change_is_observed_without_event(resources: Resources, key: int) -> None:
    for adjusted, rows in ((9, 2), (9, 2), (8, 3), (None, 4), (7, 5)):
        async with resources.write() as tx:
            await tx.execute(update(listing).values(adjusted_price=adjusted))
        async with resources.write() as tx:
            assert len(await observed_states(tx, key)) == rows
            assert await tx.scalar(text("SELECT count(*) FROM outbox")) == 0
    details = await fetch_listing(resources, key)
    assert [event["kind"] for event in details["lifecycle"]] == ["SEEN"]
    points = details["priceHistory"]["nodes"]
    assert [(point["price"], point["adjustedPrice"]) for point in points] == [
        (10, 7),
        (10, None),
        (10, 8),
        (10, 9),
        (10, 10),
    ]


async def test_revaluation_of_future_observation_replaces_it(resources: Resources, key: int) -> None:
    """Otherwise the old value would count again once the observation's time has passed."""
    async with resources.write() as tx:
        await tx.execute(update(listing).values(seen_at=datetime.now(UTC) + timedelta(hours=5), price=11))
    async with resources.write() as tx:
        await tx.execute(update(listing).values(adjusted_price=9))
    points = (await fetch_listing(resources, key))["priceHistory"]["nodes"]
    assert [(point["price"], point["adjustedPrice"]) for point in points] == [(11, 9), (10, 10)]


async def test_listing_first_seen_as_sold_has_two_events(resources: Resources) -> None:
    async with resources.write() as tx:
        key = await add_listing(tx, None, 5, status="sold", seen_at=SEEN)
    assert await event_kinds(resources, key) == ["GONE", "SEEN"]
    assert (await fetch_listing(resources, key))["priceHistory"]["nodes"] == [
        {"at": SEEN.isoformat(), "price": 5, "shipping": None, "currency": "USD", "total": 5, "state": "GONE",
         "adjustedPrice": 5}
    ]  # fmt: skip


async def test_listing_price_history_pages_both_ways(resources: Resources, key: int) -> None:
    for number in range(1, 8):
        async with resources.write() as tx:
            await tx.execute(
                update(listing).values(price=number, shipping=2, currency="EUR", seen_at=SEEN + timedelta(days=number))
            )
    details = await fetch_listing(resources, key, first=3)
    page = details["priceHistory"]
    assert page["totalCount"] == 8
    assert [node["price"] for node in page["nodes"]] == [7, 6, 5]
    assert page["nodes"][0] == {
        "at": (SEEN + timedelta(days=7)).isoformat(), "price": 7, "shipping": 2, "currency": "EUR", "total": 9,
        "adjustedPrice": 10, "state": "ACTIVE",
    }  # fmt: skip
    rest = (await fetch_listing(resources, key, first=10, after=page["pageInfo"]["endCursor"]))["priceHistory"]
    assert [node["price"] for node in rest["nodes"]] == [4, 3, 2, 1, 10]
    last = (await fetch_listing(resources, key, last=2))["priceHistory"]
    assert [node["price"] for node in last["nodes"]] == [1, 10]
    recent = (await fetch_listing(resources, key, range="DAYS_7"))["priceHistory"]
    assert (recent["totalCount"], recent["nodes"]) == (0, []), "all observations are older"


async def test_listing_history_rejects_invalid_arguments(resources: Resources, key: int) -> None:
    node = f'{{ node(id: "{encode_global_id("Listing", key)}") {{ ... on Listing {{ %s }} }} }}'
    for wrong in (
        "lifecycle(first: 0) { at }",
        "lifecycle(first: 201) { at }",
        "priceHistory(first: 0) { totalCount }",
    ):
        assert (await query_error(resources, node % wrong))[0] == "BAD_USER_INPUT"
    assert (await query_error(resources, node % 'priceHistory(after: "x") { totalCount }'))[0] == "BAD_CURSOR"


async def test_listing_histories_of_many_cost_as_many_statements_as_one(resources: Resources, key: int) -> None:
    query = """{ cpu(slug: "cpu") { listings(first: 200) { nodes {
        firstSeenAt lastSeenAt lifecycle { kind } priceHistory { totalCount nodes { price } } } } } }"""
    for number in (1, 40):
        async with resources.write() as tx:
            for _ in range(number):
                await add_listing(tx, 1, 5)
        with record_statements(resources) as ran:
            result = await execute_query(resources, query)
        assert not result.errors
        assert ran.count == 4, "the CPU with its listings, lifecycles, prices, numbers of prices"


async def test_listing_import_records_lifecycle_events(resources: Resources, tmp_path: Path) -> None:
    importer = FileImporter(resources, tmp_path)
    await importer.cpus("name\nIntel Core i5-8500T\n")
    header = "title,cpu,price,marketplace,vendor_item_id,status,seen_at\n"

    async def observe(status: str, day: int, price: int) -> None:
        row = f"A chip,Intel Core i5-8500T,{price},ebay,1,{status},2025-01-{day:02d}T00:00:00Z\n"
        assert checked_counts(await importer.listings(header + row))[3] == 0

    await observe("active", 5, 50)
    await observe("sold", 8, 50)
    await observe("active", 10, 50)
    await observe("active", 3, 45)  # an earlier observation that is imported later
    await observe("active", 10, 40)  # and a corrected one
    async with resources.write() as tx:
        assert await observed_states(tx, 1) == [(45, "active"), (50, "active"), (50, "gone"), (40, "active")]
        await mark_missing(tx, [1])
    assert await event_kinds(resources, 1) == ["MISSING", "BACK", "GONE", "SEEN"]
    assert (await fetch_listing(resources, 1))["firstSeenAt"] == "2025-01-03T00:00:00+00:00"
    # Found again without changes: only that is recorded.
    undated = header.replace(",seen_at", "") + "A chip,Intel Core i5-8500T,40,ebay,1,active\n"
    assert checked_counts(await importer.listings(undated)) == (0, 1, 0, 0)
    assert (await event_kinds(resources, 1))[0] == "BACK"
    assert (await fetch_listing(resources, 1))["missingSince"] is None
    assert checked_counts(await importer.listings(undated)) == (0, 0, 1, 0)
