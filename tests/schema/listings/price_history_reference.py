"""The plain reading of prices over time: loops over listings and moments, in exact fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from app.market.price_ranges import PriceInterval, PriceRange


@dataclass(frozen=True)
class Seen:
    """A row of `price_observation`; `price` is the adjusted one."""

    at: datetime
    price: Decimal | None
    state: str = "active"


@dataclass(frozen=True)
class Stood:
    """A price that counted."""

    listing: int
    price: Decimal
    since: datetime
    until: datetime


def stood(listings: Sequence[Sequence[Seen]], now: datetime) -> list[Stood]:
    """What counted, of listings with their rows in order."""
    found = []
    for number, rows in enumerate(listings):
        known = [row for row in rows if row.at < now]
        for row, after in zip(known, [*known[1:], None], strict=False):
            if row.price is not None and row.price > 0 and row.state != "gone":
                found.append(Stood(number, row.price, row.at, now if after is None else after.at))
    return found


def begin_of(moment: datetime, interval: PriceInterval) -> datetime:
    """Of the interval around a moment."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval is PriceInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is PriceInterval.MONTH else day


def end_of(begin: datetime, interval: PriceInterval) -> datetime:
    """Of the interval that begins then."""
    if interval is PriceInterval.MONTH:
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if interval is PriceInterval.WEEK else 1)


def history(
    prices: Sequence[Stood], now: datetime, within: PriceRange, interval: PriceInterval
) -> list[dict[str, Any]]:
    """The points, as GraphQL has them."""
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    start = min((each.since for each in prices), default=now)
    if within.value is not None:
        start = midnight - timedelta(days=within.value - 1)
    if not any(each.until > start for each in prices):
        return []
    points = []
    begin = begin_of(start, interval)
    while begin < now:
        since, until = max(begin, start), min(end_of(begin, interval), now)
        here = [(each, min(each.until, until) - max(each.since, since)) for each in prices]
        here = [(each, length) for each, length in here if length > timedelta()]
        points.append({
            "at": since.isoformat(),
            "until": until.isoformat(),
            "lowest": float(min(each.price for each, _ in here)) if here else None,
            "average": mean([(Fraction(each.price), length) for each, length in here]),
            "listings": len({each.listing for each, _ in here}),
        })  # fmt: skip
        begin = end_of(begin, interval)
    return points


def mean(prices: Sequence[tuple[Fraction, timedelta]]) -> float | None:
    """Weighted, rounded to cents."""
    moment = timedelta(microseconds=1)
    total = sum(length // moment for _, length in prices)
    if not total:
        return None
    exact = sum((price * (length // moment) for price, length in prices), Fraction()) / total
    return float((Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def lowest(prices: Sequence[Stood], since: datetime, until: datetime) -> dict[str, Any] | None:
    """The lowest price that stood between two moments, and when it was first seen."""
    here = [each for each in prices if each.until > since and each.since < until]
    best = min(here, key=lambda each: (each.price, each.since), default=None)
    return None if best is None else {"price": float(best.price), "at": best.since.isoformat()}


def lows(prices: Sequence[Stood], now: datetime) -> dict[str, Any] | None:
    """The lows, as GraphQL has them."""
    if not prices:
        return None
    early = datetime(1900, 1, 1, tzinfo=UTC)
    current = min((each.price for each in prices if each.until == now), default=None)
    since = None
    if current is not None:
        # Backwards over the moments at which anything changed, as long as the lowest price is the same.
        moments = sorted({moment for each in prices for moment in (each.since, each.until)} - {now}, reverse=True)
        for moment in moments:
            standing = [each.price for each in prices if each.since <= moment < each.until]
            if min(standing, default=None) != current:
                break
            since = moment
    return {
        "current": None if current is None else float(current),
        "currentSince": since and since.isoformat(),
        "allTimeLow": lowest(prices, early, now),
        "low90Days": lowest(prices, now - timedelta(days=90), now),
        "low30Days": lowest(prices, now - timedelta(days=30), now),
        "priorLow30Days": since and lowest(prices, since - timedelta(days=30), since),
    }
