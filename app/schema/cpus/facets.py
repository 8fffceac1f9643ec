"""GraphQL types of CPU facets: how many CPUs have each value."""

from __future__ import annotations

from collections.abc import Mapping

import strawberry

from app.catalog.facet_sql import FacetCounts
from app.db.tables import ValueRating
from app.graphql.directives import ListSize
from app.graphql.fields import requires
from app.schema.analytics.types import PriceConfidence

# Of one facet: more sockets than there are in the catalogue.
MAX_FACET_VALUES = 400


@strawberry.type(description="A value, and how many CPUs have it.")
class FacetCount:
    value: str = strawberry.field(description="The value, as filters take it.")
    count: int = strawberry.field(description="CPUs; never zero.")


@strawberry.type(description="A rating, and how many CPUs have it.")
class RatingCount:
    rating: ValueRating = strawberry.field(description="The rating.")
    count: int = strawberry.field(description="CPUs; never zero.")


@strawberry.type(description="A confidence, and how many CPUs have it.")
class ConfidenceCount:
    confidence: PriceConfidence = strawberry.field(description="The confidence.")
    count: int = strawberry.field(description="CPUs; never zero.")


@strawberry.type(
    name="CPUFacets", description="How many CPUs have which value. Those of which it is not known count nowhere."
)
class CPUFacets:
    counts: strawberry.Private[FacetCounts]

    @strawberry.field(
        description="By maker, sorted.",
        metadata=requires(None, "manufacturers"),
        directives=[ListSize(assumed_size=MAX_FACET_VALUES)],
    )
    def manufacturers(self) -> list[FacetCount]:
        """Counted when asked for."""
        return _facet_counts(self.counts["manufacturers"])

    @strawberry.field(
        description="By socket, sorted.",
        metadata=requires(None, "sockets"),
        directives=[ListSize(assumed_size=MAX_FACET_VALUES)],
    )
    def sockets(self) -> list[FacetCount]:
        """Counted when asked for."""
        return _facet_counts(self.counts["sockets"])

    @strawberry.field(
        description="By category, sorted.",
        metadata=requires(None, "categories"),
        directives=[ListSize(assumed_size=MAX_FACET_VALUES)],
    )
    def categories(self) -> list[FacetCount]:
        """Counted when asked for."""
        return _facet_counts(self.counts["categories"])

    @strawberry.field(
        description="By rating, the best first.",
        metadata=requires(None, "ratings"),
        directives=[ListSize(assumed_size=len(ValueRating))],
    )
    def ratings(self) -> list[RatingCount]:
        """Counted when asked for."""
        found = self.counts["ratings"]
        return [RatingCount(rating=each, count=found[each]) for each in ValueRating if each in found]

    @strawberry.field(
        description="By confidence, the best first.",
        metadata=requires(None, "confidences"),
        directives=[ListSize(assumed_size=len(PriceConfidence))],
    )
    def confidences(self) -> list[ConfidenceCount]:
        """Counted when asked for."""
        found = self.counts["confidences"]
        return [ConfidenceCount(confidence=each, count=found[each]) for each in PriceConfidence if each in found]


def _facet_counts(counts: Mapping[str, int]) -> list[FacetCount]:
    return [FacetCount(value=value, count=count) for value, count in counts.items()]
