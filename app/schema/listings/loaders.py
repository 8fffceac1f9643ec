"""Listings by CPU, and valuation rules."""

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
    """A row of listing columns: those that the operation needs."""

    __slots__ = ()


class InnerListingRow(EmbeddedRow):
    """The same, brought along with a CPU."""

    __slots__ = ()


INNER_BIN = EmbeddedRow.of(*listing_sql.DISTRIBUTION_FIELDS)


class ListingPageKey(NamedTuple):
    """A page of a CPU's active listings."""

    cpu_id: int
    request: PageRequest

    @classmethod
    def of(cls, cpu_id: int, request: PageRequest) -> ListingPageKey:
        """Raises BadCursor: here, because in the batch it would fail for the other pages, too."""
        if request.cursor is not None:
            listing_sql.CHEAPEST_FIRST.decode(request.cursor)
        return cls(cpu_id, request)


class DistributionKey(NamedTuple):
    """The price distribution of a CPU in so many bins."""

    cpu_id: int
    bins: int


class ListingPages(Loader[ListingPageKey, Page]):
    """Pages of active listings, cheapest first."""

    async def values(self, session: Reader, keys: list[ListingPageKey]) -> list[Page]:
        """One statement per distinct page request: a document that asks once costs one, for any number of CPUs."""
        found: dict[ListingPageKey, list[ListingRow]] = defaultdict(list)
        wanted = self.context.requested_columns("Listing")
        for request in dict.fromkeys(key.request for key in keys):
            ids = [key.cpu_id for key in keys if key.request == request]
            for row in await session.rows(*listing_sql.select_pages(ids, request, wanted), ListingRow):
                found[ListingPageKey(row["cpu_id"], request)].append(row)
        return [listing_sql.CHEAPEST_FIRST.build_page(found[key], key.request) for key in keys]


@dataclass(frozen=True)
class FirstListingsPrefetch:
    """Ahead: the first page of each CPU's active listings."""

    request: PageRequest

    @property
    def values(self) -> Mapping[str, Any]:
        """Of the column."""
        return {"limit": self.request.limit + 1}

    def column(self, context: Context) -> Any:
        """An array of listings."""
        return listing_sql.first_page_column(context.requested_columns("Listing"))[0]

    def populate(self, context: Context, row: Any) -> None:
        """Spares ListingPages its statement."""
        _, names = listing_sql.first_page_column(context.requested_columns("Listing"))
        found = map(InnerListingRow.of(*names), row["first_listings"])
        page = listing_sql.CHEAPEST_FIRST.build_page(list(found), self.request)
        context.loader(ListingPages).prime(ListingPageKey(row["id"], self.request), page)


@dataclass(frozen=True)
class DistributionPrefetch:
    """Ahead: the price distribution of each CPU in so many bins."""

    bins: int

    @property
    def values(self) -> Mapping[str, Any]:
        """Of the column."""
        return {"bins": self.bins}

    def column(self, _context: Context) -> Any:
        """An array of bins."""
        return listing_sql.DISTRIBUTION_COLUMN

    def populate(self, context: Context, row: Any) -> None:
        """Spares PriceDistributions its statement."""
        found = [INNER_BIN(each) for each in row["price_distribution"]]
        context.loader(PriceDistributions).prime(DistributionKey(row["id"], self.bins), found)


class PriceDistributions(Loader[DistributionKey, list[Any]]):
    """Histogram of a CPU's active prices, in ascending order; no prices, no bins; one price, one bin."""

    async def values(self, session: Reader, keys: list[DistributionKey]) -> list[list[Any]]:
        """One statement per distinct number of bins."""
        found: dict[DistributionKey, list[Row]] = defaultdict(list)
        for bins in dict.fromkeys(key.bins for key in keys):
            ids = [key.cpu_id for key in keys if key.bins == bins]
            for row in await session.rows(listing_sql.DISTRIBUTION, {"ids": ids, "bins": bins}):
                found[DistributionKey(row["cpu_id"], bins)].append(row)
        return [found[key] for key in keys]


class ListingById(Loader[int, ListingRow | None]):
    """The listing with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[ListingRow | None]:
        """One statement for all keys."""
        rows = await session.rows(
            listing_sql.select_by_id(self.context.requested_columns("Listing")), {"ids": keys}, ListingRow
        )
        found = {row["id"]: row for row in rows}
        return [found.get(key) for key in keys]
