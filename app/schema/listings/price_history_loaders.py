"""What prices were, by CPU and by listing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.db.pagination import Page, PageRequest
from app.db.statements import Row
from app.graphql.context import Loader
from app.market import price_history_sql, price_ranges
from app.market.price_ranges import PriceInterval, PriceRange
from app.resources import Reader

EARLIEST_TIME = datetime(1, 1, 1, tzinfo=UTC)


class HistoryKey(NamedTuple):
    """The price history of a CPU."""

    cpu_id: int
    price_range: PriceRange
    interval: PriceInterval

    @classmethod
    def of(cls, cpu_id: int, within: PriceRange, interval: PriceInterval) -> HistoryKey:
        """Raises BadInput: here, because in the batch it would fail for the other histories, too."""
        price_ranges.check_interval(within, interval)
        return cls(cpu_id, within, interval)


class CpuPriceHistories(Loader[HistoryKey, list[Any]]):
    """Figures of each interval, oldest first; none of a CPU without any price in the range."""

    async def values(self, session: Reader, keys: list[HistoryKey]) -> list[list[Any]]:
        """One statement per distinct range and interval."""
        found: dict[HistoryKey, list[Row]] = defaultdict(list)
        now = price_ranges.utc_now()
        for within, interval in dict.fromkeys((key.price_range, key.interval) for key in keys):
            ids = [key.cpu_id for key in keys if key[1:] == (within, interval)]
            values = {
                "ids": ids,
                "now": now,
                "since": within.start(now),
                "unit": interval.value,
                "points": price_history_sql.MAX_POINTS,
            }
            for row in await session.rows(price_history_sql.HISTORY, values):
                found[HistoryKey(row["cpu_id"], within, interval)].append(row)
        return [found[key] for key in keys]


class CpuPriceLows(Loader[int, Any]):
    """The lowest prices of a CPU; None when it never had one."""

    async def values(self, session: Reader, keys: list[int]) -> list[Any]:
        """One statement for all keys."""
        rows = await session.rows(price_history_sql.LOWS, {"ids": keys, "now": price_ranges.utc_now()})
        found = {row["cpu_id"]: row for row in rows}
        return [found.get(key) for key in keys]


class PointsKey(NamedTuple):
    """A page of what was seen of a listing."""

    listing_id: int
    price_range: PriceRange
    request: PageRequest

    @classmethod
    def of(cls, listing_id: int, within: PriceRange, request: PageRequest) -> PointsKey:
        """Raises BadCursor: here, because in the batch it would fail for the other pages, too."""
        if request.cursor is not None:
            price_history_sql.NEWEST_FIRST.decode(request.cursor)
        return cls(listing_id, within, request)


class PricePages(Loader[PointsKey, Page]):
    """Pages of the prices of listings, newest first."""

    async def values(self, session: Reader, keys: list[PointsKey]) -> list[Page]:
        """One statement per distinct range and page request."""
        found: dict[PointsKey, list[Row]] = defaultdict(list)
        now = price_ranges.utc_now()
        for within, request in dict.fromkeys((key.price_range, key.request) for key in keys):
            ids = [key.listing_id for key in keys if key[1:] == (within, request)]
            position, values = price_history_sql.NEWEST_FIRST.bind(request)
            values |= {"ids": ids, "since": within.start(now) or EARLIEST_TIME}
            for row in await session.rows(price_history_sql.select_points(position), values):
                found[PointsKey(row["listing_id"], within, request)].append(row)
        return [price_history_sql.NEWEST_FIRST.build_page(found[key], key.request) for key in keys]


class PriceCounts(Loader[tuple[int, PriceRange], int]):
    """How many prices of a listing there are in a range."""

    async def values(self, session: Reader, keys: list[tuple[int, PriceRange]]) -> list[int]:
        """One statement per distinct range."""
        found: dict[tuple[int, PriceRange], int] = {}
        now = price_ranges.utc_now()
        for within in dict.fromkeys(key[1] for key in keys):
            values = {"ids": [key[0] for key in keys if key[1] is within], "since": within.start(now) or EARLIEST_TIME}
            for row in await session.rows(price_history_sql.COUNT_POINTS, values):
                found[row["listing_id"], within] = row["points"]
        return [found.get(key, 0) for key in keys]


class LifecycleKey(NamedTuple):
    """The newest events of a listing, so many."""

    listing_id: int
    first: int


class Lifecycles(Loader[LifecycleKey, Sequence[Any]]):
    """What befell listings, newest first."""

    async def values(self, session: Reader, keys: list[LifecycleKey]) -> list[Sequence[Any]]:
        """One statement per distinct number of events."""
        found: dict[LifecycleKey, list[Row]] = defaultdict(list)
        for first in dict.fromkeys(key.first for key in keys):
            ids = [key.listing_id for key in keys if key.first == first]
            for row in await session.rows(price_history_sql.LIFECYCLE, {"ids": ids, "first": first}):
                found[LifecycleKey(row["listing_id"], first)].append(row)
        return [found[key] for key in keys]
