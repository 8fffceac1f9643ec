"""GraphQL types of price histories and listing events."""

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
    "Price over time, oldest first, with one point per interval, including intervals without prices; empty without any "
    f"price in the range. At most the {MAX_POINTS} newest intervals."
)


class ListingEventKind(StrEnum):
    """Kind of a listing event; the values are those of `price_history_sql.LIFECYCLE`."""

    SEEN = "seen"
    MISSING = "missing"
    GONE = "gone"
    BACK = "back"


graphql_enum(
    PriceRange,
    "Length of a price history in calendar days (UTC), including today.",
    {
        "DAYS_7": "7 days.",
        "DAYS_30": "30 days.",
        "DAYS_90": "90 days.",
        "DAYS_180": "180 days.",
        "DAYS_365": "365 days.",
        "ALL": "From the first price.",
    },
)
graphql_enum(
    PriceInterval,
    "Interval of a point of a price history, in UTC.",
    {
        "DAY": "A day; not allowed with the range ALL.",
        "WEEK": "A week that starts on Monday.",
        "MONTH": "A calendar month.",
    },
)
graphql_enum(
    OfferState,
    "Whether an offer was available, according to the last observation.",
    {
        "ACTIVE": "The offer was available.",
        "MISSING": "The last check did not find the offer, but it may still have been available; its price counts.",
        "GONE": "The offer was sold, ended or reserved; its price does not count.",
    },
)
graphql_enum(
    ListingEventKind,
    "Kind of a listing event.",
    {
        "SEEN": "The offer was observed for the first time.",
        "MISSING": "A check did not find the offer, but it may still be available.",
        "GONE": "The offer is not available any more: sold, ended or reserved.",
        "BACK": "The offer is available again after it was missing or gone.",
    },
)

EventCountArgument = Annotated[
    int | None, strawberry.argument(description=f"Number of events, 1 to {MAX_EVENTS}; default {DEFAULT_EVENTS}.")
]
RangeArgument = Annotated[
    PriceRange, strawberry.argument(description="Range of the history; `ALL` starts with the first price.")
]
IntervalArgument = Annotated[PriceInterval, strawberry.argument(description="Interval of each point.")]


def check_event_count(first: int | None) -> int:
    """Return the number of events; None is the default. Raises BadInput if it is out of range."""
    first = DEFAULT_EVENTS if first is None else first
    if not 1 <= first <= MAX_EVENTS:
        raise BadInput(f"`first` must be from 1 to {MAX_EVENTS}, not {first}.")
    return first


@strawberry.type(description="A change in the availability of an offer.")
class ListingEvent:
    kind: ListingEventKind = column("kind", description="Kind of the event.")
    at: datetime = column("at", description="Time of the event, or of its discovery.")


@strawberry.type(description="Price of an offer from a time until the next point.")
class ListingPrice:
    at: datetime = column("at", description="Time of the observation or revaluation.")
    price: float | None = column("price", description="Price without shipping, in `currency`; null if unknown.")
    shipping: float | None = column("shipping", description="Shipping cost in `currency`; null if unknown.")
    currency: str = column("currency", description="Currency of the prices, an ISO 4217 code.")
    total: float | None = column(
        "total", description="Price plus shipping (0 if unknown) in `currency`; null without a price."
    )
    adjusted_price: float | None = column(
        "adjusted_price",
        description="Adjusted price in USD by the rules and rates of that time, which counts in price targets while "
        "the offer is available; null if it does not count.",
    )
    state: OfferState = column("state", description="Whether the offer was available at that price.")


@strawberry.type(
    name="CPUPricePoint",
    description="Prices of a CPU in an interval of time. A price is valid from its observation until the next one of "
    "the same offer, until the offer is gone, or until now. Prices are adjusted prices in USD with shipping; offers "
    "for parts, lots, and prices in a currency without a rate do not count.",
)
class CPUPricePoint:
    at: datetime = column("at", description="Start of the interval, or of the range if that is later.")
    until: datetime = column("until", description="End of the interval (exclusive), or now if that is earlier.")
    lowest: float | None = column(
        "lowest", description="Lowest price that was valid in the interval; USD, null without a valid price."
    )
    average: float | None = column(
        "average",
        description="Mean of all prices weighted by the time that each was valid in the interval; USD with 2 "
        "decimals, null without a valid price.",
    )
    listings: int = column("listings", description="Number of offers with a valid price in the interval.")


@strawberry.type(description="A lowest price and the time when it was first observed.")
class PriceLow:
    price: float = strawberry.field(description="Adjusted price in USD, with shipping.")
    at: datetime = strawberry.field(description="Time when an offer was first observed at this price.")


def _low_resolver(name: str) -> Callable[[Any], PriceLow | None]:
    """Return the resolver of one of the lows of a row."""

    def low(self: Any) -> PriceLow | None:
        return None if self[name] is None else PriceLow(price=self[name], at=self[f"{name}_at"])

    return low


@strawberry.type(
    name="CPUPriceLows", description="Lowest prices of a CPU over time; the same prices count as in `priceHistory`."
)
class CPUPriceLows:
    """Objects are rows of `price_history_sql.LOWS`."""

    current: float | None = column("current", description="Lowest current price; USD, null without a current price.")
    current_since: datetime | None = column(
        "current_since",
        description="Time since which `current` has been the lowest price without a gap; null without a current price.",
    )

    all_time_low: PriceLow = computed(
        _low_resolver("all_time"), "all_time", "all_time_at", description="Lowest price of all time."
    )
    low_90_days: PriceLow | None = computed(
        _low_resolver("days_90"),
        "days_90",
        "days_90_at",
        description="Lowest price that was valid within the last 90 times 24 hours; null without one.",
    )
    low_30_days: PriceLow | None = computed(
        _low_resolver("days_30"),
        "days_30",
        "days_30_at",
        description="Lowest price that was valid within the last 30 times 24 hours; null without one.",
    )
    prior_low_30_days: PriceLow | None = computed(
        _low_resolver("prior_30"),
        "prior_30",
        "prior_30_at",
        description="Lowest price within the 30 times 24 hours before `currentSince`, the reference of an announced "
        "price reduction by Directive 98/6/EC, article 6a; null without a current price or without a price in that "
        "time.",
    )
