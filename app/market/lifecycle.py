"""Listing lifecycle: mark listings as missing or gone, and expire those that stay missing.

A listing that is found again is written like any other observation (`seen_at`, status, `missing_since` null). The
trigger function `record_price_observations` records every transition of the state in `price_observation`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable, text

from app.db.tables import Domain
from app.db.transaction import Transaction

MARK_MISSING = text("""
    UPDATE listing SET missing_since = now(), updated_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status = 'active' AND missing_since IS NULL
    """)
MARK_FOUND = text("""
    UPDATE listing SET missing_since = NULL, seen_at = greatest(seen_at, now()), updated_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[])) AND missing_since IS NOT NULL
    """)
MARK_GONE = text("""
    UPDATE listing SET status = 'ended', missing_since = NULL, updated_at = now()
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status IN ('active', 'pending')
    """)
# Uses `listing_missing_idx`.
EXPIRE_MISSING = text("""
    UPDATE listing SET status = 'ended', missing_since = NULL, updated_at = now()
    WHERE missing_since <= now() - CAST(:days AS integer) * interval '24 hours' AND status IN ('active', 'pending')
    """)


async def mark_missing(tx: Transaction, listing_ids: Sequence[int]) -> int:
    """Mark listings that a check did not find; return how many were active and not missing before.

    The offers may still exist, so their prices continue to count. A listing that is missing already keeps its
    `missing_since`.
    """
    return await _update_listings(tx, MARK_MISSING, {"ids": listing_ids})


async def mark_found(tx: Transaction, listing_ids: Sequence[int]) -> int:
    """Mark listings that were found again without changes; return how many were missing."""
    return await _update_listings(tx, MARK_FOUND, {"ids": listing_ids})


async def mark_gone(tx: Transaction, listing_ids: Sequence[int]) -> int:
    """Mark listings as ended because their source says so; return how many had not ended before."""
    return await _update_listings(tx, MARK_GONE, {"ids": listing_ids})


async def expire_missing(tx: Transaction, after_days: int) -> int:
    """End the listings that have been missing for this number of times 24 hours; return how many."""
    return await _update_listings(tx, EXPIRE_MISSING, {"days": after_days})


async def _update_listings(tx: Transaction, statement: Executable, values: dict[str, object]) -> int:
    updated = (await tx.execute(statement, values)).rowcount
    if updated:
        tx.bump_version(Domain.MARKET)
    return updated
