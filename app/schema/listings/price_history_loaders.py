"""Loaders of price histories and lifecycles, by CPU and by listing."""

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
    """Key of CpuPriceHistories: a CPU, a range and an interval."""

    cpu_id: int
    price_range: PriceRange
    interval: PriceInterval

    @classmethod
    def of(cls, cpu_id: int, price_range: PriceRange, interval: PriceInterval) -> HistoryKey:
        """Return the key. Raises BadInput here, because in the batch it would fail the other histories too."""
        price_ranges.check_interval(price_range, interval)
        return cls(cpu_id, price_range, interval)


class CpuPriceHistories(Loader[HistoryKey, list[Any]]):
    """Loads the points of a CPU's price history, oldest first; empty without a price in the range."""

    async def values(self, session: Reader, keys: list[HistoryKey]) -> list[list[Any]]:
        """Run one statement per distinct range and interval."""
        rows_by_key: dict[HistoryKey, list[Row]] = defaultdict(list)
        now = price_ranges.utc_now()
        for price_range, interval in dict.fromkeys((key.price_range, key.interval) for key in keys):
            ids = [key.cpu_id for key in keys if key[1:] == (price_range, interval)]
            values = {
                "ids": ids,
                "now": now,
                "since": price_range.start(now),
                "unit": interval.value,
                "points": price_history_sql.MAX_POINTS,
            }
            for row in await session.rows(price_history_sql.HISTORY, values):
                rows_by_key[HistoryKey(row["cpu_id"], price_range, interval)].append(row)
        return [rows_by_key[key] for key in keys]


class CpuPriceLows(Loader[int, Any]):
    """Loads the lowest prices of a CPU; None if it never had a price."""

    async def values(self, session: Reader, keys: list[int]) -> list[Any]:
        """Run one statement for all keys."""
        rows = await session.rows(price_history_sql.LOWS, {"ids": keys, "now": price_ranges.utc_now()})
        row_by_cpu = {row["cpu_id"]: row for row in rows}
        return [row_by_cpu.get(key) for key in keys]


class PointsKey(NamedTuple):
    """Key of PricePages: a listing, a range and a page request."""

    listing_id: int
    price_range: PriceRange
    request: PageRequest

    @classmethod
    def of(cls, listing_id: int, price_range: PriceRange, request: PageRequest) -> PointsKey:
        """Return the key. Raises BadCursor here, because in the batch it would fail the other pages too."""
        if request.cursor is not None:
            price_history_sql.NEWEST_FIRST.decode(request.cursor)
        return cls(listing_id, price_range, request)


class PricePages(Loader[PointsKey, Page]):
    """Loads pages of the price history of a listing, newest first."""

    async def values(self, session: Reader, keys: list[PointsKey]) -> list[Page]:
        """Run one statement per distinct range and page request."""
        rows_by_key: dict[PointsKey, list[Row]] = defaultdict(list)
        now = price_ranges.utc_now()
        for price_range, request in dict.fromkeys((key.price_range, key.request) for key in keys):
            ids = [key.listing_id for key in keys if key[1:] == (price_range, request)]
            page_shape, values = price_history_sql.NEWEST_FIRST.bind(request)
            values |= {"ids": ids, "since": price_range.start(now) or EARLIEST_TIME}
            for row in await session.rows(price_history_sql.select_points(page_shape), values):
                rows_by_key[PointsKey(row["listing_id"], price_range, request)].append(row)
        return [price_history_sql.NEWEST_FIRST.build_page(rows_by_key[key], key.request) for key in keys]


class PriceCounts(Loader[tuple[int, PriceRange], int]):
    """Loads the number of points in the price history of a listing."""

    async def values(self, session: Reader, keys: list[tuple[int, PriceRange]]) -> list[int]:
        """Run one statement per distinct range."""
        counts: dict[tuple[int, PriceRange], int] = {}
        now = price_ranges.utc_now()
        for price_range in dict.fromkeys(key[1] for key in keys):
            values = {
                "ids": [key[0] for key in keys if key[1] is price_range],
                "since": price_range.start(now) or EARLIEST_TIME,
            }
            for row in await session.rows(price_history_sql.COUNT_POINTS, values):
                counts[row["listing_id"], price_range] = row["points"]
        return [counts.get(key, 0) for key in keys]


class LifecycleKey(NamedTuple):
    """Key of Lifecycles: a listing and the number of events."""

    listing_id: int
    first: int


class Lifecycles(Loader[LifecycleKey, Sequence[Any]]):
    """Loads the newest lifecycle events of a listing, newest first."""

    async def values(self, session: Reader, keys: list[LifecycleKey]) -> list[Sequence[Any]]:
        """Run one statement per distinct number of events."""
        rows_by_key: dict[LifecycleKey, list[Row]] = defaultdict(list)
        for first in dict.fromkeys(key.first for key in keys):
            ids = [key.listing_id for key in keys if key.first == first]
            for row in await session.rows(price_history_sql.LIFECYCLE, {"ids": ids, "first": first}):
                rows_by_key[LifecycleKey(row["listing_id"], first)].append(row)
        return [rows_by_key[key] for key in keys]
