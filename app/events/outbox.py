"""Sequencing of the outbox: committed events receive their positions in the feed."""

from __future__ import annotations

from app.db.tables import Domain
from app.events import sql
from app.resources import Resources

BATCH_SIZE = 10_000


async def sequence_outbox(resources: Resources, batch_size: int = BATCH_SIZE) -> bool | None:
    """Move up to `batch_size` events from the outbox to the feed, and notify its subscribers.

    Return True if there may be more events, and None if another worker holds the lock: call again later.
    """
    async with resources.write() as tx:
        count = await sql.sequence(tx, batch_size)
        if count:
            tx.bump_version(Domain.EVENTS)
    return None if count is None else count == batch_size
