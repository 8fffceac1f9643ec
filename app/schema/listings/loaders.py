"""Loaders and prefetches of listings and price distributions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.db.pagination import Page, PageRequest
from app.db.statements import EmbeddedRow, Row
from app.graphql.context import Context, Loader
from app.market import listing_sql
from app.resources import Reader


class ListingRow(Row):
    """Row with the listing columns that the operation requests."""

    __slots__ = ()


class InnerListingRow(EmbeddedRow):
    """Row of a listing that was prefetched with its CPU."""

    __slots__ = ()


INNER_BIN = EmbeddedRow.of(*listing_sql.DISTRIBUTION_FIELDS)


class ListingPageKey(NamedTuple):
    """Key of ListingPages: a CPU and a page request."""

    cpu_id: int
    request: PageRequest

    @classmethod
    def of(cls, cpu_id: int, request: PageRequest) -> ListingPageKey:
        """Return the key. Raises BadCursor here, because in the batch it would fail the other pages too."""
        if request.cursor is not None:
            listing_sql.CHEAPEST_FIRST.decode(request.cursor)
        return cls(cpu_id, request)


class DistributionKey(NamedTuple):
    """Key of PriceDistributions: a CPU and the number of bins."""

    cpu_id: int
    bins: int


class ListingPages(Loader[ListingPageKey, Page]):
    """Loads pages of the active listings of a CPU, cheapest first."""

    async def values(self, session: Reader, keys: list[ListingPageKey]) -> list[Page]:
        """Run one statement per distinct page request, for any number of CPUs."""
        rows_by_key: dict[ListingPageKey, list[ListingRow]] = defaultdict(list)
        columns = self.context.requested_columns("Listing")
        for request in dict.fromkeys(key.request for key in keys):
            ids = [key.cpu_id for key in keys if key.request == request]
            for row in await session.rows(*listing_sql.select_pages(ids, request, columns), ListingRow):
                rows_by_key[ListingPageKey(row["cpu_id"], request)].append(row)
        return [listing_sql.CHEAPEST_FIRST.build_page(rows_by_key[key], key.request) for key in keys]


@dataclass(frozen=True)
class FirstListingsPrefetch:
    """Prefetch of the first page of active listings with each CPU."""

    request: PageRequest

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the values of the column's parameters."""
        return {"limit": self.request.limit + 1}

    def column(self, context: Context) -> Any:
        """Return the column with an array of listings."""
        return listing_sql.first_page_column(context.requested_columns("Listing"))[0]

    def populate(self, context: Context, row: Any) -> None:
        """Prime ListingPages with the page of this CPU."""
        _, names = listing_sql.first_page_column(context.requested_columns("Listing"))
        listings = map(InnerListingRow.of(*names), row["first_listings"])
        page = listing_sql.CHEAPEST_FIRST.build_page(list(listings), self.request)
        context.loader(ListingPages).prime(ListingPageKey(row["id"], self.request), page)


@dataclass(frozen=True)
class DistributionPrefetch:
    """Prefetch of the price distribution with each CPU."""

    bins: int

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the values of the column's parameters."""
        return {"bins": self.bins}

    def column(self, _context: Context) -> Any:
        """Return the column with an array of bins."""
        return listing_sql.DISTRIBUTION_COLUMN

    def populate(self, context: Context, row: Any) -> None:
        """Prime PriceDistributions with the bins of this CPU."""
        bins = [INNER_BIN(record) for record in row["price_distribution"]]
        context.loader(PriceDistributions).prime(DistributionKey(row["id"], self.bins), bins)


class PriceDistributions(Loader[DistributionKey, list[Any]]):
    """Loads the histogram of a CPU's active prices, in ascending order.

    There are no bins without prices, and there is one bin if all prices are equal.
    """

    async def values(self, session: Reader, keys: list[DistributionKey]) -> list[list[Any]]:
        """Run one statement per distinct number of bins."""
        rows_by_key: dict[DistributionKey, list[Row]] = defaultdict(list)
        for bins in dict.fromkeys(key.bins for key in keys):
            ids = [key.cpu_id for key in keys if key.bins == bins]
            for row in await session.rows(listing_sql.DISTRIBUTION, {"ids": ids, "bins": bins}):
                rows_by_key[DistributionKey(row["cpu_id"], bins)].append(row)
        return [rows_by_key[key] for key in keys]


class ListingById(Loader[int, ListingRow | None]):
    """Loads listings by id; None if there is no such listing."""

    async def values(self, session: Reader, keys: list[int]) -> list[ListingRow | None]:
        """Run one statement for all keys."""
        rows = await session.rows(
            listing_sql.select_by_id(self.context.requested_columns("Listing")), {"ids": keys}, ListingRow
        )
        row_by_id = {row["id"]: row for row in rows}
        return [row_by_id.get(key) for key in keys]
