"""Statements about the catalogue as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from app.db.transaction import Tx
from app.resources import Session

RANGED = ("cores", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single")

# Reads what is kept ready, neither `cpu` nor `listing`; the sum is over a handful of rows.
STATISTICS = text(
    f"""
    SELECT
        total, manufacturers, sockets, {", ".join(f"{name}_min, {name}_max" for name in RANGED)},
        (SELECT coalesce(sum(active), 0)::bigint FROM listing_statistics) AS listings,
        greatest(figures_computed_at, (SELECT full_at FROM recalculation_watermark)) AS updated_at
    FROM cpu_statistics
    """
)


# In one statement, because only so all of it is seen as of one moment: writers of listings go on meanwhile.
_PLAIN = f"""
    SELECT
        count(*)::integer AS total,
        coalesce(array_agg(DISTINCT manufacturer), '{{}}') AS manufacturers,
        coalesce(array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL), '{{}}') AS sockets,
        {", ".join(f"min({name}) AS {name}_min, max({name}) AS {name}_max" for name in RANGED)},
        max(figures_computed_at) AS figures_computed_at
    FROM cpu
    """
KEPT = (
    "total", "manufacturers", "sockets", *(f"{name}_{bound}" for name in RANGED for bound in ("min", "max")),
    "figures_computed_at",
)  # fmt: skip
_TOO_FEW = """
    (SELECT count(*) FROM listing WHERE status = 'active')
        - (SELECT coalesce(sum(active), 0) FROM listing_statistics)
    """
DIFFERENCES = text(
    f"""
    SELECT array_remove(ARRAY[
        {", ".join(f"CASE WHEN kept.{name} IS DISTINCT FROM plain.{name} THEN '{name}' END" for name in KEPT)},
        CASE WHEN {_TOO_FEW} <> 0 THEN 'listings' END], NULL)
    FROM ({_PLAIN}) AS plain LEFT JOIN cpu_statistics AS kept ON true
    """
)
REFRESH = text("SELECT refresh_cpu_statistics()")
# A row more, because the others may be in use; the sum counts.
MEND = text(f"INSERT INTO listing_statistics (active) SELECT {_TOO_FEW}")


async def differences(session: Session) -> list[str]:
    """What is kept and is not what the tables say: names of columns, and `listings`. While nobody writes CPUs."""
    return list(await session.scalar(DIFFERENCES))


async def mend(tx: Tx, columns: Sequence[str]) -> None:
    """Makes right what `differences` found. Nobody who writes listings waits for it, nor it for them."""
    if set(columns) - {"listings"}:
        await tx.execute(REFRESH)
    if "listings" in columns:
        await tx.execute(MEND)


async def statistics(session: Session) -> Any:
    """The one row; both lists are sorted, because DISTINCT sorts."""
    row = await session.row(STATISTICS)
    assert row is not None
    return row
