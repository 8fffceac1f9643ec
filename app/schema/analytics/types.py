"""Price targets and performance values as GraphQL types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import floor
from typing import Any

import strawberry

from app.analytics.verification_sql import MAX_DIFFERENCES
from app.db.tables import Domain, ValueRating
from app.graphql.directives import ListSize, cache_hints
from app.graphql.enums import graphql_enum
from app.graphql.fields import ValueMapping, column, computed

# DOMAIN: a target is fresh when it was computed less than 7 days ago.
MAX_FRESH_AGE = timedelta(days=7)


class PriceConfidence(StrEnum):
    """How far a price target can be trusted, by the number of prices behind it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INSUFFICIENT = "insufficient"

    @classmethod
    def of(cls, sample_size: int) -> PriceConfidence:
        """DOMAIN: 10 prices or more are high, 5 medium, 2 low."""
        if sample_size >= 10:
            return cls.HIGH
        if sample_size >= 5:
            return cls.MEDIUM
        return cls.LOW if sample_size >= 2 else cls.INSUFFICIENT


graphql_enum(
    PriceConfidence,
    "How far a price target can be trusted, by the number of active prices behind it.",
    {
        "HIGH": "10 prices or more.",
        "MEDIUM": "5 to 9 prices.",
        "LOW": "2 to 4 prices.",
        "INSUFFICIENT": "Fewer than 2 prices: there is no target.",
    },
)
graphql_enum(
    ValueRating,
    "Price for performance, by the unrounded percentile of $/multi-mark.",
    {
        "EXCELLENT": "Percentile up to 25.",
        "GOOD": "Percentile above 25, up to 50.",
        "FAIR": "Percentile above 50, up to 75.",
        "POOR": "Percentile above 75.",
    },
)


def _is_fresh(self: Any) -> bool:
    computed_at = self["computed_at"]
    return computed_at is not None and datetime.now(UTC) - computed_at < MAX_FRESH_AGE


# More than there are figures of a CPU, or statistics.
MAX_COLUMNS = 20

# DOMAIN: "better than X %" is 100 less the percentile, which has one decimal.
HUNDRED_MINUS_PERCENTILE = ValueMapping(lambda percentile: round(100 - percentile, 1))


@strawberry.type(
    description="What a CPU should cost, from its active listings: mean, and one sample standard deviation around it."
)
class PriceTarget:
    great: float | None = column(
        "price_great",
        description="USD. One standard deviation below the mean, never below 0. Null with fewer than two prices.",
    )
    good: float | None = column("price_good", description="USD. The mean. Null with fewer than two prices.")
    fair: float | None = column(
        "price_fair", description="USD. One standard deviation above the mean. Null with fewer than two prices."
    )
    stddev: float | None = column(
        "price_stddev", description="USD. Sample standard deviation (n - 1). Null with fewer than two prices."
    )
    sample_size: int = column("price_sample_size", description="Number of active prices.")
    confidence: PriceConfidence = column(
        "price_sample_size", description="From the sample size.", mapping=ValueMapping(PriceConfidence.of)
    )
    high_variance: bool = column(
        "price_high_variance", description="Whether the standard deviation is above 30 % of the mean."
    )
    fresh: bool = computed(
        _is_fresh,
        "computed_at",
        description="Whether it was computed less than 7 days ago.",
        metadata=cache_hints(Domain.ANALYTICS, time_dependent=True),
    )
    updated_at: datetime | None = column(
        "computed_at", description="When it was last computed; null before the first recalculation."
    )


@strawberry.type(description="What a CPU's performance costs: mean active price per benchmark mark, and its rank.")
class PerformanceValue:
    dollar_per_mark_single: float | None = column(
        "dollar_per_mark_single",
        description="USD per single-thread mark, 4 decimals. Null without a mark or an active price.",
    )
    dollar_per_mark_multi: float | None = column(
        "dollar_per_mark_multi",
        description="USD per multi-thread mark, 4 decimals. Null without a mark or an active price.",
    )
    percentile: float | None = column(
        "value_percentile",
        description="Share (0 to 100) of CPUs with a strictly lower $/multi-mark; 0 is the best value.",
    )
    percentile_single: float | None = column(
        "value_percentile_single",
        description="Share (0 to 100) of CPUs with a strictly lower $/single-mark; 0 is the best value.",
    )
    better_than: float | None = column(
        "value_percentile",
        description="The rest of the percentile: better value than so many of 100 CPUs, by $/multi-mark.",
        mapping=HUNDRED_MINUS_PERCENTILE,
    )
    better_than_single: float | None = column(
        "value_percentile_single",
        description="The rest of percentileSingle: better value than so many of 100 CPUs, by $/single-mark.",
        mapping=HUNDRED_MINUS_PERCENTILE,
    )
    rating: ValueRating | None = column("value_rating", description="From the percentile; null where that is.")
    updated_at: datetime | None = column(
        "computed_at", description="When it was last computed; null before the first recalculation."
    )


@strawberry.type(description="An item that was not what it should have been.")
class FigureDifference:
    slug: str | None = strawberry.field(description="Slug of the CPU; null where it is the statistics.")
    columns: list[str] = strawberry.field(
        description="Stored figures that differed from the computed ones, by the names of their columns.",
        directives=[ListSize(assumed_size=MAX_COLUMNS)],
    )
    reason: str | None = strawberry.field(description="Why its figures cannot be written; null where they can.")


@strawberry.type(
    description="What the last verification found: it compares each stored figure with the computed one. "
    "The items are the CPUs, and the statistics as one more."
)
class Consistency:
    percent: float = strawberry.field(
        description="Items that were right, of 100; rounded down to 2 decimals, so 100 only if all were."
    )
    total: int = strawberry.field(description="Items compared.")
    consistent: int = strawberry.field(description="Items that were right, before any repair.")
    left: int = strawberry.field(description="Items that were not right afterwards.")
    fixed: bool = strawberry.field(description="Whether it was to repair what differs.")
    verified_at: datetime = strawberry.field(description="When it ended.")
    differences: list[FigureDifference] = strawberry.field(
        description=f"The items that were not right: the first {MAX_DIFFERENCES}, CPUs by slug, the statistics last.",
        directives=[ListSize(assumed_size=MAX_DIFFERENCES)],
    )

    @classmethod
    def of(cls, row: Any) -> Consistency:
        """From the row of `sql.latest_verification`."""
        return cls(
            percent=floor(10_000 * row.consistent / row.total) / 100,
            total=row.total,
            consistent=row.consistent,
            left=row.left_over,
            fixed=row.fixed,
            verified_at=row.verified_at,
            differences=[FigureDifference(**each) for each in row.differences],
        )
