"""What befalls offers that are looked for and not found: missing, gone, and the end of those missing for long.

Who finds an offer again writes its row (`seen_at`, status, `missing_since` null), as imports do. The triggers of
`listing` remember every transition, these ones too; who calls these functions touches nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable, text

from app.db.tables import Domain
from app.db.transaction import Tx

MISSING = text("""
    UPDATE listing SET missing_since = now(), updated_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status = 'active' AND missing_since IS NULL
    """)
FOUND = text("""
    UPDATE listing SET missing_since = NULL, seen_at = greatest(seen_at, now()), updated_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[])) AND missing_since IS NOT NULL
    """)
GONE = text("""
    UPDATE listing SET status = 'ended', missing_since = NULL, updated_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status IN ('active', 'pending')
    """)
END_MISSING = text("""
    UPDATE listing SET status = 'ended', missing_since = NULL, updated_at = now()
    WHERE missing_since <= now() - CAST(:days AS integer) * interval '24 hours' AND status IN ('active', 'pending')
    """)


async def mark_missing(tx: Tx, listing_ids: Sequence[int]) -> int:
    """These were not found at a look, but may be there still: their prices go on counting. How many were active and not
    missing before; a look that misses them again does not begin anew."""
    return await _write(tx, MISSING, {"ids": listing_ids})


async def mark_found(tx: Tx, listing_ids: Sequence[int]) -> int:
    """These were found again as they were. How many were missing."""
    return await _write(tx, FOUND, {"ids": listing_ids})


async def mark_gone(tx: Tx, listing_ids: Sequence[int]) -> int:
    """These have ended, as the place says where they were offered. How many had not before."""
    return await _write(tx, GONE, {"ids": listing_ids})


async def end_missing(tx: Tx, after_days: int) -> int:
    """Every night: ends what has been missing for so many times 24 hours; how many. See DEALMARK_MISSING_DAYS."""
    return await _write(tx, END_MISSING, {"days": after_days})


async def _write(tx: Tx, statement: Executable, values: dict[str, object]) -> int:
    written = (await tx.execute(statement, values)).rowcount
    if written:
        tx.touch(Domain.MARKET)
    return written
