"""Listings with price changes, and the resulting events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from app.db.transaction import Transaction
from app.events.outbox import sequence_outbox
from app.resources import Resources
from tests.support.catalog_rows import add_listing

SET_PRICE = text("UPDATE listing SET price = CAST(:price AS numeric) WHERE id = :id")
EVENT_COLUMNS = "listing_id, cpu_id, price_before, price_after, shipping, currency"


async def add_listings(resources: Resources, *prices: float | str | None, **columns: Any) -> list[int]:
    """Add listings at these prices, of CPU 1 by default. Return their ids."""
    async with resources.write() as tx:
        return [await add_listing(tx, columns.get("cpu_id", 1), price, **_rest(columns)) for price in prices]


def _rest(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if name != "cpu_id"}


async def set_price(tx: Transaction, listing_id: int, price: float | str | None) -> None:
    """Set the price of a listing."""
    await tx.execute(SET_PRICE, {"id": listing_id, "price": price if price is None else str(price)})


async def change_price(resources: Resources, listing_id: int, *prices: float | str | None) -> None:
    """Set the price of a listing several times, each time in its own transaction."""
    for price in prices:
        async with resources.write() as tx:
            await set_price(tx, listing_id, price)


async def sequence_all_events(resources: Resources) -> None:
    """Sequence the outbox until it is empty."""
    while await sequence_outbox(resources) is not False:
        pass


async def outbox_rows(resources: Resources) -> list[tuple[Any, ...]]:
    """Return the events in the outbox, ordered by id."""
    return await _rows(resources, f"SELECT {EVENT_COLUMNS} FROM outbox ORDER BY id")


async def event_rows(resources: Resources) -> list[tuple[Any, ...]]:
    """Return the sequenced events, ordered by position."""
    return await _rows(resources, f"SELECT {EVENT_COLUMNS} FROM price_change ORDER BY position")


async def _rows(resources: Resources, query: str) -> list[tuple[Any, ...]]:
    async with resources.read() as session:
        rows: Sequence[Any] = await session.rows(text(query))
        return [tuple(row) for row in rows]
