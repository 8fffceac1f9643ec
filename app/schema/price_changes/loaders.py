"""Events by key."""

from __future__ import annotations

from app.events import sql
from app.events.sql import PriceChangeRow
from app.graphql.context import Loader
from app.resources import Reader


class PriceChangeById(Loader[int, PriceChangeRow | None]):
    """The change of a price at this position, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[PriceChangeRow | None]:
        """One statement for all keys."""
        rows = await session.rows(
            sql.by_id(self.context.requested_columns("PriceChange")), {"ids": keys}, PriceChangeRow
        )
        found = {row["position"]: row for row in rows}
        return [found.get(key) for key in keys]
