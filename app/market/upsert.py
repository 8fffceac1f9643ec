"""Store offers of fetched pages: each becomes a new listing, or a newer or older observation of a known one.

The functions write to `listing` only. Its triggers do the rest within the same statement (see `app/db/functions`):

- `record_price_observations` appends changes of price and state to `price_observation`, the price history;
- `log_listing_changes` adds CPUs with changed active prices to `data_change_log` and notifies the topic `change_log`,
  so that a worker recalculates their price targets (`app.analytics.recalculation`);
- `record_price_changes` adds price changes to `outbox` and notifies the topic `outbox` (`app.events`);
- `update_listing_statistics` counts active listings in `listing_statistics`.

The bumped version of the domain MARKET invalidates cached responses on commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from app.db.tables import Condition, Domain, ListingStatus
from app.db.transaction import Transaction
from app.market import upsert_sql
from app.market.lifecycle import mark_gone


@dataclass(frozen=True, slots=True)
class ObservedOffer:
    """An offer as it was observed at a time.

    `price` and `shipping` are in `currency`. A price of None is unknown, and the stored price is kept. `attributes` are
    the columns that `app.valuation.adjusted_price.offer_attributes` returns.
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
    attributes: Mapping[str, Any]
    seen_at: datetime


async def upsert_offers(tx: Transaction, offers: Sequence[ObservedOffer]) -> list[int]:
    """Create and update listings; return the listing id of each offer, in the same order.

    Offers with the same offer key are one listing, also when several transactions store it at the same time. An
    observation that is older than the listing does not change the listing, but is added to its price history.
    """
    if not offers:
        return []
    payload = orjson.dumps([_to_json_row(position, offer) for position, offer in enumerate(offers)]).decode()
    ids: dict[int, int] = {}
    for positions in _split_by_offer(await upsert_sql.offer_keys(tx, payload), offers):
        result = await upsert_sql.upsert(tx, payload, positions)
        ids.update(result.ids)
        if result.changed:
            tx.bump_version(Domain.MARKET)
    return [ids[position] for position in range(len(offers))]


async def end_listings(tx: Transaction, listing_ids: Sequence[int]) -> int:
    """End listings with offers that are gone; return how many had not ended before.

    Do not call `upsert_offers` in the same transaction: transactions lock listings in the order of their offer keys
    and so avoid deadlocks, but only if each locks them in a single pass.
    """
    if not listing_ids:
        return 0
    await upsert_sql.lock_listings(tx, listing_ids)
    return await mark_gone(tx, listing_ids)


def _split_by_offer(keys: Mapping[int, bytes], offers: Sequence[ObservedOffer]) -> list[list[int]]:
    """Split positions into rounds so that no round has two offers with one key; a key's offers are ordered by time.

    ON CONFLICT cannot update a row twice in one statement.
    """
    positions_by_key: dict[bytes, list[int]] = defaultdict(list)
    for position in sorted(keys, key=lambda position: offers[position].seen_at):
        positions_by_key[keys[position]].append(position)
    rounds = max(len(positions) for positions in positions_by_key.values())
    return [
        [positions[number] for positions in positions_by_key.values() if len(positions) > number]
        for number in range(rounds)
    ]


def _to_json_row(position: int, offer: ObservedOffer) -> Mapping[str, Any]:
    return {
        "position": position,
        "title": offer.title,
        "url": offer.url,
        "marketplace": offer.marketplace,
        "seller": offer.seller,
        "vendor_item_id": offer.vendor_item_id,
        "condition": offer.condition,
        "status": offer.status,
        "price": None if offer.price is None else str(offer.price),
        "currency": offer.currency,
        "shipping": None if offer.shipping is None else str(offer.shipping),
        "cpu_id": offer.cpu_id,
        "images": offer.images,
        "seen_at": offer.seen_at,
        **offer.attributes,
    }
