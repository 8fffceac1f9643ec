"""Statements about the catalogue as a whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text

from app.resources import Session

RANGED = ("cores", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single")

STATISTICS = text(
    f"""
    SELECT
        count(*) AS total,
        coalesce(array_agg(DISTINCT manufacturer), '{{}}') AS manufacturers,
        coalesce(array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL), '{{}}') AS sockets,
        {", ".join(f"min({name}) AS {name}_min, max({name}) AS {name}_max" for name in RANGED)},
        (SELECT count(*) FROM listing WHERE status = 'active') AS listings,
        greatest(max(figures_computed_at), (SELECT full_at FROM recalculation_watermark)) AS updated_at
    FROM cpu
    """
)


async def statistics(session: Session) -> Row[Any]:
    """The one row; both lists are sorted, because DISTINCT sorts."""
    row = await session.row(STATISTICS)
    assert row is not None
    return row
