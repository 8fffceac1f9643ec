"""Progress of an import session for the command line."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from app.core.global_ids import encode_global_id
from app.core.waiting import wait_for_event
from app.db.tables import FINAL_IMPORT_STATUSES
from app.ingestion import session_sql
from app.ingestion.worker.queue_sql import session_topic
from app.resources import Resources

POLL_INTERVAL_SECONDS = 2.0
PROGRESS_COLUMNS = ("status", "total", "complete", "partial", "failed")
FAILED_ROWS = text(
    """
    SELECT r.position, r.url, coalesce(r.error, f.error) AS error
    FROM import_row AS r LEFT JOIN import_fetch AS f ON f.id = r.fetch_id
    WHERE r.session_id = :id AND coalesce(f.status, 'failed') = 'failed' ORDER BY r.position
    """
)


async def session_progress(resources: Resources, session_id: int) -> dict[str, Any]:
    """Return the global id, the status and the counts of a session."""
    async with resources.read() as session:
        (row,) = await session.rows(session_sql.sessions_by_id(), {"ids": [session_id]})
    return {"session": encode_global_id("ImportSession", session_id), **{name: row[name] for name in PROGRESS_COLUMNS}}


async def wait_until_finished(resources: Resources, session_id: int) -> dict[str, Any]:
    """Wait, without a time limit, until all rows have finished. Returns the same as `session_progress`."""
    async with resources.notifications.subscribe(session_topic(session_id)) as notified:
        while True:
            notified.clear()
            progress = await session_progress(resources, session_id)
            if progress["status"] in FINAL_IMPORT_STATUSES:
                return progress
            await wait_for_event(notified, POLL_INTERVAL_SECONDS)


async def failed_rows(resources: Resources, session_id: int) -> list[tuple[int, str, str]]:
    """Return the position, the URL and the error of each failed row."""
    async with resources.read() as session:
        return [(row.position, row.url, row.error) for row in await session.rows(FAILED_ROWS, {"id": session_id})]
