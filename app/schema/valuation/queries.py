"""Queries for valuation rules."""

from __future__ import annotations

import strawberry

from app.db.pagination import DEFAULT_PAGE, page_request
from app.db.tables import Domain
from app.graphql.context import Context
from app.graphql.directives import page_size, reads
from app.graphql.relay import After, Before, Connection, First, Last
from app.schema.valuation.loaders import RuleRow
from app.schema.valuation.rule_types import ValuationRule
from app.valuation import rules_sql

Info = strawberry.Info[Context, None]


@strawberry.type
class MarketQuery:
    @strawberry.field(
        description="The rules by which offers are valued, the oldest first.",
        metadata=reads(Domain.MARKET, max_age=0),
        directives=[page_size(DEFAULT_PAGE)],
    )
    async def valuation_rules(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ValuationRule]:
        """A page; without `first` and `last` the first 50."""
        request = page_request(first, after, last, before)
        context = info.context
        async with context.read() as session:
            rows = await session.rows(*rules_sql.page(request, context.wanted("ValuationRule")), RuleRow)

        async def count() -> int:
            async with context.read() as session:
                return int(await session.scalar(rules_sql.COUNT))

        return Connection(page=rules_sql.OLDEST_FIRST.page(rows, request), count=count)
