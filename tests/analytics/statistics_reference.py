"""Reference for the statistics: an aggregate over all CPUs and listings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from app.analytics.statistics_sql import RANGE_COLUMNS
from app.resources import Session

PLAIN = text(
    f"""
    SELECT
        count(*) AS total,
        coalesce(array_agg(DISTINCT manufacturer), '{{}}') AS manufacturers,
        coalesce(array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL), '{{}}') AS sockets,
        {", ".join(f"min({name}) AS {name}_min, max({name}) AS {name}_max" for name in RANGE_COLUMNS)},
        (SELECT count(*) FROM listing WHERE status = 'active') AS listings,
        greatest(max(figures_computed_at), (SELECT full_at FROM recalculation_watermark)) AS updated_at
    FROM cpu
    """
)


async def reference_statistics(session: Session) -> Any:
    """Return the row that `statistics_sql.load_statistics` must return."""
    row = await session.row(PLAIN)
    assert row is not None
    return row
