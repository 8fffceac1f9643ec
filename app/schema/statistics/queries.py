"""Query field of the catalogue statistics."""

from __future__ import annotations

import strawberry

from app.analytics import statistics_sql
from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import CostWeight, cache_hints
from app.schema.statistics.types import Statistics


@strawberry.type
class StatisticsQuery:
    @strawberry.field(
        description="Statistics of the whole catalogue.",
        metadata=cache_hints(Domain.CATALOG, Domain.MARKET, Domain.ANALYTICS, max_age=30),
        directives=[CostWeight(weight=20)],
    )
    async def statistics(self, info: Info) -> Statistics:
        """Return the stored statistics with one statement."""
        async with info.context.read() as session:
            return Statistics.of(await statistics_sql.load_statistics(session))
