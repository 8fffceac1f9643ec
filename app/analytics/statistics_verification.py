"""Verification of the stored catalogue statistics."""

from __future__ import annotations

from app.analytics import statistics_sql
from app.db.tables import Domain
from app.db.transaction import Transaction


async def verify(tx: Transaction, *, fix: bool) -> list[str]:
    """Return the statistics that differ from the tables; with `fix`, repair them.

    The caller has the lock of CPU writers.
    """
    columns = await statistics_sql.find_differences(tx)
    if columns and fix:
        await statistics_sql.repair(tx, columns)
        tx.bump_version(Domain.CATALOG, Domain.MARKET)
    return columns
