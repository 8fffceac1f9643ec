"""Data retention of events and webhooks."""

from __future__ import annotations

from datetime import timedelta

from app.db.tables import Domain
from app.events import sql
from app.events.webhooks import configured_webhooks
from app.resources import Resources

BATCH_SIZE = 5_000


async def delete_old_changes(resources: Resources) -> int:
    """Delete price changes older than the retention period that all webhooks have received. Return how many."""
    retention = timedelta(days=resources.settings.events_retention_days)
    return await resources.write_in_batches(lambda tx: sql.delete_old(tx, retention, BATCH_SIZE), Domain.EVENTS)


async def delete_removed_webhooks(resources: Resources) -> int:
    """Delete webhooks that no worker has had in its settings for the retention period. Return how many."""
    names = [webhook.name for webhook in configured_webhooks(resources.settings)]
    async with resources.write() as tx:
        return await sql.delete_webhooks(tx, names, timedelta(days=resources.settings.events_retention_days))
