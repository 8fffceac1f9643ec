"""Price targets and performance values as GraphQL types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import strawberry
from sqlalchemy import Row

from app.directives import reads
from app.graphql_enums import graphql_enum
from app.tables import Domain, ValueRating

# DOMAIN: a target is fresh when it was computed less than 7 days ago.
FRESH_FOR = timedelta(days=7)


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


def to_float(number: Decimal | None, places: int) -> float | None:
    """A NUMERIC as GraphQL's Float, rounded half up as the last step."""
    return None if number is None else float(round_half_up(number, places))


def round_half_up(number: Decimal, places: int) -> Decimal:
    """Rounding as PostgreSQL does it."""
    return number.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")


@strawberry.type(
    description="What a CPU should cost, from its active listings: mean, and one sample standard deviation around it."
)
class PriceTarget:
    great: float | None = strawberry.field(
        description="USD. One standard deviation below the mean, never below 0. Null with fewer than two prices."
    )
    good: float | None = strawberry.field(description="USD. The mean. Null with fewer than two prices.")
    fair: float | None = strawberry.field(
        description="USD. One standard deviation above the mean. Null with fewer than two prices."
    )
    stddev: float | None = strawberry.field(
        description="USD. Sample standard deviation (n - 1). Null with fewer than two prices."
    )
    sample_size: int = strawberry.field(description="Number of active prices.")
    confidence: PriceConfidence = strawberry.field(description="From the sample size.")
    high_variance: bool = strawberry.field(description="Whether the standard deviation is above 30 % of the mean.")
    fresh: bool = strawberry.field(
        description="Whether it was computed less than 7 days ago.", metadata=reads(Domain.ANALYTICS, timed=True)
    )
    updated_at: datetime | None = strawberry.field(
        description="When it was last computed; null before the first recalculation."
    )

    @classmethod
    def of(cls, row: Row[Any]) -> PriceTarget:
        """From a row of CPU columns."""
        return cls(
            great=to_float(row.price_great, 2),
            good=to_float(row.price_good, 2),
            fair=to_float(row.price_fair, 2),
            stddev=to_float(row.price_stddev, 2),
            sample_size=row.price_sample_size,
            confidence=PriceConfidence.of(row.price_sample_size),
            high_variance=row.price_high_variance,
            fresh=row.computed_at is not None and datetime.now(UTC) - row.computed_at < FRESH_FOR,
            updated_at=row.computed_at,
        )


@strawberry.type(description="What a CPU's performance costs: mean active price per benchmark mark, and its rank.")
class PerformanceValue:
    dollar_per_mark_single: float | None = strawberry.field(
        description="USD per single-thread mark, 4 decimals. Null without a mark or an active price."
    )
    dollar_per_mark_multi: float | None = strawberry.field(
        description="USD per multi-thread mark, 4 decimals. Null without a mark or an active price."
    )
    percentile: float | None = strawberry.field(
        description="Share (0 to 100) of CPUs with a strictly lower $/multi-mark; 0 is the best value."
    )
    percentile_single: float | None = strawberry.field(
        description="Share (0 to 100) of CPUs with a strictly lower $/single-mark; 0 is the best value."
    )
    rating: ValueRating | None = strawberry.field(description="From the percentile; null where that is.")
    updated_at: datetime | None = strawberry.field(
        description="When it was last computed; null before the first recalculation."
    )

    @classmethod
    def of(cls, row: Row[Any]) -> PerformanceValue:
        """From a row of CPU columns."""
        return cls(
            dollar_per_mark_single=to_float(row.dollar_per_mark_single, 4),
            dollar_per_mark_multi=to_float(row.dollar_per_mark_multi, 4),
            percentile=to_float(row.value_percentile, 1),
            percentile_single=to_float(row.value_percentile_single, 1),
            rating=None if row.value_rating is None else ValueRating(row.value_rating),
            updated_at=row.computed_at,
        )
