"""Ranges and intervals of price histories, in UTC days."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import Enum

from app.core.errors import BadInput


class PriceRange(Enum):
    """Length of a price history; the value is the number of days, including today."""

    DAYS_7 = 7
    DAYS_30 = 30
    DAYS_90 = 90
    DAYS_180 = 180
    DAYS_365 = 365
    ALL = None

    def start(self, now: datetime) -> datetime | None:
        """Return the start of the range, a midnight in UTC, or None for ALL."""
        if self.value is None:
            return None
        return datetime.combine(now.astimezone(UTC).date() - timedelta(days=self.value - 1), time(), UTC)


class PriceInterval(Enum):
    """Interval of one point of a history; the value is its name in PostgreSQL's date_trunc()."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def check_interval(price_range: PriceRange, interval: PriceInterval) -> None:
    """Raise BadInput if the range has more intervals than a history can have."""
    if price_range is PriceRange.ALL and interval is PriceInterval.DAY:
        raise BadInput("`interval: DAY` covers a year at most: use `interval: WEEK` or `MONTH` with `range: ALL`.")


def utc_now() -> datetime:
    """Return the current time. Tests replace this function."""
    return datetime.now(UTC)
