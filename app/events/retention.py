"""What is forgotten of events."""

from __future__ import annotations

from datetime import timedelta

from app.db.tables import Domain
from app.events import sql
from app.events.webhooks import webhooks
from app.resources import Resources

BATCH = 5_000


async def delete_old_changes(resources: Resources) -> int:
    """Deletes changes that are older than `keep_events_days`, but none that a receiver is still to get; how many."""
    keep = timedelta(days=resources.settings.keep_events_days)
    return await resources.write_in_batches(lambda tx: sql.delete_old(tx, keep, BATCH), Domain.EVENTS)


async def forget_old_webhooks(resources: Resources) -> int:
    """Forgets receivers that are no more in the settings of any worker, for as long as changes are kept; how many."""
    names = [each.name for each in webhooks(resources.settings)]
    async with resources.write() as tx:
        return await sql.forget_webhooks(tx, names, timedelta(days=resources.settings.keep_events_days))
