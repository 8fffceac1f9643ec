"""Loaders of valuation rules."""

from __future__ import annotations

from app.db.statements import Row
from app.graphql.context import Loader
from app.resources import Reader
from app.valuation import rules_sql


class RuleRow(Row):
    """A row of rule columns: those that the operation needs."""

    __slots__ = ()


class RuleById(Loader[int, RuleRow | None]):
    """The valuation rule with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[RuleRow | None]:
        """One statement for all keys."""
        rows = await session.rows(
            rules_sql.select_by_id(self.context.requested_columns("ValuationRule")), {"ids": keys}, RuleRow
        )
        found = {row["id"]: row for row in rows}
        return [found.get(key) for key in keys]
