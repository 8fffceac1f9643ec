"""CPUs as GraphQL types."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry

from app.core.errors import BadInput
from app.db.pagination import PageRequest, parse_page_arguments
from app.db.tables import Domain, ValueRating
from app.graphql.context import Info
from app.graphql.directives import CostWeight, ListSize, cache_hints, connection_size
from app.graphql.enums import graphql_enum
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
from app.titles.matcher import TitleDecision, TitleVerdict

DEFAULT_LISTINGS = 10
DEFAULT_BINS = 10
MAX_BINS = 100
DEFAULT_SIMILAR = 6
MAX_SIMILAR = 24
# Per CPU that is found: every CPU of the catalogue is looked at for each that is asked about.
SIMILAR_COST = 40

graphql_enum(
    TitleDecision,
    "What came of a title.",
    {
        "MATCHED": "It names one CPU of the catalogue with certainty.",
        "NO_MODEL": "No model number of the catalogue is in it.",
        "UNCLEAR": "A model number is in it, but something contradicts or leaves open which CPU is meant.",
        "SEVERAL": "It names more than one CPU.",
        "REFUSED": "It says that no CPU is sold.",
    },
)
graphql_enum(
    TitleVerdict,
    "What came of one model number in a title.",
    {
        "KEPT": "It names this CPU.",
        "VETOED": "It is close to this CPU, but means another one, or it is not clear which.",
        "UNKNOWN": "It looks like a model number, and the catalogue has none such.",
        "IGNORED": "It is no model number of a CPU that is sold: a price, memory, a graphics card, a comparison.",
    },
)


def listings_page_request(first: int | None, after: str | None, last: int | None, before: str | None) -> PageRequest:
    """Which page of listings. Raises BadInput."""
    if first == DEFAULT_LISTINGS and (last is not None or before is not None):
        first = None  # not asked for: the default gives way
    return parse_page_arguments(first, after, last, before, DEFAULT_LISTINGS)


def prefetch_first_listings(
    first: int | None = DEFAULT_LISTINGS, after: str | None = None, last: int | None = None, before: str | None = None
) -> FirstListingsPrefetch | None:
    """The page of listings that will be asked for, if it is the first."""
    request = listings_page_request(first, after, last, before)
    return FirstListingsPrefetch(request) if request.cursor is None and not request.backward else None


def check_bins(given: int | None) -> int:
    """The number of bins. Raises BadInput."""
    bins = DEFAULT_BINS if given is None else given
    if not 1 <= bins <= MAX_BINS:
        raise BadInput(f"`bins` must be from 1 to {MAX_BINS}, not {bins}.")
    return bins


def check_similar_count(given: int | None) -> int:
    """The number of similar CPUs. Raises BadInput."""
    first = DEFAULT_SIMILAR if given is None else given
    if not 1 <= first <= MAX_SIMILAR:
        raise BadInput(f"`first` must be from 1 to {MAX_SIMILAR}, not {first}.")
    return first


def prefetch_distribution(bins: int | None = DEFAULT_BINS) -> DistributionPrefetch:
    """The distribution that will be asked for."""
    return DistributionPrefetch(check_bins(bins))


@strawberry.type(
    name="CPU", description="A CPU: specifications, benchmark marks, and what the market says it is worth."
)
class CPU(Node):
    """Its objects are rows of CPU columns."""

    is_type_of = is_row(CpuRow)

    id: strawberry.ID = id_field("CPU")
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
    price_target: PriceTarget = embedded(description="What it should cost.")
    performance_value: PerformanceValue = embedded(description="What its performance costs.")
    listings_count: int = column(
        "listings_count",
        description="Number of active listings.",
        metadata=cache_hints(Domain.MARKET),
        directives=[CostWeight(weight=1)],
    )

    @strawberry.field(
        description="Active listings, cheapest adjusted price first; those without a price last.",
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
        """Batched over all CPUs of the answer."""
        request = listings_page_request(first, after, last, before)
        page = await info.context.loader(ListingPages).load(ListingPageKey.of(self["id"], request))

        async def count() -> int:
            return int(self["listings_count"])

        return Connection(page=page, count=count)

    @strawberry.field(
        description="Histogram of the active prices in bins of equal width; empty without prices.",
        metadata={**requires(cache_hints(Domain.MARKET), "id"), PREFETCH: prefetch_distribution},
        directives=[ListSize(assumed_size=DEFAULT_BINS, slicing_arguments=["bins"])],
    )
    async def price_distribution(
        self: Any,
        info: Info,
        bins: Annotated[int | None, strawberry.argument(description=f"How many; 1 to {MAX_BINS}.")] = DEFAULT_BINS,
    ) -> list[PriceBin]:
        """Batched over all CPUs of the answer."""
        key = DistributionKey(self["id"], check_bins(bins))
        found: list[Any] = await info.context.loader(PriceDistributions).load(key)
        return found

    @strawberry.field(
        description="The most similar CPUs, most similar first. The difference of two is the sum of |ln(a / b)| of "
        "their multi-thread marks (three times), single-thread marks (twice), cores, TDP and good prices; where one is "
        "not known, as if it were half the other.",
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
            int | None, strawberry.argument(description=f"How many; 1 to {MAX_SIMILAR}.")
        ] = DEFAULT_SIMILAR,
    ) -> list[CPU]:
        """Batched over all CPUs of the answer."""
        key = SimilarKey(self["id"], check_similar_count(first))
        found: list[Any] = await info.context.loader(SimilarCpus).load(key)
        return found

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
        """Batched over all CPUs of the answer."""
        key = HistoryKey.of(self["id"], range, interval)
        found: list[Any] = await info.context.loader(CpuPriceHistories).load(key)
        return found

    @strawberry.field(
        description="Its lowest prices over time; null when it never had a price.",
        metadata=requires(cache_hints(Domain.MARKET, time_dependent=True), "id"),
    )
    async def price_lows(self: Any, info: Info) -> CPUPriceLows | None:
        """Batched over all CPUs of the answer."""
        return cast("CPUPriceLows | None", await info.context.loader(CpuPriceLows).load(self["id"]))

    @classmethod
    async def load_node(cls, info: Info, key: int) -> CPU | None:
        """For `node(id:)`."""
        return cast("CPU | None", await info.context.loader(CpuById).load(key))


@strawberry.type(description="A CPU that has a price, as a point among all those.")
class PricePoint:
    """Its objects are rows of `sql.POINT`."""

    is_type_of = is_row(PointRow)

    id: strawberry.ID = column("id", description="Global id of the CPU; opaque.", mapping=global_id_mapping("CPU"))
    name: str = column("name", description="Name of the CPU.")
    slug: str = column("slug", description="Slug of the CPU, as in URLs.")
    manufacturer: str = column("manufacturer", description='Maker, "Unknown" where the name does not tell.')
    price: float = column("price_good", description="USD. The good price: the mean of the active prices.")
    cpu_mark_multi: int | None = column("cpu_mark_multi", description="Multi-thread mark; null when never measured.")
    cpu_mark_single: int | None = column("cpu_mark_single", description="Single-thread mark; null when never measured.")
    rating: ValueRating | None = column("value_rating", description="Price for performance; null without a mark.")
