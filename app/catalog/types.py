"""CPUs as GraphQL types."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import strawberry
from sqlalchemy import Row

from app.analytics.types import PerformanceValue, PriceTarget
from app.catalog.loaders import CpuById
from app.context import Context
from app.directives import CostWeight, ListSize, page_size, reads
from app.errors import BadInput
from app.keyset import page_request
from app.market.loaders import DistributionKey, ListingPageKey, ListingPages, ListingsCount, PriceDistributions
from app.market.types import Listing, PriceBin
from app.relay import After, Before, Connection, First, Last, Node, global_id
from app.tables import Domain

Info = strawberry.Info[Context, None]

DEFAULT_LISTINGS = 10
DEFAULT_BINS = 10
MAX_BINS = 100


@strawberry.type(
    name="CPU", description="A CPU: specifications, benchmark marks, and what the market says it is worth."
)
class CPU(Node):
    name: str = strawberry.field(description="As benchmark sites print it.")
    slug: str = strawberry.field(description="Unique name for URLs; never changes.")
    manufacturer: str = strawberry.field(description='Maker, "Unknown" where the name does not tell.')
    socket: str | None = strawberry.field(description="Socket or package; null when not known.")
    category: str | None = strawberry.field(description="Desktop, Laptop, Server, ...; null when not known.")
    cores: int | None = strawberry.field(description="Physical cores of all kinds; null when not known.")
    threads: int | None = strawberry.field(description="Hardware threads; null when not known.")
    tdp_w: int | None = strawberry.field(description="Thermal design power in watts; null when not known.")
    release_year: int | None = strawberry.field(description="Year of release; null when not known.")
    cpu_mark_multi: int | None = strawberry.field(description="Multi-thread benchmark mark; null when never measured.")
    cpu_mark_single: int | None = strawberry.field(
        description="Single-thread benchmark mark; null when never measured."
    )
    igpu_model: str | None = strawberry.field(description="Integrated graphics; null for none or not known.")
    igpu_mark: int | None = strawberry.field(description="Mark of the integrated graphics; null when not known.")
    price_target: PriceTarget = strawberry.field(description="What it should cost.")
    performance_value: PerformanceValue = strawberry.field(description="What its performance costs.")
    key: strawberry.Private[int]

    @strawberry.field(
        description="Number of active listings.", metadata=reads(Domain.MARKET), directives=[CostWeight(weight=1)]
    )
    async def listings_count(self, info: Info) -> int:
        """Batched over all CPUs of the answer."""
        return await info.context.loader(ListingsCount).load(self.key)

    @strawberry.field(
        description="Active listings, cheapest adjusted price first; those without a price last.",
        metadata=reads(Domain.MARKET),
        directives=[page_size(DEFAULT_LISTINGS)],
    )
    async def listings(
        self,
        info: Info,
        first: First = DEFAULT_LISTINGS,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Listing]:
        """Batched over all CPUs of the answer."""
        if first == DEFAULT_LISTINGS and (last is not None or before is not None):
            first = None  # not asked for: the default gives way
        request = page_request(first, after, last, before, DEFAULT_LISTINGS)
        page = await info.context.loader(ListingPages).load(ListingPageKey.of(self.key, request))
        count = partial(info.context.loader(ListingsCount).load, self.key)
        return Connection.of(page, [Listing.of(row) for row in page.items], count)

    @strawberry.field(
        description="Histogram of the active prices in bins of equal width; empty without prices.",
        metadata=reads(Domain.MARKET),
        directives=[ListSize(assumed_size=DEFAULT_BINS, slicing_arguments=["bins"])],
    )
    async def price_distribution(
        self,
        info: Info,
        bins: Annotated[int | None, strawberry.argument(description=f"How many; 1 to {MAX_BINS}.")] = DEFAULT_BINS,
    ) -> list[PriceBin]:
        """Batched over all CPUs of the answer."""
        bins = DEFAULT_BINS if bins is None else bins
        if not 1 <= bins <= MAX_BINS:
            raise BadInput(f"`bins` must be from 1 to {MAX_BINS}, not {bins}.")
        found = await info.context.loader(PriceDistributions).load(DistributionKey(self.key, bins))
        return [PriceBin.of(each) for each in found]

    @classmethod
    def of(cls, row: Row[Any]) -> CPU:
        """From a row of CPU columns."""
        return cls(
            id=global_id("CPU", row.id),
            key=row.id,
            name=row.name,
            slug=row.slug,
            manufacturer=row.manufacturer,
            socket=row.socket,
            category=row.category,
            cores=row.cores,
            threads=row.threads,
            tdp_w=row.tdp_w,
            release_year=row.release_year,
            cpu_mark_multi=row.cpu_mark_multi,
            cpu_mark_single=row.cpu_mark_single,
            igpu_model=row.igpu_model,
            igpu_mark=row.igpu_mark,
            price_target=PriceTarget.of(row),
            performance_value=PerformanceValue.of(row),
        )

    @classmethod
    async def load_node(cls, info: Info, key: int) -> CPU | None:
        """For `node(id:)`."""
        row = await info.context.loader(CpuById).load(key)
        return None if row is None else cls.of(row)
