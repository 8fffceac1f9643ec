"""GraphQL types of facets: the number of CPUs per value of an attribute."""

from __future__ import annotations

from collections.abc import Mapping

import strawberry

from app.catalog.facet_sql import FacetCounts
from app.db.tables import ValueRating
from app.graphql.directives import ListSize
from app.graphql.fields import requires
from app.schema.analytics.types import PriceConfidence

# Assumed size of a facet; the catalogue has fewer sockets.
MAX_FACET_VALUES = 400


@strawberry.type(description="A value and the number of CPUs that have it.")
class FacetCount:
    value: str = strawberry.field(description="Value, in the form that filters accept.")
    count: int = strawberry.field(description="Number of CPUs, at least 1.")


@strawberry.type(description="A rating and the number of CPUs that have it.")
class RatingCount:
    rating: ValueRating = strawberry.field(description="Rating of the CPUs.")
    count: int = strawberry.field(description="Number of CPUs, at least 1.")


@strawberry.type(description="A confidence and the number of CPUs that have it.")
class ConfidenceCount:
    confidence: PriceConfidence = strawberry.field(description="Confidence of the price targets.")
    count: int = strawberry.field(description="Number of CPUs, at least 1.")


@strawberry.type(
    name="CPUFacets",
    description="Numbers of CPUs per value of several attributes. A CPU without a value is not counted.",
)
class CPUFacets:
    counts: strawberry.Private[FacetCounts]

    @strawberry.field(
        description="CPUs per manufacturer, sorted by name.",
        metadata=requires(None, "manufacturers"),
        directives=[ListSize(assumed_size=MAX_FACET_VALUES)],
    )
    def manufacturers(self) -> list[FacetCount]:
        """Return the counts of this facet."""
        return _facet_counts(self.counts["manufacturers"])

    @strawberry.field(
        description="CPUs per socket, sorted by name.",
        metadata=requires(None, "sockets"),
        directives=[ListSize(assumed_size=MAX_FACET_VALUES)],
    )
    def sockets(self) -> list[FacetCount]:
        """Return the counts of this facet."""
        return _facet_counts(self.counts["sockets"])

    @strawberry.field(
        description="CPUs per category, sorted by name.",
        metadata=requires(None, "categories"),
        directives=[ListSize(assumed_size=MAX_FACET_VALUES)],
    )
    def categories(self) -> list[FacetCount]:
        """Return the counts of this facet."""
        return _facet_counts(self.counts["categories"])

    @strawberry.field(
        description="CPUs per rating, best first.",
        metadata=requires(None, "ratings"),
        directives=[ListSize(assumed_size=len(ValueRating))],
    )
    def ratings(self) -> list[RatingCount]:
        """Return the counts of this facet."""
        counts = self.counts["ratings"]
        return [RatingCount(rating=rating, count=counts[rating]) for rating in ValueRating if rating in counts]

    @strawberry.field(
        description="CPUs per confidence of the price target, best first.",
        metadata=requires(None, "confidences"),
        directives=[ListSize(assumed_size=len(PriceConfidence))],
    )
    def confidences(self) -> list[ConfidenceCount]:
        """Return the counts of this facet."""
        counts = self.counts["confidences"]
        return [ConfidenceCount(confidence=level, count=counts[level]) for level in PriceConfidence if level in counts]


def _facet_counts(counts: Mapping[str, int]) -> list[FacetCount]:
    return [FacetCount(value=value, count=count) for value, count in counts.items()]
