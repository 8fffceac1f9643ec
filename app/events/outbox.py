"""Committed events get their positions."""

from __future__ import annotations

from app.db.tables import Domain
from app.events import sql
from app.resources import Resources

BATCH = 10_000


async def number_events(resources: Resources, batch: int = BATCH) -> bool | None:
    """Gives positions to what is committed, in one transaction, and tells those who follow.

    True when there may be more, None when somebody else is at it: ask again.
    """
    async with resources.write() as tx:
        numbered = await sql.number(tx, batch)
        if numbered:
            tx.touch(Domain.EVENTS)
    return None if numbered is None else numbered == batch
