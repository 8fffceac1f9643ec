"""GraphQL types of price targets, performance values and the consistency of figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import floor
from typing import Any

import strawberry

from app.analytics.verification_sql import MAX_DIFFERENCES
from app.db.tables import MIN_SAMPLE_SIZE_BY_CONFIDENCE, Domain, ValueRating
from app.graphql.directives import ListSize, cache_hints
from app.graphql.enums import graphql_enum
from app.graphql.fields import ValueMapping, column, computed

# A price target that was computed earlier is not fresh.
MAX_FRESH_AGE = timedelta(days=7)


class PriceConfidence(StrEnum):
    """Reliability of a price target, from the number of prices it is computed from."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INSUFFICIENT = "insufficient"

    @classmethod
    def of(cls, sample_size: int) -> PriceConfidence:
        """Return the confidence for a number of active prices."""
        return next(cls(name) for name, minimum in MIN_SAMPLE_SIZE_BY_CONFIDENCE.items() if sample_size >= minimum)


graphql_enum(
    PriceConfidence,
    "Reliability of a price target, from the number of active prices it is computed from.",
    {
        "HIGH": "10 or more prices.",
        "MEDIUM": "5 to 9 prices.",
        "LOW": "2 to 4 prices.",
        "INSUFFICIENT": "Fewer than 2 prices; the prices of the target are null.",
    },
)
graphql_enum(
    ValueRating,
    "Value for money, from the unrounded percentile of USD per multi-thread mark.",
    {
        "EXCELLENT": "Percentile up to 25.",
        "GOOD": "Percentile above 25 and up to 50.",
        "FAIR": "Percentile above 50 and up to 75.",
        "POOR": "Percentile above 75.",
    },
)


def _is_fresh(self: Any) -> bool:
    computed_at = self["computed_at"]
    return computed_at is not None and datetime.now(UTC) - computed_at < MAX_FRESH_AGE


# Assumed size of a list of columns; larger than the number of figures of a CPU and of statistics.
MAX_COLUMNS = 20

# The percentile has one decimal, and so has its complement.
HUNDRED_MINUS_PERCENTILE = ValueMapping(lambda percentile: round(100 - percentile, 1))


@strawberry.type(
    description="Price target of a CPU, from its active prices: the adjusted prices above 0 of its active listings."
)
class PriceTarget:
    great: float | None = column(
        "price_great",
        description="Mean minus one standard deviation, at least 0; USD, null with fewer than two prices.",
    )
    good: float | None = column(
        "price_good", description="Mean of the active prices; USD, null with fewer than two prices."
    )
    fair: float | None = column(
        "price_fair", description="Mean plus one standard deviation; USD, null with fewer than two prices."
    )
    stddev: float | None = column(
        "price_stddev",
        description="Sample standard deviation (n - 1) of the active prices; USD, null with fewer than two prices.",
    )
    sample_size: int = column("price_sample_size", description="Number of active prices.")
    confidence: PriceConfidence = column(
        "price_sample_size",
        description="Reliability of the target, from the sample size.",
        mapping=ValueMapping(PriceConfidence.of),
    )
    high_variance: bool = column(
        "price_high_variance", description="Whether the standard deviation is above 30 % of the mean."
    )
    fresh: bool = computed(
        _is_fresh,
        "computed_at",
        description="Whether the target was computed less than 7 days ago.",
        metadata=cache_hints(Domain.ANALYTICS, time_dependent=True),
    )
    updated_at: datetime | None = column(
        "computed_at", description="Time of the last computation; null before the first recalculation."
    )


@strawberry.type(
    description="Price for performance of a CPU: mean active price per benchmark mark, and its rank among all CPUs."
)
class PerformanceValue:
    dollar_per_mark_single: float | None = column(
        "dollar_per_mark_single",
        description="USD per single-thread mark with 4 decimals; null without a mark or an active price.",
    )
    dollar_per_mark_multi: float | None = column(
        "dollar_per_mark_multi",
        description="USD per multi-thread mark with 4 decimals; null without a mark or an active price.",
    )
    percentile: float | None = column(
        "value_percentile",
        description="Percentage (0 to 100) of CPUs with lower USD per multi-thread mark; 0 is the best value, null "
        "without that ratio.",
    )
    percentile_single: float | None = column(
        "value_percentile_single",
        description="Percentage (0 to 100) of CPUs with lower USD per single-thread mark; 0 is the best value, null "
        "without that ratio.",
    )
    better_than: float | None = column(
        "value_percentile",
        description="100 minus `percentile`: the percentage of CPUs with the same or worse value by multi-thread "
        "mark; null without a percentile.",
        mapping=HUNDRED_MINUS_PERCENTILE,
    )
    better_than_single: float | None = column(
        "value_percentile_single",
        description="100 minus `percentileSingle`: the percentage of CPUs with the same or worse value by "
        "single-thread mark; null without a percentile.",
        mapping=HUNDRED_MINUS_PERCENTILE,
    )
    rating: ValueRating | None = column(
        "value_rating", description="Rating of the percentile; null without a percentile."
    )
    updated_at: datetime | None = column(
        "computed_at", description="Time of the last computation; null before the first recalculation."
    )


@strawberry.type(description="An item that was not consistent: a CPU or the statistics.")
class FigureDifference:
    slug: str | None = strawberry.field(description="Slug of the CPU; null for the statistics.")
    columns: list[str] = strawberry.field(
        description="Names of the database columns with stored figures that differed from the computed ones.",
        directives=[ListSize(assumed_size=MAX_COLUMNS)],
    )
    reason: str | None = strawberry.field(description="Why the figures of the CPU cannot be written; null if they can.")


@strawberry.type(
    description="Result of the last verification, which compares all stored figures with computed ones. Its items are "
    "the CPUs and, as one item, the statistics."
)
class Consistency:
    percent: float = strawberry.field(
        description="Percentage of consistent items, rounded down to 2 decimals, so 100 means that all were consistent."
    )
    total: int = strawberry.field(description="Number of compared items.")
    consistent: int = strawberry.field(description="Number of items that were consistent before a repair.")
    left: int = strawberry.field(
        description="Number of items that are not consistent after the verification and its repair."
    )
    fixed: bool = strawberry.field(description="Whether the verification repaired differences.")
    verified_at: datetime = strawberry.field(description="Time when the verification ended.")
    differences: list[FigureDifference] = strawberry.field(
        description=f"Items that were not consistent, at most {MAX_DIFFERENCES}: CPUs by slug, then the statistics.",
        directives=[ListSize(assumed_size=MAX_DIFFERENCES)],
    )

    @classmethod
    def of(cls, row: Any) -> Consistency:
        """Return the object for a row of `verification_sql.load_last_verification`."""
        return cls(
            percent=floor(10_000 * row.consistent / row.total) / 100,
            total=row.total,
            consistent=row.consistent,
            left=row.left_over,
            fixed=row.fixed,
            verified_at=row.verified_at,
            differences=[FigureDifference(**difference) for difference in row.differences],
        )
