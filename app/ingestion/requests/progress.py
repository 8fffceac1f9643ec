"""A session as the command line shows it, now or at its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from sqlalchemy import text

from app.core.global_ids import global_id
from app.db.tables import ENDED_IMPORTS
from app.ingestion import session_sql
from app.ingestion.worker.queue_sql import topic
from app.resources import Resources

LOOK_SECONDS = 2.0
SHOWN = ("status", "total", "complete", "partial", "failed")
FAILURES = text(
    """
    SELECT r.position, r.url, coalesce(r.error, f.error) AS error
    FROM import_row AS r LEFT JOIN import_fetch AS f ON f.id = r.fetch_id
    WHERE r.session_id = :id AND coalesce(f.status, 'failed') = 'failed' ORDER BY r.position
    """
)


async def session_of(resources: Resources, key: int) -> dict[str, Any]:
    """Global id, status and counts."""
    async with resources.read() as session:
        (row,) = await session.rows(session_sql.sessions_by_id(), {"ids": [key]})
    return {"session": global_id("ImportSession", key), **{name: row[name] for name in SHOWN}}


async def ended(resources: Resources, key: int) -> dict[str, Any]:
    """The same, once all rows have ended: however long that takes."""
    async with resources.changes.follow(topic(key)) as changed:
        while True:
            changed.clear()
            found = await session_of(resources, key)
            if found["status"] in ENDED_IMPORTS:
                return found
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), LOOK_SECONDS)


async def failures(resources: Resources, key: int) -> list[tuple[int, str, str]]:
    """Position, URL and error of the rows that failed."""
    async with resources.read() as session:
        return [(row.position, row.url, row.error) for row in await session.rows(FAILURES, {"id": key})]
