"""Loader of price changes."""

from __future__ import annotations

from app.events import sql
from app.events.sql import PriceChangeRow
from app.graphql.context import Loader
from app.resources import Reader


class PriceChangeById(Loader[int, PriceChangeRow | None]):
    """Loads price changes by position; None if there is no such change."""

    async def values(self, session: Reader, keys: list[int]) -> list[PriceChangeRow | None]:
        """Run one statement for all keys."""
        rows = await session.rows(
            sql.by_id(self.context.requested_columns("PriceChange")), {"ids": keys}, PriceChangeRow
        )
        row_by_position = {row["position"]: row for row in rows}
        return [row_by_position.get(key) for key in keys]
