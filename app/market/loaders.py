"""Listings by CPU."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Row

from app.context import Loader
from app.keyset import Page, PageRequest
from app.market import sql
from app.resources import Reader

ListingRow: TypeAlias = Row[Any]


class ListingPageKey(NamedTuple):
    """A page of a CPU's active listings."""

    cpu_id: int
    request: PageRequest

    @classmethod
    def of(cls, cpu_id: int, request: PageRequest) -> ListingPageKey:
        """Raises BadCursor: here, because in the batch it would fail for the other pages, too."""
        if request.cursor is not None:
            sql.CHEAPEST_FIRST.decode(request.cursor)
        return cls(cpu_id, request)


class DistributionKey(NamedTuple):
    """The price distribution of a CPU in so many bins."""

    cpu_id: int
    bins: int


@dataclass(frozen=True)
class Bin:
    """Number of active prices in [lo, hi); the last bin includes its hi."""

    lo: Decimal
    hi: Decimal
    count: int


class ListingPages(Loader[ListingPageKey, Page[ListingRow]]):
    """Pages of active listings, cheapest first."""

    async def values(self, session: Reader, keys: list[ListingPageKey]) -> list[Page[ListingRow]]:
        """One statement per distinct page request: a document that asks once costs one, for any number of CPUs."""
        found: dict[ListingPageKey, list[ListingRow]] = defaultdict(list)
        for request in dict.fromkeys(key.request for key in keys):
            ids = [key.cpu_id for key in keys if key.request == request]
            for row in await session.rows(sql.pages(ids, request)):
                found[ListingPageKey(row.cpu_id, request)].append(row)
        return [sql.CHEAPEST_FIRST.page(found[key], key.request) for key in keys]


class ListingsCount(Loader[int, int]):
    """Number of active listings of a CPU."""

    async def values(self, session: Reader, keys: list[int]) -> list[int]:
        """One statement for all keys."""
        found = {row.cpu_id: row.listings for row in await session.rows(sql.counts(keys))}
        return [found.get(key, 0) for key in keys]


class PriceDistributions(Loader[DistributionKey, list[Bin]]):
    """Histogram of a CPU's active prices; no prices, no bins; one price, one bin."""

    async def values(self, session: Reader, keys: list[DistributionKey]) -> list[list[Bin]]:
        """One statement per distinct number of bins."""
        found: dict[DistributionKey, list[ListingRow]] = defaultdict(list)
        for bins in dict.fromkeys(key.bins for key in keys):
            for row in await sql.distributions(session, [key.cpu_id for key in keys if key.bins == bins], bins):
                found[DistributionKey(row.cpu_id, bins)].append(row)
        return [_histogram(found[key], key.bins) for key in keys]


class ListingById(Loader[int, ListingRow | None]):
    """The listing with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[ListingRow | None]:
        """One statement for all keys."""
        found = {row.id: row for row in await sql.listings_by_id(session, keys)}
        return [found.get(key) for key in keys]


def _histogram(rows: list[ListingRow], bins: int) -> list[Bin]:
    """The bins, empty ones included."""
    if not rows:
        return []
    lowest, highest = rows[0].lowest, rows[0].highest
    if lowest == highest:
        return [Bin(lowest, highest, rows[0].prices)]
    counts = {row.bin: row.prices for row in rows}
    edges = [lowest + (highest - lowest) * i / bins for i in range(bins)] + [highest]
    return [Bin(edges[i], edges[i + 1], counts.get(i, 0)) for i in range(bins)]
