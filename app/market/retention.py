"""Nightly maintenance of the market. Each step is a transaction of its own and may be repeated at any time."""

from __future__ import annotations

from app.market.lifecycle import expire_missing
from app.market.price_partitions import create_due_partitions
from app.resources import Resources


async def expire_missing_listings(resources: Resources) -> int:
    """End listings that have been missing for DEALMARK_LISTING_EXPIRY_DAYS; return how many."""
    async with resources.write() as tx:
        return await expire_missing(tx, resources.settings.listing_expiry_days)


async def create_price_partitions(resources: Resources) -> int:
    """Create the due partitions of `price_observation`; return how many."""
    async with resources.write() as tx:
        return await create_due_partitions(tx)
