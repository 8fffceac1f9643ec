"""Reference for price histories: loops over listings and moments, in exact fractions."""

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
    """A row of `price_observation`; `price` is the adjusted price."""

    at: datetime
    price: Decimal | None
    state: str = "active"


@dataclass(frozen=True)
class ValidPrice:
    """A price and the time in which it was valid."""

    listing: int
    price: Decimal
    since: datetime
    until: datetime


def valid_prices(listings: Sequence[Sequence[Seen]], now: datetime) -> list[ValidPrice]:
    """Return the valid prices of listings with their rows in order."""
    periods = []
    for number, rows in enumerate(listings):
        known = [row for row in rows if row.at < now]
        for row, after in zip(known, [*known[1:], None], strict=False):
            if row.price is not None and row.price > 0 and row.state != "gone":
                periods.append(ValidPrice(number, row.price, row.at, now if after is None else after.at))
    return periods


def interval_start(moment: datetime, interval: PriceInterval) -> datetime:
    """Return the start of the interval around a moment."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval is PriceInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is PriceInterval.MONTH else day


def interval_end(begin: datetime, interval: PriceInterval) -> datetime:
    """Return the end of the interval that begins then."""
    if interval is PriceInterval.MONTH:
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if interval is PriceInterval.WEEK else 1)


def reference_history(
    prices: Sequence[ValidPrice], now: datetime, within: PriceRange, interval: PriceInterval
) -> list[dict[str, Any]]:
    """Return the points in the form of GraphQL."""
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    start = min((period.since for period in prices), default=now)
    if within.value is not None:
        start = midnight - timedelta(days=within.value - 1)
    if not any(period.until > start for period in prices):
        return []
    points = []
    begin = interval_start(start, interval)
    while begin < now:
        since, until = max(begin, start), min(interval_end(begin, interval), now)
        here = [(period, min(period.until, until) - max(period.since, since)) for period in prices]
        here = [(period, length) for period, length in here if length > timedelta()]
        points.append({
            "at": since.isoformat(),
            "until": until.isoformat(),
            "lowest": float(min(period.price for period, _ in here)) if here else None,
            "average": weighted_mean([(Fraction(period.price), length) for period, length in here]),
            "listings": len({period.listing for period, _ in here}),
        })  # fmt: skip
        begin = interval_end(begin, interval)
    return points


def weighted_mean(prices: Sequence[tuple[Fraction, timedelta]]) -> float | None:
    """Return the weighted mean, rounded to cents."""
    moment = timedelta(microseconds=1)
    total = sum(length // moment for _, length in prices)
    if not total:
        return None
    exact = sum((price * (length // moment) for price, length in prices), Fraction()) / total
    return float((Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def lowest_price(prices: Sequence[ValidPrice], since: datetime, until: datetime) -> dict[str, Any] | None:
    """Return the lowest price that was valid between two moments, and when it was first seen."""
    here = [period for period in prices if period.until > since and period.since < until]
    best = min(here, key=lambda period: (period.price, period.since), default=None)
    return None if best is None else {"price": float(best.price), "at": best.since.isoformat()}


def reference_lows(prices: Sequence[ValidPrice], now: datetime) -> dict[str, Any] | None:
    """Return the lows in the form of GraphQL."""
    if not prices:
        return None
    early = datetime(1900, 1, 1, tzinfo=UTC)
    current = min((period.price for period in prices if period.until == now), default=None)
    since = None
    if current is not None:
        # Backwards over the moments of changes, while the lowest price is the same.
        moments = sorted({moment for period in prices for moment in (period.since, period.until)} - {now}, reverse=True)
        for moment in moments:
            standing = [period.price for period in prices if period.since <= moment < period.until]
            if min(standing, default=None) != current:
                break
            since = moment
    return {
        "current": None if current is None else float(current),
        "currentSince": since and since.isoformat(),
        "allTimeLow": lowest_price(prices, early, now),
        "low90Days": lowest_price(prices, now - timedelta(days=90), now),
        "low30Days": lowest_price(prices, now - timedelta(days=30), now),
        "priorLow30Days": since and lowest_price(prices, since - timedelta(days=30), since),
    }
