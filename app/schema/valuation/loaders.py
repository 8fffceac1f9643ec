"""Loader of valuation rules."""

from __future__ import annotations

from app.db.statements import Row
from app.graphql.context import Loader
from app.resources import Reader
from app.valuation import rules_sql


class RuleRow(Row):
    """Row with the rule columns that the operation requests."""

    __slots__ = ()


class RuleById(Loader[int, RuleRow | None]):
    """Loads valuation rules by id; None if there is no such rule."""

    async def values(self, session: Reader, keys: list[int]) -> list[RuleRow | None]:
        """Run one statement for all keys."""
        rows = await session.rows(
            rules_sql.select_by_id(self.context.requested_columns("ValuationRule")), {"ids": keys}, RuleRow
        )
        row_by_id = {row["id"]: row for row in rows}
        return [row_by_id.get(key) for key in keys]
