"""Builders that insert CPUs and listings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from app.db.tables import cpu, listing
from app.db.transaction import Transaction
from app.resources import Resources

LISTING_NUMBERS = count(1)


async def add_cpu(resources: Resources, name: str, prices: Sequence[float | str] = (), **columns: Any) -> int:
    """Insert a CPU with active listings at these adjusted prices. Return its id."""
    async with resources.write() as tx:
        values = {"name": name, "slug": name.lower().replace(" ", "-"), "manufacturer": name.split()[0], **columns}
        cpu_id = int(await tx.scalar(cpu.insert().values(values).returning(cpu.c.id)))
        if prices:
            await tx.execute(listing.insert(), [_listing_values(cpu_id, price) for price in prices])
    return cpu_id


async def add_listing(tx: Transaction, cpu_id: int | None, price: float | str | None, **columns: Any) -> int:
    """Insert a listing, active and used by default."""
    values = {**_listing_values(cpu_id, price), **columns}
    return int(await tx.scalar(listing.insert().values(values).returning(listing.c.id)))


def _listing_values(cpu_id: int | None, price: float | str | None) -> dict[str, Any]:
    number = next(LISTING_NUMBERS)
    amount = None if price is None else Decimal(str(price))
    return {
        "cpu_id": cpu_id,
        "title": f"Listing {number}",
        "marketplace": "test",
        "condition": "used",
        "status": "active",
        "price": amount,
        "adjusted_price": amount,
        "offer_key": number.to_bytes(8),
        "seen_at": datetime.now(UTC),
    }
