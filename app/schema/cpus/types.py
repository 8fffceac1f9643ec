"""GraphQL types of CPUs and of points of the price map."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry

from app.core.errors import BadInput
from app.db.pagination import PageRequest, parse_page_arguments
from app.db.tables import Domain, ValueRating
from app.graphql.context import Info
from app.graphql.directives import CostWeight, ListSize, cache_hints, connection_size
from app.graphql.fields import column, embedded, is_row, requires
from app.graphql.prefetch import PREFETCH
from app.graphql.relay import After, Before, Connection, First, Last, Node, global_id_mapping, id_field
from app.market.price_ranges import PriceInterval, PriceRange
from app.schema.analytics.types import PerformanceValue, PriceTarget
from app.schema.cpus.loaders import CpuById, CpuRow, PointRow, SimilarCpus, SimilarKey
from app.schema.listings.loaders import (
    DistributionKey,
    DistributionPrefetch,
    FirstListingsPrefetch,
    ListingPageKey,
    ListingPages,
    PriceDistributions,
)
from app.schema.listings.price_history_loaders import CpuPriceHistories, CpuPriceLows, HistoryKey
from app.schema.listings.price_history_types import (
    PRICE_HISTORY_DESCRIPTION,
    PRICE_HISTORY_SIZE,
    CPUPriceLows,
    CPUPricePoint,
    IntervalArgument,
    RangeArgument,
)
from app.schema.listings.types import Listing, PriceBin

DEFAULT_LISTINGS = 10
DEFAULT_BINS = 10
MAX_BINS = 100
DEFAULT_SIMILAR = 6
MAX_SIMILAR = 24
# Cost per similar CPU: the statement compares each requested CPU with all CPUs of the catalogue, which takes 2 ms.
SIMILAR_COST = 60


def listings_page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """Return the requested page of listings. Raises BadInput for invalid arguments."""
    if first == DEFAULT_LISTINGS and (last is not None or before is not None):
        first = None  # the default, which must not conflict with `last` and `before`
    return parse_page_arguments(first, after, last, before, DEFAULT_LISTINGS)


def prefetch_first_listings(
    first: int | None = DEFAULT_LISTINGS, after: str | None = None, last: int | None = None, before: str | None = None
) -> FirstListingsPrefetch | None:
    """Return the prefetch of the requested page of listings, or None if it is not the first page."""
    request = listings_page_request(first, after, last, before)
    return FirstListingsPrefetch(request) if request.cursor is None and not request.backward else None


def check_bins(bins: int | None) -> int:
    """Return the number of bins; None is the default. Raises BadInput if it is out of range."""
    bins = DEFAULT_BINS if bins is None else bins
    if not 1 <= bins <= MAX_BINS:
        raise BadInput(f"`bins` must be from 1 to {MAX_BINS}, not {bins}.")
    return bins


def check_similar_count(first: int | None) -> int:
    """Return the number of similar CPUs; None is the default. Raises BadInput if it is out of range."""
    first = DEFAULT_SIMILAR if first is None else first
    if not 1 <= first <= MAX_SIMILAR:
        raise BadInput(f"`first` must be from 1 to {MAX_SIMILAR}, not {first}.")
    return first


def prefetch_distribution(bins: int | None = DEFAULT_BINS) -> DistributionPrefetch:
    """Return the prefetch of the requested price distribution."""
    return DistributionPrefetch(check_bins(bins))


@strawberry.type(name="CPU", description="A CPU with its specifications, benchmark marks and market prices.")
class CPU(Node):
    """Objects are instances of CpuRow."""

    is_type_of = is_row(CpuRow)

    id: strawberry.ID = id_field("CPU")
    name: str = column("name", description="Name as benchmark sites print it.")
    slug: str = column("slug", description="Unique name for URLs, which never changes.")
    manufacturer: str = column(
        "manufacturer", description='Manufacturer; "Unknown" if it cannot be derived from the name.'
    )
    socket: str | None = column("socket", description="Socket or package; null if unknown.")
    category: str | None = column(
        "category", description="Desktop, Laptop, Server, or other category of the source; null if unknown."
    )
    cores: int | None = column("cores", description="Number of physical cores of all kinds; null if unknown.")
    threads: int | None = column("threads", description="Number of hardware threads; null if unknown.")
    tdp_w: int | None = column("tdp_w", description="Thermal design power in watts; null if unknown.")
    release_year: int | None = column("release_year", description="Year of release; null if unknown.")
    cpu_mark_multi: int | None = column(
        "cpu_mark_multi", description="Multi-thread benchmark mark; null if never measured."
    )
    cpu_mark_single: int | None = column(
        "cpu_mark_single", description="Single-thread benchmark mark; null if never measured."
    )
    igpu_model: str | None = column(
        "igpu_model", description="Name of the integrated graphics; null if there are none or it is unknown."
    )
    igpu_mark: int | None = column(
        "igpu_mark", description="Benchmark mark of the integrated graphics; null if unknown."
    )
    price_target: PriceTarget = embedded(description="Price target: what the CPU should cost.")
    performance_value: PerformanceValue = embedded(description="Performance value: price per benchmark mark and rank.")
    listings_count: int = column(
        "listings_count",
        description="Number of active listings.",
        metadata=cache_hints(Domain.MARKET),
        directives=[CostWeight(weight=1)],
    )

    @strawberry.field(
        description="Active listings, lowest adjusted price first; listings without an adjusted price come last.",
        metadata={**requires(cache_hints(Domain.MARKET), "id"), PREFETCH: prefetch_first_listings},
        directives=[connection_size(DEFAULT_LISTINGS)],
    )
    async def listings(
        self: Any,
        info: Info,
        first: First = DEFAULT_LISTINGS,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Listing]:
        """Return a page of listings; batched over all CPUs of the response."""
        request = listings_page_request(first, after, last, before)
        page = await info.context.loader(ListingPages).load(ListingPageKey.of(self["id"], request))

        async def count() -> int:
            return int(self["listings_count"])

        return Connection(page=page, count=count)

    @strawberry.field(
        description="Histogram of the active prices in bins of equal width; empty without active prices.",
        metadata={**requires(cache_hints(Domain.MARKET), "id"), PREFETCH: prefetch_distribution},
        directives=[ListSize(assumed_size=DEFAULT_BINS, slicing_arguments=["bins"])],
    )
    async def price_distribution(
        self: Any,
        info: Info,
        bins: Annotated[
            int | None, strawberry.argument(description=f"Number of bins, 1 to {MAX_BINS}; default {DEFAULT_BINS}.")
        ] = DEFAULT_BINS,
    ) -> list[PriceBin]:
        """Return the bins; batched over all CPUs of the response."""
        key = DistributionKey(self["id"], check_bins(bins))
        return cast("list[PriceBin]", await info.context.loader(PriceDistributions).load(key))

    @strawberry.field(
        description="The most similar CPUs, most similar first. The difference of two CPUs is the sum of |ln(a / b)| "
        "over multi-thread mark (weight 3), single-thread mark (weight 2), cores, TDP and good price (weight 1); an "
        "unknown value counts as half of the other one.",
        metadata=requires(cache_hints(Domain.CATALOG, Domain.ANALYTICS), "id"),
        directives=[
            ListSize(assumed_size=DEFAULT_SIMILAR, slicing_arguments=["first"]),
            CostWeight(weight=SIMILAR_COST),
        ],
    )
    async def similar(
        self: Any,
        info: Info,
        first: Annotated[
            int | None,
            strawberry.argument(description=f"Number of CPUs, 1 to {MAX_SIMILAR}; default {DEFAULT_SIMILAR}."),
        ] = DEFAULT_SIMILAR,
    ) -> list[CPU]:
        """Return the similar CPUs; batched over all CPUs of the response."""
        key = SimilarKey(self["id"], check_similar_count(first))
        return cast("list[CPU]", await info.context.loader(SimilarCpus).load(key))

    @strawberry.field(
        description=PRICE_HISTORY_DESCRIPTION,
        metadata=requires(cache_hints(Domain.MARKET, time_dependent=True), "id"),
        directives=[PRICE_HISTORY_SIZE],
    )
    async def price_history(
        self: Any,
        info: Info,
        range: RangeArgument = PriceRange.DAYS_90,  # noqa: A002
        interval: IntervalArgument = PriceInterval.DAY,
    ) -> list[CPUPricePoint]:
        """Return the points; batched over all CPUs of the response."""
        key = HistoryKey.of(self["id"], range, interval)
        return cast("list[CPUPricePoint]", await info.context.loader(CpuPriceHistories).load(key))

    @strawberry.field(
        description="Lowest prices over time; null if the CPU never had a price.",
        metadata=requires(cache_hints(Domain.MARKET, time_dependent=True), "id"),
        directives=[CostWeight(weight=2)],
    )
    async def price_lows(self: Any, info: Info) -> CPUPriceLows | None:
        """Return the lows; batched over all CPUs of the response."""
        return cast("CPUPriceLows | None", await info.context.loader(CpuPriceLows).load(self["id"]))

    @classmethod
    async def load_node(cls, info: Info, key: int) -> CPU | None:
        """Return the CPU with this key, or None."""
        return cast("CPU | None", await info.context.loader(CpuById).load(key))


@strawberry.type(description="A CPU with a good price, as a point of the price map.")
class PricePoint:
    """Objects are instances of PointRow."""

    is_type_of = is_row(PointRow)

    id: strawberry.ID = column("id", description="Global id of the CPU.", mapping=global_id_mapping("CPU"))
    name: str = column("name", description="Name of the CPU.")
    slug: str = column("slug", description="Slug of the CPU, for URLs.")
    manufacturer: str = column(
        "manufacturer", description='Manufacturer; "Unknown" if it cannot be derived from the name.'
    )
    price: float = column("price_good", description="Good price, the mean of the active prices; USD.")
    cpu_mark_multi: int | None = column(
        "cpu_mark_multi", description="Multi-thread benchmark mark; null if never measured."
    )
    cpu_mark_single: int | None = column(
        "cpu_mark_single", description="Single-thread benchmark mark; null if never measured."
    )
    rating: ValueRating | None = column(
        "value_rating", description="Value for money; null without a multi-thread mark."
    )
