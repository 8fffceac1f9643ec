"""SQL of the data retention of imports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from app.db.transaction import Transaction

# Uses the index on import_payload.stored_at.
DELETE_OLD_PAYLOADS = text(
    """
    DELETE FROM import_payload
    WHERE fetch_id IN (SELECT fetch_id FROM import_payload WHERE stored_at < :before LIMIT :limit)
    """
)
DELETE_OLD_SESSIONS = text(
    """
    DELETE FROM import_session
    WHERE id = ANY (ARRAY(SELECT id FROM import_session WHERE finished_at < :before ORDER BY id LIMIT :limit))
    """
)
# batch: the next finished fetches by id (primary key).
# deleted: those of the batch without rows, if they are not needed to find listings. A fetch is needed while it is the
# last one of its URL that found listings and one of these is still for sale: if the page later disappears, the worker
# looks up which listings have ended (result_sql.LAST_KNOWN_LISTINGS).
DELETE_OLD_FETCHES = text(
    """
    WITH batch AS (
        SELECT * FROM import_fetch
        WHERE id > :after AND finished_at < :before ORDER BY id LIMIT :limit
    ), deleted AS (
        DELETE FROM import_fetch WHERE id = ANY (ARRAY(
            SELECT id FROM batch
            WHERE NOT EXISTS (SELECT FROM import_row WHERE fetch_id = batch.id)
                AND (EXISTS (
                        SELECT FROM import_fetch AS later
                        WHERE later.url = batch.url AND later.id > batch.id AND later.listing_ids <> '{}')
                    OR NOT EXISTS (
                        SELECT FROM listing WHERE id = ANY(batch.listing_ids) AND status IN ('active', 'pending')))
        ))
    )
    SELECT max(id) FROM batch
    """
)


async def delete_old_payloads(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete up to `limit` pages that were stored before a time. Returns their number."""
    return (await tx.execute(DELETE_OLD_PAYLOADS, {"before": before, "limit": limit})).rowcount


async def delete_old_sessions(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete up to `limit` sessions that ended before a time, with their rows. Returns the number of sessions."""
    return (await tx.execute(DELETE_OLD_SESSIONS, {"before": before, "limit": limit})).rowcount


async def delete_old_fetches(tx: Transaction, before: datetime, after_id: int, limit: int) -> int | None:
    """Examine the next `limit` fetches after an id that ended before a time, and delete those that are not needed.

    Returns the last id that was examined, None if there was none.
    """
    last_id: int | None = await tx.scalar(DELETE_OLD_FETCHES, {"before": before, "after": after_id, "limit": limit})
    return last_id
