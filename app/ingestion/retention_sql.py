"""SQL of the data retention of imports."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.db.transaction import Transaction

# Uses the index on import_payload.stored_at.
DELETE_OLD_PAYLOADS = text(
    """
    DELETE FROM import_payload
    WHERE fetch_id IN (
        SELECT fetch_id FROM import_payload WHERE stored_at < now() - CAST(:retention AS interval) LIMIT :limit)
    """
)
DELETE_OLD_SESSIONS = text(
    """
    DELETE FROM import_session
    WHERE id = ANY (ARRAY(
        SELECT id FROM import_session WHERE finished_at < now() - CAST(:retention AS interval)
        ORDER BY id LIMIT :limit
    ))
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
        WHERE id > :after AND finished_at < now() - CAST(:retention AS interval) ORDER BY id LIMIT :limit
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


async def delete_old_payloads(tx: Transaction, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` pages that were stored before the retention period. Returns their number."""
    return (await tx.execute(DELETE_OLD_PAYLOADS, {"retention": retention, "limit": limit})).rowcount


async def delete_old_sessions(tx: Transaction, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` sessions that ended before the retention period, with their rows. Returns their number."""
    return (await tx.execute(DELETE_OLD_SESSIONS, {"retention": retention, "limit": limit})).rowcount


async def delete_old_fetches(tx: Transaction, retention: timedelta, after_id: int, limit: int) -> int | None:
    """Examine the next `limit` fetches after an id that ended before the retention period; delete those not needed.

    Returns the last id that was examined, None if there was none.
    """
    values = {"retention": retention, "after": after_id, "limit": limit}
    last_id: int | None = await tx.scalar(DELETE_OLD_FETCHES, values)
    return last_id
