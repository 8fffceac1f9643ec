"""The partitions of `price_observation`: one per month (UTC), and the rest for months that have none yet.

A price is never lost: what comes before its month is there goes into the rest, and moves when the month is made. Months
are made by the migration and every night, this one and the next, and before an import for the dates of its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import structlog
from sqlalchemy import Executable, text
from sqlalchemy.exc import DBAPIError

from app.db.transaction import Tx

log = structlog.get_logger()

# To attach a partition waits for the readers of the rest. Longer than this is not worth it, for they wait then, too.
PATIENCE = text("SET LOCAL lock_timeout = '2s'")
MAKE = text("SELECT make_price_months(CAST(:months AS date[]))")
MISSING = text("""
    SELECT month FROM unnest(CAST(:months AS date[])) AS months (month)
    WHERE to_regclass('partitions.price_observation_' || to_char(month, 'YYYY_MM')) IS NULL
    """)
# This month and the next, and those of what is in the rest.
DUE = text("""
    SELECT make_price_months(ARRAY(
        SELECT (now() AT TIME ZONE 'UTC' + each)::date FROM unnest(CAST('{0,1 month}' AS interval[])) AS each
        UNION SELECT date_trunc('month', seen_at AT TIME ZONE 'UTC')::date
        FROM partitions.price_observation_rest WHERE seen_at >= '2000-01-01Z'))
    """)


async def make_months(tx: Tx, months: Sequence[date]) -> int:
    """Makes the partitions of these months that are missing, in a transaction aside that is over at once: in the
    import's own, readers of prices would wait for its end. Where that cannot be now, the rest will do. How many."""
    missing = [row.month for row in await tx.rows(MISSING, {"months": months})]
    return await _aside(tx, MAKE, {"months": missing}) if missing else 0


async def make_due_months(tx: Tx) -> int:
    """Every night, in a transaction aside: the months to come, and those whose prices are in the rest. How many."""
    return await _aside(tx, DUE, {})


async def _aside(tx: Tx, statement: Executable, values: dict[str, object]) -> int:
    try:
        async with tx.connection.engine.begin() as aside:
            await aside.execute(PATIENCE)
            made = (await aside.execute(statement, values)).scalar_one()
    except DBAPIError as error:
        log.warning("prices.months_not_made", error=str(error.orig))
        return 0
    return int(made)
