"""Statements about the catalogue as a whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

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


async def statistics(session: Session) -> Any:
    """The one row; both lists are sorted, because DISTINCT sorts."""
    row = await session.row(STATISTICS)
    assert row is not None
    return row
