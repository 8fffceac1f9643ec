"""Statements about the statistics of the whole catalogue.

Database triggers keep the statistics up to date: the function `update_cpu_statistics` maintains the single row of
`cpu_statistics`, the function `update_listing_statistics` the number of active listings in `listing_statistics`. That
table has several rows, which are summed up, so that transactions that write listings do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from app.db.transaction import Transaction
from app.resources import Session

# Columns of `cpu` with a least and a greatest value in the statistics.
RANGE_COLUMNS = ("cores", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single")

# Does not read `cpu` and `listing`, which are large.
STATISTICS = text(
    f"""
    SELECT
        total, manufacturers, sockets, {", ".join(f"{name}_min, {name}_max" for name in RANGE_COLUMNS)},
        (SELECT coalesce(sum(active), 0)::bigint FROM listing_statistics) AS listings,
        greatest(figures_computed_at, (SELECT full_at FROM recalculation_watermark)) AS updated_at
    FROM cpu_statistics
    """
)

_COMPUTED_CPU_STATISTICS = f"""
    SELECT
        count(*)::integer AS total,
        coalesce(array_agg(DISTINCT manufacturer), '{{}}') AS manufacturers,
        coalesce(array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL), '{{}}') AS sockets,
        {", ".join(f"min({name}) AS {name}_min, max({name}) AS {name}_max" for name in RANGE_COLUMNS)},
        max(figures_computed_at) AS figures_computed_at
    FROM cpu
    """
STORED_COLUMNS = (
    "total", "manufacturers", "sockets", *(f"{name}_{bound}" for name in RANGE_COLUMNS for bound in ("min", "max")),
    "figures_computed_at",
)  # fmt: skip
# How many active listings are missing from `listing_statistics`; negative if it counts too many.
_MISSING_LISTINGS = """
    (SELECT count(*) FROM listing WHERE status = 'active')
        - (SELECT coalesce(sum(active), 0) FROM listing_statistics)
    """
# One statement, so that everything is read from one snapshot: other transactions may write listings meanwhile.
DIFFERENCES = text(
    f"""
    SELECT array_remove(ARRAY[
        {
        ", ".join(
            f"CASE WHEN stored.{name} IS DISTINCT FROM computed.{name} THEN '{name}' END" for name in STORED_COLUMNS
        )
    },
        CASE WHEN {_MISSING_LISTINGS} <> 0 THEN 'listings' END], NULL)
    FROM ({_COMPUTED_CPU_STATISTICS}) AS computed LEFT JOIN cpu_statistics AS stored ON true
    """
)
REFRESH_CPU_STATISTICS = text("SELECT refresh_cpu_statistics()")
# Inserts a row instead of updating one, because other transactions may have locked the existing rows. The sum counts.
REPAIR_LISTING_COUNT = text(f"INSERT INTO listing_statistics (active) SELECT {_MISSING_LISTINGS}")


async def load_statistics(session: Session) -> Any:
    """Return the statistics as one row; the lists of manufacturers and sockets are sorted."""
    row = await session.row(STATISTICS)
    assert row is not None
    return row


async def find_differences(session: Session) -> list[str]:
    """Return the columns that differ from the tables, and `listings` if the number of active listings does.

    The caller has the lock of CPU writers.
    """
    return list(await session.scalar(DIFFERENCES))


async def repair(tx: Transaction, columns: Sequence[str]) -> None:
    """Correct the columns that `find_differences` returned, without waiting for writers of listings."""
    if set(columns) - {"listings"}:
        await tx.execute(REFRESH_CPU_STATISTICS)
    if "listings" in columns:
        await tx.execute(REPAIR_LISTING_COUNT)
