"""What prices were, as GraphQL types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from app.core.errors import BadInput
from app.db.tables import OfferState
from app.graphql.directives import ListSize
from app.graphql.enums import graphql_enum
from app.graphql.fields import column, computed
from app.market.price_history_sql import MAX_POINTS
from app.market.price_ranges import PriceInterval, PriceRange

DEFAULT_EVENTS = 20
MAX_EVENTS = 200
PRICE_HISTORY_SIZE = ListSize(assumed_size=MAX_POINTS)
PRICE_HISTORY_DESCRIPTION = (
    "What it cost over time, oldest first: each interval of the range, those without any price too; empty when there "
    f"was none in the whole range. The newest {MAX_POINTS} intervals at most."
)


class ListingEventKind(StrEnum):
    """What can befall an offer; the values are those of market.history_sql.LIFECYCLE."""

    SEEN = "seen"
    MISSING = "missing"
    GONE = "gone"
    BACK = "back"


graphql_enum(
    PriceRange,
    "How far back prices are told: calendar days in UTC, today included.",
    {
        "DAYS_7": "7 days.",
        "DAYS_30": "30 days.",
        "DAYS_90": "90 days.",
        "DAYS_180": "180 days.",
        "DAYS_365": "365 days.",
        "ALL": "From the first price on.",
    },
)
graphql_enum(
    PriceInterval,
    "What a point of a history stands for, in UTC.",
    {
        "DAY": "A day; not with the range ALL.",
        "WEEK": "A week, from Monday on.",
        "MONTH": "A calendar month.",
    },
)
graphql_enum(
    OfferState,
    "Whether an offer could be bought, as far as it was known.",
    {
        "ACTIVE": "It could be bought.",
        "MISSING": "It was not found at the last look, but may still have been there; its price counts.",
        "GONE": "Sold, ended or reserved: its price does not count.",
    },
)
graphql_enum(
    ListingEventKind,
    "What can befall an offer.",
    {
        "SEEN": "It was first known.",
        "MISSING": "It was not found at a look, though it may still be there.",
        "GONE": "It could not be bought any more: sold, ended or reserved.",
        "BACK": "It could be bought again after it was missing or gone.",
    },
)

EventCountArgument = Annotated[int | None, strawberry.argument(description=f"How many, the newest; 1 to {MAX_EVENTS}.")]
RangeArgument = Annotated[PriceRange, strawberry.argument(description="How far back.")]
IntervalArgument = Annotated[PriceInterval, strawberry.argument(description="What each point stands for.")]


def check_event_count(given: int | None) -> int:
    """The number of events. Raises BadInput."""
    first = DEFAULT_EVENTS if given is None else given
    if not 1 <= first <= MAX_EVENTS:
        raise BadInput(f"`first` must be from 1 to {MAX_EVENTS}, not {first}.")
    return first


@strawberry.type(description="Something that befell an offer.")
class ListingEvent:
    kind: ListingEventKind = column("kind", description="What.")
    at: datetime = column("at", description="When it happened, or was found out.")


@strawberry.type(description="What an offer cost from a moment on, until the next point.")
class ListingPrice:
    at: datetime = column("at", description="When it was seen, or valued anew.")
    price: float | None = column("price", description="In `currency`, without shipping; null when not told.")
    shipping: float | None = column("shipping", description="In `currency`; null when not told.")
    currency: str = column("currency", description="ISO 4217 code.")
    total: float | None = column(
        "total", description="In `currency`, price and shipping (none where not told); null without a price."
    )
    adjusted_price: float | None = column(
        "adjusted_price",
        description="USD; what it counted for in price targets as long as it could be bought, by the rules and rates "
        "of then. Null where it did not count.",
    )
    state: OfferState = column("state", description="Whether it could be bought at that price; GONE: no more.")


@strawberry.type(
    name="CPUPricePoint",
    description="What a CPU cost in an interval of time. A price counts from when it was seen until the next one of "
    "the same offer, until the offer was gone, or until now. It is what it counted for in price targets then: USD, "
    "with shipping; offers for parts and lots do not count, nor prices in a currency that could not be converted.",
)
class CPUPricePoint:
    at: datetime = column("at", description="Begin of the interval; that of the range where it is cut short by it.")
    until: datetime = column("until", description="End of the interval, excluded; now in the one that is not over yet.")
    lowest: float | None = column(
        "lowest", description="USD. The lowest price that stood at any moment of it; null when none did."
    )
    average: float | None = column(
        "average",
        description="USD, 2 decimals. The mean of all prices, each weighted by how long it stood in the interval; "
        "null when none did.",
    )
    listings: int = column("listings", description="Offers whose price stood at any moment of the interval.")


@strawberry.type(description="A lowest price, and the offer's date of it.")
class PriceLow:
    price: float = strawberry.field(description="USD, with shipping.")
    at: datetime = strawberry.field(description="When an offer was first seen at this price.")


def _low_resolver(name: str) -> Callable[[Any], PriceLow | None]:
    """Makes one of the lows of a row."""

    def low(self: Any) -> PriceLow | None:
        return None if self[name] is None else PriceLow(price=self[name], at=self[f"{name}_at"])

    return low


@strawberry.type(
    name="CPUPriceLows", description="The lowest prices of a CPU, of those that count as in `priceHistory`, over time."
)
class CPUPriceLows:
    """Its objects are rows of market.history_sql.LOWS."""

    current: float | None = column("current", description="USD. The lowest price now; null when nothing is offered.")
    current_since: datetime | None = column(
        "current_since",
        description="Since when that has been the lowest price without a break; null when nothing is offered.",
    )

    all_time_low: PriceLow = computed(
        _low_resolver("all_time"), "all_time", "all_time_at", description="The lowest price that ever stood."
    )
    low_90_days: PriceLow | None = computed(
        _low_resolver("days_90"),
        "days_90",
        "days_90_at",
        description="The lowest price that stood within the last 90 times 24 hours; null without one.",
    )
    low_30_days: PriceLow | None = computed(
        _low_resolver("days_30"),
        "days_30",
        "days_30_at",
        description="The lowest price that stood within the last 30 times 24 hours; null without one.",
    )
    prior_low_30_days: PriceLow | None = computed(
        _low_resolver("prior_30"),
        "prior_30",
        "prior_30_at",
        description="The lowest price within the 30 times 24 hours before `currentSince`: what a reduction to the "
        "current price is to be compared with (Directive 98/6/EC, article 6a). Null when nothing is offered, or "
        "nothing was then.",
    )
