"""Query field for the result of the last verification."""

from __future__ import annotations

import strawberry

from app.analytics import verification_sql
from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import cache_hints
from app.graphql.permissions import IsOperator
from app.schema.analytics.types import Consistency


@strawberry.type
class AnalyticsQuery:
    @strawberry.field(
        description="Result of the last verification of all figures; null before the first verification. "
        "Operators only.",
        metadata=cache_hints(Domain.WORK, max_age=0),
        permission_classes=[IsOperator],
    )
    async def consistency(self, info: Info) -> Consistency | None:
        """Return the stored result with one statement."""
        async with info.context.read() as session:
            row = await verification_sql.load_last_verification(session)
        return None if row is None else Consistency.of(row)
