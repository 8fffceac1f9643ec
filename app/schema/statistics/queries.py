"""The query for statistics."""

from __future__ import annotations

import strawberry

from app.analytics import statistics_sql
from app.db.tables import Domain
from app.graphql.context import Context
from app.graphql.directives import CostWeight, reads
from app.schema.statistics.types import Statistics

Info = strawberry.Info[Context, None]


@strawberry.type
class StatisticsQuery:
    @strawberry.field(
        description="The catalogue as a whole.",
        metadata=reads(Domain.CATALOG, Domain.MARKET, Domain.ANALYTICS, max_age=30),
        directives=[CostWeight(weight=20)],
    )
    async def statistics(self, info: Info) -> Statistics:
        """One statement."""
        async with info.context.read() as session:
            return Statistics.of(await statistics_sql.statistics(session))
