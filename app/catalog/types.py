"""CPUs as GraphQL types."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from app.analytics.types import PerformanceValue, PriceTarget
from app.catalog.loaders import CpuById, CpuRow
from app.columns import AHEAD, column, is_row, same_row, with_needs
from app.context import Context
from app.directives import CostWeight, ListSize, page_size, reads
from app.errors import BadInput
from app.keyset import PageRequest, page_request
from app.market.loaders import (
    Distribution,
    DistributionKey,
    FirstListings,
    ListingPageKey,
    ListingPages,
    PriceDistributions,
)
from app.market.types import Listing, PriceBin
from app.relay import After, Before, Connection, First, Last, Node, node_id
from app.tables import Domain

Info = strawberry.Info[Context, None]

DEFAULT_LISTINGS = 10
DEFAULT_BINS = 10
MAX_BINS = 100


def listings_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """Which page of listings. Raises BadInput."""
    if first == DEFAULT_LISTINGS and (last is not None or before is not None):
        first = None  # not asked for: the default gives way
    return page_request(first, after, last, before, DEFAULT_LISTINGS)


def first_listings(
    first: int | None = DEFAULT_LISTINGS, after: str | None = None, last: int | None = None, before: str | None = None
) -> FirstListings | None:
    """The page of listings that will be asked for, if it is the first."""
    request = listings_request(first, after, last, before)
    return FirstListings(request) if request.cursor is None and not request.backward else None


def bins_of(given: int | None) -> int:
    """The number of bins. Raises BadInput."""
    bins = DEFAULT_BINS if given is None else given
    if not 1 <= bins <= MAX_BINS:
        raise BadInput(f"`bins` must be from 1 to {MAX_BINS}, not {bins}.")
    return bins


def distribution(bins: int | None = DEFAULT_BINS) -> Distribution:
    """The distribution that will be asked for."""
    return Distribution(bins_of(bins))


@strawberry.type(
    name="CPU", description="A CPU: specifications, benchmark marks, and what the market says it is worth."
)
class CPU(Node):
    """Its objects are rows of CPU columns."""

    is_type_of = is_row(CpuRow)

    id: strawberry.ID = node_id("CPU")
    name: str = column("name", description="As benchmark sites print it.")
    slug: str = column("slug", description="Unique name for URLs; never changes.")
    manufacturer: str = column("manufacturer", description='Maker, "Unknown" where the name does not tell.')
    socket: str | None = column("socket", description="Socket or package; null when not known.")
    category: str | None = column("category", description="Desktop, Laptop, Server, ...; null when not known.")
    cores: int | None = column("cores", description="Physical cores of all kinds; null when not known.")
    threads: int | None = column("threads", description="Hardware threads; null when not known.")
    tdp_w: int | None = column("tdp_w", description="Thermal design power in watts; null when not known.")
    release_year: int | None = column("release_year", description="Year of release; null when not known.")
    cpu_mark_multi: int | None = column(
        "cpu_mark_multi", description="Multi-thread benchmark mark; null when never measured."
    )
    cpu_mark_single: int | None = column(
        "cpu_mark_single", description="Single-thread benchmark mark; null when never measured."
    )
    igpu_model: str | None = column("igpu_model", description="Integrated graphics; null for none or not known.")
    igpu_mark: int | None = column("igpu_mark", description="Mark of the integrated graphics; null when not known.")
    price_target: PriceTarget = same_row(description="What it should cost.")
    performance_value: PerformanceValue = same_row(description="What its performance costs.")
    listings_count: int = column(
        "listings_count",
        description="Number of active listings.",
        metadata=reads(Domain.MARKET),
        directives=[CostWeight(weight=1)],
    )

    @strawberry.field(
        description="Active listings, cheapest adjusted price first; those without a price last.",
        metadata={**with_needs(reads(Domain.MARKET), "id"), AHEAD: first_listings},
        directives=[page_size(DEFAULT_LISTINGS)],
    )
    async def listings(
        self: Any,
        info: Info,
        first: First = DEFAULT_LISTINGS,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Listing]:
        """Batched over all CPUs of the answer."""
        request = listings_request(first, after, last, before)
        page = await info.context.loader(ListingPages).load(ListingPageKey.of(self["id"], request))

        async def count() -> int:
            return int(self["listings_count"])

        return Connection(page=page, count=count)

    @strawberry.field(
        description="Histogram of the active prices in bins of equal width; empty without prices.",
        metadata={**with_needs(reads(Domain.MARKET), "id"), AHEAD: distribution},
        directives=[ListSize(assumed_size=DEFAULT_BINS, slicing_arguments=["bins"])],
    )
    async def price_distribution(
        self: Any,
        info: Info,
        bins: Annotated[int | None, strawberry.argument(description=f"How many; 1 to {MAX_BINS}.")] = DEFAULT_BINS,
    ) -> list[PriceBin]:
        """Batched over all CPUs of the answer."""
        key = DistributionKey(self["id"], bins_of(bins))
        found: list[Any] = await info.context.loader(PriceDistributions).load(key)
        return found

    @classmethod
    async def load_node(cls, info: Info, key: int) -> CPU | None:
        """For `node(id:)`."""
        row: Any = await info.context.loader(CpuById).load(key)
        found: CPU | None = row
        return found
