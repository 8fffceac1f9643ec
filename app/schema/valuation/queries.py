"""Query field of valuation rules."""

from __future__ import annotations

import strawberry

from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.relay import After, Before, Connection, First, Last
from app.schema.valuation.loaders import RuleRow
from app.schema.valuation.rule_types import ValuationRule
from app.valuation import rules_sql


@strawberry.type
class ValuationQuery:
    @strawberry.field(
        description="Rules for the valuation of components, in the order of their creation.",
        metadata=cache_hints(Domain.MARKET, max_age=0),
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def valuation_rules(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ValuationRule]:
        """Return a page; without `first` and `last`, the first 50 rules."""
        request = parse_page_arguments(first, after, last, before)
        context = info.context
        async with context.read() as session:
            rows = await session.rows(
                *rules_sql.select_page(request, context.requested_columns("ValuationRule")), RuleRow
            )

        async def count() -> int:
            async with context.read() as session:
                return int(await session.scalar(rules_sql.COUNT_RULES))

        return Connection(page=rules_sql.OLDEST_FIRST.build_page(rows, request), count=count)
