"""Offers as they are seen: each becomes a listing, or what is news about one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from app.db.tables import Condition, Domain, ListingStatus
from app.db.transaction import Tx
from app.market import upsert_sql
from app.market.lifecycle import mark_gone


@dataclass(frozen=True, slots=True)
class Sighting:
    """An offer as somebody saw it at a time.

    `price` and `shipping` are in `currency`; a price that was not told is None, and leaves what is stored. `carried`:
    what is offered beside the CPU, and why the price is not that of one thing, see `market.valuation.carried`.
    """

    title: str
    url: str | None
    marketplace: str
    seller: str | None
    vendor_item_id: str | None
    condition: Condition
    status: ListingStatus
    price: Decimal | None
    currency: str | None
    shipping: Decimal | None
    cpu_id: int | None
    images: tuple[str, ...]
    carried: Mapping[str, Any]
    seen_at: datetime


async def store(tx: Tx, sightings: Sequence[Sighting]) -> list[int]:
    """Creates and updates listings; the id of each sighting's listing, in their order.

    The same offer seen twice is the same listing, whoever else stores it at the same time. What was seen earlier than
    what is stored changes nothing of the listing, but its price is remembered too.
    """
    if not sightings:
        return []
    given = orjson.dumps([_plain(place, each) for place, each in enumerate(sightings)]).decode()
    found: dict[int, int] = {}
    for places in _rounds(await upsert_sql.keys(tx, given), sightings):
        stored = await upsert_sql.upsert(tx, given, places)
        found.update(stored.ids)
        if stored.changed:
            tx.touch(Domain.MARKET)
    return [found[place] for place in range(len(sightings))]


async def end(tx: Tx, listing_ids: Sequence[int]) -> int:
    """Ends listings whose offers are gone; returns how many had not ended yet.

    In a transaction that does not `store` too: of listings that two transactions write, both take the locks in one
    order as long as each does so only once.
    """
    if not listing_ids:
        return 0
    await upsert_sql.lock(tx, listing_ids)
    return await mark_gone(tx, listing_ids)


def _rounds(keys: Mapping[int, bytes], sightings: Sequence[Sighting]) -> list[list[int]]:
    """Places of sightings, such that no round has an offer twice and each offer's come in the order of time."""
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for place in sorted(keys, key=lambda each: sightings[each].seen_at):
        by_key[keys[place]].append(place)
    most = max(len(places) for places in by_key.values())
    return [[places[number] for places in by_key.values() if len(places) > number] for number in range(most)]


def _plain(place: int, sighting: Sighting) -> Mapping[str, Any]:
    return {
        "place": place,
        "title": sighting.title,
        "url": sighting.url,
        "marketplace": sighting.marketplace,
        "seller": sighting.seller,
        "vendor_item_id": sighting.vendor_item_id,
        "condition": sighting.condition,
        "status": sighting.status,
        "price": None if sighting.price is None else str(sighting.price),
        "currency": sighting.currency,
        "shipping": None if sighting.shipping is None else str(sighting.shipping),
        "cpu_id": sighting.cpu_id,
        "images": sighting.images,
        "seen_at": sighting.seen_at,
        **sighting.carried,
    }
