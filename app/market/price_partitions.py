"""Monthly partitions (UTC) of `price_observation`, and the default partition for all other months.

A price that is stored before the partition of its month exists goes to the default partition `price_observation_rest`,
and moves when the partition is created. Partitions are created by migrations, every night for the current and the next
month, and before an import for the months of its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import structlog
from sqlalchemy import Executable, text
from sqlalchemy.exc import DBAPIError

from app.db.transaction import Transaction

log = structlog.get_logger()

# Attaching a partition waits for readers of the default partition, and new readers queue behind it. The timeout limits
# how long they wait.
SET_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '2s'")
CREATE_PARTITIONS = text("SELECT create_price_partitions(CAST(:months AS date[]))")
MISSING_PARTITIONS = text("""
    SELECT month FROM unnest(CAST(:months AS date[])) AS months (month)
    WHERE to_regclass('partitions.price_observation_' || to_char(month, 'YYYY_MM')) IS NULL
    """)
# The current month, the next one, and the months of rows in the default partition.
CREATE_DUE_PARTITIONS = text("""
    SELECT create_price_partitions(ARRAY(
        SELECT (now() AT TIME ZONE 'UTC' + delay)::date FROM unnest(CAST('{0,1 month}' AS interval[])) AS delay
        UNION SELECT date_trunc('month', seen_at AT TIME ZONE 'UTC')::date
        FROM partitions.price_observation_rest WHERE seen_at >= '2000-01-01Z'))
    """)


async def create_partitions(tx: Transaction, months: Sequence[date]) -> int:
    """Create the missing partitions of these months (first days); return how many.

    They are created in a separate short transaction: inside the import's transaction, readers of prices would wait for
    the end of the import. If they cannot be created now, prices go to the default partition.
    """
    missing = [row.month for row in await tx.rows(MISSING_PARTITIONS, {"months": months})]
    return await _in_separate_transaction(tx, CREATE_PARTITIONS, {"months": missing}) if missing else 0


async def create_due_partitions(tx: Transaction) -> int:
    """Create the partitions of the current and the next month, and of rows in the default partition; return how many.

    Runs every night, in a separate transaction like `create_partitions`.
    """
    return await _in_separate_transaction(tx, CREATE_DUE_PARTITIONS, {})


async def _in_separate_transaction(tx: Transaction, statement: Executable, values: dict[str, object]) -> int:
    try:
        async with tx.connection.engine.begin() as connection:
            await connection.execute(SET_LOCK_TIMEOUT)
            created = (await connection.execute(statement, values)).scalar_one()
    except DBAPIError as error:
        log.warning("price_partitions.not_created", error=str(error.orig))
        return 0
    return int(created)
