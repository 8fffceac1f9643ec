"""Ranges and intervals of histories, by UTC days."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import Enum

from app.core.errors import BadInput


class PriceRange(Enum):
    """How far back; the value is the number of days, today included."""

    DAYS_7 = 7
    DAYS_30 = 30
    DAYS_90 = 90
    DAYS_180 = 180
    DAYS_365 = 365
    ALL = None

    def since(self, now: datetime) -> datetime | None:
        """Where it begins: a midnight in UTC, so that a range of days has as many of them; None: at the beginning."""
        if self.value is None:
            return None
        return datetime.combine(now.astimezone(UTC).date() - timedelta(days=self.value - 1), time(), UTC)


class PriceInterval(Enum):
    """What a point of a history stands for; the value is PostgreSQL's name of it."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def check_points(within: PriceRange, interval: PriceInterval) -> None:
    """Raises BadInput for more points than a history has."""
    if within is PriceRange.ALL and interval is PriceInterval.DAY:
        raise BadInput("Days go back a year at most: ask for `range: ALL` with `interval: WEEK` or `MONTH`.")


def clock() -> datetime:
    """Now."""
    return datetime.now(UTC)
