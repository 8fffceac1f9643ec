"""Storing offers of pages: one listing per offer, in any order and by concurrent transactions."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.db.tables import Condition, Domain, ListingStatus
from app.market.upsert import ObservedOffer, end_listings, upsert_offers
from app.resources import Resources
from app.valuation.adjusted_price import offer_attributes
from tests.support.catalog_rows import add_cpu
from tests.support.url_imports import all_listings, all_observations, fetch_import_rows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_offer(
    title: str = "Intel Core i5-8500T", price: object = "10.00", minutes: int = 0, **more: Any
) -> ObservedOffer:
    """Return an offer that is observed this many minutes after NOW."""
    return ObservedOffer(
        **{
            "title": title,
            "url": "https://shop.example/1",
            "marketplace": "shop.example",
            "seller": None,
            "vendor_item_id": None,
            "condition": Condition.USED,
            "status": ListingStatus.ACTIVE,
            "price": None if price is None else Decimal(str(price)),
            "currency": None if price is None else "USD",
            "shipping": None,
            "cpu_id": None,
            "images": (),
            "attributes": offer_attributes(title),
            "seen_at": NOW + timedelta(minutes=minutes),
            **more,
        }
    )


async def store_offers(resources: Resources, *offers: ObservedOffer) -> list[int]:
    """Store the offers in a transaction and return the ids of their listings."""
    async with resources.write() as tx:
        return await upsert_offers(tx, offers)


async def test_upsert_same_offer_updates_its_listing(resources: Resources) -> None:
    """The price is not part of the identity; with an item id, neither is the title."""
    first = await store_offers(resources, make_offer("Dell - X"), make_offer("Other", vendor_item_id="7"))
    again = await store_offers(
        resources,
        make_offer("dell x!", 12, 1),
        make_offer("Renamed", 11, 1, vendor_item_id="7"),
        make_offer("Renamed", 11, 1, vendor_item_id="8"),
        make_offer("Dell X", 10, 1, seller="somebody"),
    )
    assert again[:2] == first
    assert len({*first, *again}) == 4
    listing_by_id = {row.id: (row.title, row.price) for row in await all_listings(resources)}
    assert [listing_by_id[key] for key in first] == [("dell x!", 12), ("Renamed", 11)]


async def test_upsert_unknown_values_keep_stored_ones(resources: Resources) -> None:
    cpu = await add_cpu(resources, "Intel Core i5-8500T")
    await store_offers(resources, make_offer(cpu_id=cpu, images=("https://a.example/1.jpg",), shipping=Decimal(5)))
    vague = make_offer(price=None, minutes=1, condition=Condition.UNKNOWN, url=None)
    await store_offers(resources, vague)
    (row,) = await all_listings(resources)
    assert (row.cpu_id, row.price, row.shipping, row.adjusted_price) == (cpu, 10, 5, 15)
    assert (row.images, row.condition, row.url) == (["https://a.example/1.jpg"], "used", "https://shop.example/1")
    assert row.seen_at == NOW + timedelta(minutes=1)
    changed = row.updated_at
    await store_offers(resources, replace(vague, seen_at=NOW + timedelta(minutes=2)))
    assert [row.updated_at for row in await all_listings(resources)] == [changed], (
        "only the time of the observation changes"
    )
    await store_offers(resources, make_offer("Intel Core, i5-8500T", 11, 3))
    (row,) = await all_listings(resources)
    assert (row.cpu_id, row.price) == (None, 11), "another title without a certain CPU"


async def test_upsert_without_changes_records_nothing(resources: Resources) -> None:
    (listing,) = await store_offers(resources, make_offer())
    for minutes, price in ((1, 10), (2, 12), (3, 12), (4, None), (5, 10)):
        async with resources.write() as tx:
            await upsert_offers(tx, [make_offer(price=price, minutes=minutes)])
            assert (Domain.MARKET in tx.changed_domains) == (minutes in {2, 5})
    assert await all_observations(resources) == [(listing, 10), (listing, 12), (listing, 10)]


async def test_upsert_of_older_observation_adds_history_only(resources: Resources) -> None:
    """The price is added to the history, and the listing does not change."""
    (listing,) = await store_offers(resources, make_offer(price=10))
    await store_offers(resources, make_offer(price=12, minutes=10))
    await store_offers(resources, make_offer("intel core i5 8500t", 11, 5, condition=Condition.NEW))
    await store_offers(resources, make_offer(price=11, minutes=6))
    (row,) = await all_listings(resources)
    assert (row.title, row.price, row.condition) == ("Intel Core i5-8500T", 12, "used")
    assert await all_observations(resources) == [(listing, 10), (listing, 11), (listing, 12)]


async def test_upsert_repeated_offer_uses_observation_times(resources: Resources) -> None:
    """Several pages of one batch have the same offer: the observations are stored in the order of their times."""
    offers = [make_offer(price=10 + minutes, minutes=minutes) for minutes in (3, 0, 2, 1)]
    ids = await store_offers(resources, *offers, make_offer("Another"))
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]
    prices = [price for listing, price in await all_observations(resources) if listing == ids[0]]
    assert prices == [10, 11, 12, 13]
    assert {row.id: row.price for row in await all_listings(resources)}[ids[0]] == 13


async def test_upsert_without_offers_does_nothing(resources: Resources) -> None:
    assert await store_offers(resources) == []


async def test_upsert_concurrent_transactions_do_not_deadlock(resources: Resources) -> None:
    """Transactions store the same offers in different orders: there is one listing per offer, and no deadlock."""
    chance = random.Random(1)
    titles = [f"Offer {number}" for number in range(12)]

    async def writer(number: int) -> None:
        for turn in range(5):
            chosen = chance.sample(titles, 8)
            minutes = number * 5 + turn
            await store_offers(resources, *(make_offer(title, 100 + minutes, minutes) for title in chosen))
            expected.update((title, minutes) for title in chosen)
            if turn == 2:
                async with resources.write() as tx:
                    await end_listings(tx, chance.sample(range(1, 13), 6))

    expected = set[tuple[str, int]]()
    await asyncio.gather(*(writer(number) for number in range(6)))
    rows = {row.title: row for row in await all_listings(resources)}
    assert sorted(rows) == sorted(titles)
    for title in titles:
        assert rows[title].price == 100 + max(minutes for name, minutes in expected if name == title)
    prices = await fetch_import_rows(
        resources,
        "SELECT DISTINCT title, p.price FROM price_observation AS p JOIN listing AS l ON l.id = listing_id",
    )
    assert {(row.title, int(row.price) - 100) for row in prices} == expected


async def test_upsert_of_ended_listing_activates_it(resources: Resources) -> None:
    ids = await store_offers(resources, make_offer())
    for ended in (1, 0):
        async with resources.write() as tx:
            assert await end_listings(tx, ids) == ended
    await store_offers(resources, make_offer(minutes=1))
    assert [row.status for row in await all_listings(resources)] == ["active"]
