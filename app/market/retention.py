"""What is due for the market every night; each step in a transaction of its own, and again at any time."""

from __future__ import annotations

from app.market.lifecycle import end_missing
from app.market.price_partitions import make_due_months
from app.resources import Resources


async def end_missing_listings(resources: Resources) -> int:
    """Ends listings that were missing for DEALMARK_MISSING_DAYS; how many."""
    async with resources.write() as tx:
        return await end_missing(tx, resources.settings.missing_days)


async def make_price_months(resources: Resources) -> int:
    """Makes the partitions of prices to come; how many."""
    async with resources.write() as tx:
        return await make_due_months(tx)
