"""Statements that forget imports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from app.db.transaction import Tx

DELETE_OLD_PAYLOADS = text(
    """
    DELETE FROM import_payload
    WHERE fetch_id IN (SELECT fetch_id FROM import_payload WHERE stored_at < :before LIMIT :most)
    """
)
DELETE_OLD_SESSIONS = text(
    """
    DELETE FROM import_session
    WHERE id = ANY (ARRAY(SELECT id FROM import_session WHERE finished_at < :before ORDER BY id LIMIT :most))
    """
)
# Those that no session has any more. One stays as long as it is the last that tells where a listing was found that can
# still be bought: when the page is gone, that one has ended.
DELETE_OLD_FETCHES = text(
    """
    WITH batch AS (
        SELECT * FROM import_fetch
        WHERE id > :after AND finished_at < :before ORDER BY id LIMIT :most
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


async def delete_old_payloads(tx: Tx, before: datetime, most: int) -> int:
    """Forgets pages that were stored before this time, at most so many; returns how many."""
    return (await tx.execute(DELETE_OLD_PAYLOADS, {"before": before, "most": most})).rowcount


async def delete_old_sessions(tx: Tx, before: datetime, most: int) -> int:
    """Forgets sessions that ended before this time, with their rows, at most so many; returns how many."""
    return (await tx.execute(DELETE_OLD_SESSIONS, {"before": before, "most": most})).rowcount


async def delete_old_fetches(tx: Tx, before: datetime, after: int, most: int) -> int | None:
    """Looks at the next fetches after this id that ended before this time, so many, and forgets those that are of no
    use any more. Returns the last id that it looked at; None when there was none."""
    upto: int | None = await tx.scalar(DELETE_OLD_FETCHES, {"before": before, "after": after, "most": most})
    return upto
