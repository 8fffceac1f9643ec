"""Whether the statistics that are kept ready are what the tables say."""

from __future__ import annotations

from app.analytics import statistics_sql
from app.db.tables import Domain
from app.db.transaction import Tx


async def verify(tx: Tx, *, fix: bool) -> list[str]:
    """The columns that differ; repaired with `fix`. The caller keeps writers of CPUs away."""
    columns = await statistics_sql.differences(tx)
    if columns and fix:
        await statistics_sql.mend(tx, columns)
        tx.touch(Domain.CATALOG, Domain.MARKET)
    return columns
