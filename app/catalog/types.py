"""CPUs as GraphQL types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import strawberry

from app.catalog.facet_sql import Counts
from app.catalog.loaders import CpuById, CpuRow, PointRow, SimilarCpus, SimilarKey
from app.core.errors import BadInput
from app.db.pagination import PageRequest, page_request
from app.db.tables import Domain, ValueRating
from app.graphql.context import Context
from app.graphql.directives import CostWeight, ListSize, page_size, reads
from app.graphql.enums import graphql_enum
from app.graphql.fields import AHEAD, column, is_row, same_row, with_needs
from app.graphql.relay import After, Before, Connection, First, Last, Node, ids_of, node_id
from app.market.history_loaders import CpuPriceHistories, CpuPriceLows, HistoryKey
from app.market.history_types import HISTORY_SIZE, HISTORY_TOLD, CPUPriceLows, CPUPricePoint, Interval, Within
from app.market.loaders import (
    Distribution,
    DistributionKey,
    FirstListings,
    ListingPageKey,
    ListingPages,
    PriceDistributions,
)
from app.market.price_ranges import PriceInterval, PriceRange
from app.market.types import Listing, PriceBin
from app.schema.analytics.types import PerformanceValue, PriceConfidence, PriceTarget
from app.titles.matching import Match, TitleDecision, TitleVerdict
from app.titles.parts import Parts

Info = strawberry.Info[Context, None]

DEFAULT_LISTINGS = 10
DEFAULT_BINS = 10
MAX_BINS = 100
DEFAULT_SIMILAR = 6
MAX_SIMILAR = 24
# Per CPU that is found: every CPU of the catalogue is looked at for each that is asked about.
SIMILAR_COST = 40
# Of one facet: more sockets than there are in the catalogue.
MANY_VALUES = 400
# Of one title: more model numbers than anybody writes.
MAX_STEPS = 20

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


def similar_of(given: int | None) -> int:
    """The number of similar CPUs. Raises BadInput."""
    first = DEFAULT_SIMILAR if given is None else given
    if not 1 <= first <= MAX_SIMILAR:
        raise BadInput(f"`first` must be from 1 to {MAX_SIMILAR}, not {first}.")
    return first


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

    @strawberry.field(
        description="The most similar CPUs, most similar first. The difference of two is the sum of |ln(a / b)| of "
        "their multi-thread marks (three times), single-thread marks (twice), cores, TDP and good prices; where one is "
        "not known, as if it were half the other.",
        metadata=with_needs(reads(Domain.CATALOG, Domain.ANALYTICS), "id"),
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
        key = SimilarKey(self["id"], similar_of(first))
        found: list[Any] = await info.context.loader(SimilarCpus).load(key)
        return found

    @strawberry.field(
        description=HISTORY_TOLD,
        metadata=with_needs(reads(Domain.MARKET, timed=True), "id"),
        directives=[HISTORY_SIZE],
    )
    async def price_history(
        self: Any,
        info: Info,
        range: Within = PriceRange.DAYS_90,  # noqa: A002
        interval: Interval = PriceInterval.DAY,
    ) -> list[CPUPricePoint]:
        """Batched over all CPUs of the answer."""
        key = HistoryKey.of(self["id"], range, interval)
        found: list[Any] = await info.context.loader(CpuPriceHistories).load(key)
        return found

    @strawberry.field(
        description="Its lowest prices over time; null when it never had a price.",
        metadata=with_needs(reads(Domain.MARKET, timed=True), "id"),
    )
    async def price_lows(self: Any, info: Info) -> CPUPriceLows | None:
        """Batched over all CPUs of the answer."""
        row: Any = await info.context.loader(CpuPriceLows).load(self["id"])
        found: CPUPriceLows | None = row
        return found

    @classmethod
    async def load_node(cls, info: Info, key: int) -> CPU | None:
        """For `node(id:)`."""
        row: Any = await info.context.loader(CpuById).load(key)
        found: CPU | None = row
        return found


@strawberry.type(description="A CPU that has a price, as a point among all those.")
class PricePoint:
    """Its objects are rows of `sql.POINT`."""

    is_type_of = is_row(PointRow)

    id: strawberry.ID = column("id", description="Global id of the CPU; opaque.", mapping=ids_of("CPU"))
    name: str = column("name", description="Name of the CPU.")
    slug: str = column("slug", description="Slug of the CPU, as in URLs.")
    manufacturer: str = column("manufacturer", description='Maker, "Unknown" where the name does not tell.')
    price: float = column("price_good", description="USD. The good price: the mean of the active prices.")
    cpu_mark_multi: int | None = column("cpu_mark_multi", description="Multi-thread mark; null when never measured.")
    cpu_mark_single: int | None = column("cpu_mark_single", description="Single-thread mark; null when never measured.")
    rating: ValueRating | None = column("value_rating", description="Price for performance; null without a mark.")


@strawberry.type(description="A value, and how many CPUs have it.")
class FacetCount:
    value: str = strawberry.field(description="The value, as filters take it.")
    count: int = strawberry.field(description="CPUs; never zero.")


@strawberry.type(description="A rating, and how many CPUs have it.")
class RatingCount:
    rating: ValueRating = strawberry.field(description="The rating.")
    count: int = strawberry.field(description="CPUs; never zero.")


@strawberry.type(description="A confidence, and how many CPUs have it.")
class ConfidenceCount:
    confidence: PriceConfidence = strawberry.field(description="The confidence.")
    count: int = strawberry.field(description="CPUs; never zero.")


@strawberry.type(
    name="CPUFacets", description="How many CPUs have which value. Those of which it is not known count nowhere."
)
class CPUFacets:
    counts: strawberry.Private[Counts]

    @strawberry.field(
        description="By maker, sorted.",
        metadata=with_needs(None, "manufacturers"),
        directives=[ListSize(assumed_size=MANY_VALUES)],
    )
    def manufacturers(self) -> list[FacetCount]:
        """Counted when asked for."""
        return _facet_counts(self.counts["manufacturers"])

    @strawberry.field(
        description="By socket, sorted.",
        metadata=with_needs(None, "sockets"),
        directives=[ListSize(assumed_size=MANY_VALUES)],
    )
    def sockets(self) -> list[FacetCount]:
        """Counted when asked for."""
        return _facet_counts(self.counts["sockets"])

    @strawberry.field(
        description="By category, sorted.",
        metadata=with_needs(None, "categories"),
        directives=[ListSize(assumed_size=MANY_VALUES)],
    )
    def categories(self) -> list[FacetCount]:
        """Counted when asked for."""
        return _facet_counts(self.counts["categories"])

    @strawberry.field(
        description="By rating, the best first.",
        metadata=with_needs(None, "ratings"),
        directives=[ListSize(assumed_size=len(ValueRating))],
    )
    def ratings(self) -> list[RatingCount]:
        """Counted when asked for."""
        found = self.counts["ratings"]
        return [RatingCount(rating=each, count=found[each]) for each in ValueRating if each in found]

    @strawberry.field(
        description="By confidence, the best first.",
        metadata=with_needs(None, "confidences"),
        directives=[ListSize(assumed_size=len(PriceConfidence))],
    )
    def confidences(self) -> list[ConfidenceCount]:
        """Counted when asked for."""
        found = self.counts["confidences"]
        return [ConfidenceCount(confidence=each, count=found[each]) for each in PriceConfidence if each in found]


def _facet_counts(counts: Mapping[str, int]) -> list[FacetCount]:
    return [FacetCount(value=value, count=count) for value, count in counts.items()]


@strawberry.type(description="A number in a title that may be the model of a CPU, and what came of it.")
class TitleStep:
    text: str = strawberry.field(description="The words of the title, in lower case.")
    verdict: TitleVerdict = strawberry.field(description="What came of it.")
    name: str | None = strawberry.field(description="Name of the CPU that it may mean; null when there is none.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="A drive that a title tells of.")
class TitleStorage:
    size_gb: int = strawberry.field(description="Size in GB, as sold (1 TB is 1000).")
    kind: str | None = strawberry.field(description="SSD, NVMe SSD, HDD or eMMC; null when the title does not tell.")


@strawberry.type(description="What a title says is offered beside the CPU; null and empty where it does not say.")
class TitleParts:
    memory_gb: int | None = strawberry.field(description="Memory in all, GB.")
    memory_kind: str | None = strawberry.field(description="DDR3, DDR4, LPDDR5 ...")
    storage: list[TitleStorage] = strawberry.field(
        description="Drives.", directives=[ListSize(assumed_size=5)], default_factory=list
    )
    graphics: str | None = strawberry.field(description="Graphics card of its own; what is inside the CPU is none.")
    operating_system: str | None = strawberry.field(description="Operating system with its edition.")
    quantity: int = strawberry.field(description="How many are offered: 2 and more for pairs and lots.")

    @classmethod
    def of(cls, parts: Parts) -> TitleParts:
        """From what was read."""
        return cls(
            memory_gb=parts.memory_gb,
            memory_kind=parts.memory_kind,
            storage=[TitleStorage(size_gb=each.size_gb, kind=each.kind) for each in parts.storage],
            graphics=parts.graphics,
            operating_system=parts.operating_system,
            quantity=parts.quantity,
        )


@strawberry.type(description="Which CPU a seller's title names, and how that was found out.")
class TitleMatch:
    decision: TitleDecision = strawberry.field(description="What came of it; there is a CPU only when MATCHED.")
    reason: str = strawberry.field(description="Why, in a sentence.")
    steps: list[TitleStep] = strawberry.field(
        description="Every number that may be a model, in the order of the title, and why it was kept or not.",
        directives=[ListSize(assumed_size=MAX_STEPS)],
    )
    parts: TitleParts = strawberry.field(description="What else the title says is offered.")
    key: strawberry.Private[int | None]

    @strawberry.field(
        description="The CPU; null when the title names none with certainty.",
        metadata=reads(Domain.CATALOG, Domain.ANALYTICS),
    )
    async def cpu(self, info: Info) -> CPU | None:
        """By its id, batched."""
        return None if self.key is None else await CPU.load_node(info, self.key)

    @classmethod
    def of(cls, match: Match, parts: Parts) -> TitleMatch:
        """From the match of a title and what else was read in it."""
        steps = [
            TitleStep(text=step.text, verdict=step.verdict, name=step.name, reason=step.reason)
            for step in match.steps[:MAX_STEPS]
        ]
        key = None if match.cpu is None else match.cpu.id
        return cls(decision=match.decision, reason=match.reason, steps=steps, parts=TitleParts.of(parts), key=key)
