"""Listings as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry.types.lazy_type import LazyType

from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Condition, Domain, ListingFlag, ListingStatus
from app.graphql.context import Info
from app.graphql.directives import ListSize, cache_hints, connection_size
from app.graphql.enums import graphql_enum
from app.graphql.fields import column, computed, is_row, requires
from app.graphql.relay import After, Before, Connection, First, Last, Node, id_field
from app.market.price_ranges import PriceRange
from app.schema.cpus.loaders import CpuById
from app.schema.listings.loaders import InnerListingRow, ListingById, ListingRow
from app.schema.listings.price_history_loaders import LifecycleKey, Lifecycles, PointsKey, PriceCounts, PricePages
from app.schema.listings.price_history_types import (
    DEFAULT_EVENTS,
    EventCountArgument,
    ListingEvent,
    ListingPrice,
    RangeArgument,
    check_event_count,
)
from app.schema.valuation.types import ListingStorage, Valuation, flags_of, storage_of, valuation_of

graphql_enum(
    Condition,
    "Condition of an offer, best first.",
    {
        "NEW": "Never used, in its package.",
        "OPEN_BOX": "As new, but the package was opened.",
        "REFURBISHED": "Used, then tested and mended by the seller.",
        "USED": "Used and working.",
        "FOR_PARTS": "Not working, or sold as such; never counts as a price.",
        "UNKNOWN": "The offer does not tell.",
    },
)
graphql_enum(
    ListingStatus,
    "Whether an offer can still be bought.",
    {
        "ACTIVE": "It can be bought; the only status whose price counts.",
        "PENDING": "Reserved, or not open yet.",
        "SOLD": "Somebody bought it.",
        "ENDED": "No longer offered.",
    },
)


# By name: `app.schema.cpus.types` imports this module.
CPU: Any = LazyType("CPU", "app.schema.cpus.types")


async def load_cpu(self: Any, info: Info) -> Any:
    """Return the CPU row of the row's `cpu_id`, or None. Batched over all rows of the response."""
    key = self["cpu_id"]
    return None if key is None else await info.context.loader(CpuById).load(key)


@strawberry.type(description="An offer of a CPU on a marketplace.")
class Listing(Node):
    """Its objects are rows of listing columns."""

    is_type_of = is_row(ListingRow, InnerListingRow)

    id: strawberry.ID = id_field("Listing")
    title: str = column("title", description="As the seller wrote it.")
    url: str | None = column("url", description="Page of the offer.")
    marketplace: str = column("marketplace", description="Where it is offered.")
    seller: str | None = column("seller", description="Who offers it.")
    condition: Condition = column("condition", description="New, used, ...; UNKNOWN where the offer does not tell.")
    status: ListingStatus = column("status", description="Whether it can still be bought.")
    price: float | None = column("price", description="In `currency`, without shipping; null when not known.")
    shipping: float | None = column("shipping", description="In `currency`; null when not known.")
    currency: str = column("currency", description="ISO 4217 code.")
    adjusted_price: float | None = column(
        "adjusted_price",
        description="USD, with shipping, less what is offered beside the CPU: what price targets are made of. Null "
        "without a price, in a currency that no rate is known of, for offers that are for parts, bundles, lots and "
        "auctions, and where the other parts alone are worth as much; see `valuation`.",
    )
    valuation: Valuation | None = computed(
        valuation_of,
        *("adjusted_price", "currency", "valuation"),
        description="How the adjusted price was found; null where there is none to find: without a price, without a "
        "rate, for parts, and for several in one.",
    )
    memory_gb: int | None = column("memory_gb", description="Memory that is offered with it, GB; null: none is told.")
    memory_kind: str | None = column("memory_kind", description="DDR3, DDR4, LPDDR5 ...; null when not told.")
    storage: list[ListingStorage] = computed(storage_of, "storage", description="Drives that are offered with it.")
    graphics: str | None = column("graphics", description="Graphics card that is offered with it; null: none is told.")
    operating_system: str | None = column("operating_system", description="With its edition; null: none is told.")
    quantity: int = column("quantity", description="How many CPUs; an offer of more than one has no adjusted price.")
    flags: list[ListingFlag] = computed(
        flags_of, "flags", description="Why its price is not that of one thing that can be bought; usually empty."
    )
    first_seen_at: datetime = column(
        "first_seen_at",
        description="When it was first seen, as far as is known by now: a file may tell later what was seen earlier.",
    )
    last_seen_at: datetime = column("seen_at", description="When it was last found where it is offered.")
    missing_since: datetime | None = column(
        "missing_since",
        description="Since when it is not found any more, though nobody says that it has ended; null otherwise.",
    )
    images: list[str] = column("images", description="URLs of pictures, those of the page's own choice first.")
    created_at: datetime = column("created_at", description="When it was first known here.")
    updated_at: datetime = column("updated_at", description="When it last changed here.")

    cpu: Any = strawberry.field(
        resolver=load_cpu,
        graphql_type=CPU | None,
        description="The CPU it offers; null when no CPU is certain.",
        metadata=requires(cache_hints(Domain.CATALOG, Domain.ANALYTICS), "cpu_id"),
    )

    @strawberry.field(
        description="What befell it, newest first.",
        metadata=requires(cache_hints(Domain.MARKET), "id"),
        directives=[ListSize(assumed_size=DEFAULT_EVENTS, slicing_arguments=["first"])],
    )
    async def lifecycle(self: Any, info: Info, first: EventCountArgument = DEFAULT_EVENTS) -> list[ListingEvent]:
        """Batched over all listings of the answer."""
        key = LifecycleKey(self["id"], check_event_count(first))
        found: list[Any] = list(await info.context.loader(Lifecycles).load(key))
        return found

    @strawberry.field(
        description="What it cost, newest first: a point each time that the price, what it counts for, or whether it "
        "could be bought, was seen to change, and each time that an import tells of. With a range, the points since "
        "its begin.",
        metadata=requires(cache_hints(Domain.MARKET, time_dependent=True), "id"),
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def price_history(
        self: Any,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        range: RangeArgument = PriceRange.ALL,  # noqa: A002
    ) -> Connection[ListingPrice]:
        """Batched over all listings of the answer."""
        key, within = self["id"], range
        request = parse_page_arguments(first, after, last, before)
        page = await info.context.loader(PricePages).load(PointsKey.of(key, within, request))

        async def count() -> int:
            return await info.context.loader(PriceCounts).load((key, within))

        return Connection(page=page, count=count)

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Listing | None:
        """For `node(id:)`."""
        return cast("Listing | None", await info.context.loader(ListingById).load(key))


@strawberry.type(description="A bar of a histogram of active prices.")
class PriceBin:
    lo: float = column("lo", description="USD; lower bound, included.")
    hi: float = column("hi", description="USD; upper bound, excluded but for the last bin.")
    count: int = column("prices", description="Active prices between the bounds.")
