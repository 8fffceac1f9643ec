"""GraphQL types of listings."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry.types.lazy_type import LazyType

from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Condition, Domain, ListingFlag, ListingStatus
from app.graphql.context import Info
from app.graphql.directives import CostWeight, ListSize, cache_hints, connection_size
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
        "NEW": "New, in its original package.",
        "OPEN_BOX": "As new, but the package has been opened.",
        "REFURBISHED": "Used, then tested and repaired by the seller.",
        "USED": "Used and working.",
        "FOR_PARTS": "Not working or sold as not working; never has an adjusted price.",
        "UNKNOWN": "The offer does not state a condition.",
    },
)
graphql_enum(
    ListingStatus,
    "Availability of an offer.",
    {
        "ACTIVE": "Available; prices of offers with other statuses do not count.",
        "PENDING": "Reserved or not available yet.",
        "SOLD": "Sold.",
        "ENDED": "Not offered any more.",
    },
)


# A lazy type, because `app.schema.cpus.types` imports this module.
CPU: Any = LazyType("CPU", "app.schema.cpus.types")


async def load_cpu(self: Any, info: Info) -> Any:
    """Return the CPU row of the row's `cpu_id`, or None. Batched over all rows of the response."""
    key = self["cpu_id"]
    return None if key is None else await info.context.loader(CpuById).load(key)


@strawberry.type(description="An offer of a CPU on a marketplace.")
class Listing(Node):
    """Objects are instances of ListingRow or InnerListingRow."""

    is_type_of = is_row(ListingRow, InnerListingRow)

    id: strawberry.ID = id_field("Listing")
    title: str = column("title", description="Title as the seller wrote it.")
    url: str | None = column("url", description="URL of the page of the offer; null if unknown.")
    marketplace: str = column("marketplace", description="Name of the marketplace.")
    seller: str | None = column("seller", description="Name of the seller; null if unknown.")
    condition: Condition = column("condition", description="Condition of the item.")
    status: ListingStatus = column("status", description="Availability of the offer.")
    price: float | None = column("price", description="Price without shipping, in `currency`; null if unknown.")
    shipping: float | None = column("shipping", description="Shipping cost in `currency`; null if unknown.")
    currency: str = column("currency", description="Currency of price and shipping, an ISO 4217 code.")
    adjusted_price: float | None = column(
        "adjusted_price",
        description="Price of the CPU in USD, from which price targets are computed: price and shipping minus "
        "deductions for other components, see `valuation`. Null without a price, in a currency without a rate, for "
        "parts, bundles, lots and auctions, and if the deductions reach the price.",
    )
    valuation: Valuation | None = computed(
        valuation_of,
        *("adjusted_price", "currency", "valuation"),
        description="How the adjusted price is computed; null without a price, in a currency without a rate, for "
        "parts, bundles, lots and auctions.",
    )
    memory_gb: int | None = column(
        "memory_gb", description="Memory included in the offer, in GB; null if none is mentioned."
    )
    memory_kind: str | None = column(
        "memory_kind", description="Type of the memory, such as DDR4; null if not mentioned."
    )
    storage: list[ListingStorage] = computed(
        storage_of, "storage", description="Drives included in the offer; empty if none are mentioned."
    )
    graphics: str | None = column(
        "graphics", description="Graphics card included in the offer; null if none is mentioned."
    )
    operating_system: str | None = column(
        "operating_system",
        description="Operating system with its edition, included in the offer; null if none is mentioned.",
    )
    quantity: int = column("quantity", description="Number of CPUs; an offer of more than one has no adjusted price.")
    flags: list[ListingFlag] = computed(
        flags_of, "flags", description="Reasons why the price is not the price of one CPU; usually empty."
    )
    first_seen_at: datetime = column(
        "first_seen_at",
        description="Time of the first observation. An import can add earlier observations later.",
    )
    last_seen_at: datetime = column("seen_at", description="Time of the last observation of the offer.")
    missing_since: datetime | None = column(
        "missing_since",
        description="Time since which checks do not find the offer, although it has not ended; null otherwise.",
    )
    images: list[str] = column("images", description="URLs of pictures, the main picture of the page first.")
    created_at: datetime = column("created_at", description="Time when the listing was created in this database.")
    updated_at: datetime = column("updated_at", description="Time when the listing last changed in this database.")

    cpu: Any = strawberry.field(
        resolver=load_cpu,
        graphql_type=CPU | None,
        description="The CPU that is offered; null if it is uncertain.",
        metadata=requires(cache_hints(Domain.CATALOG, Domain.ANALYTICS), "cpu_id"),
    )

    @strawberry.field(
        description="Changes in the availability of the offer, newest first.",
        metadata=requires(cache_hints(Domain.MARKET), "id"),
        directives=[ListSize(assumed_size=DEFAULT_EVENTS, slicing_arguments=["first"]), CostWeight(weight=2)],
    )
    async def lifecycle(self: Any, info: Info, first: EventCountArgument = DEFAULT_EVENTS) -> list[ListingEvent]:
        """Return the events; batched over all listings of the response."""
        key = LifecycleKey(self["id"], check_event_count(first))
        return cast("list[ListingEvent]", list(await info.context.loader(Lifecycles).load(key)))

    @strawberry.field(
        description="Price history, newest first: a point for each change of price, adjusted price or availability, "
        "and for each observation of an import, from the start of the range.",
        metadata=requires(cache_hints(Domain.MARKET, time_dependent=True), "id"),
        directives=[connection_size(DEFAULT_PAGE_SIZE), CostWeight(weight=2)],
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
        """Return a page of the history; batched over all listings of the response."""
        key, price_range = self["id"], range
        request = parse_page_arguments(first, after, last, before)
        page = await info.context.loader(PricePages).load(PointsKey.of(key, price_range, request))

        async def count() -> int:
            return await info.context.loader(PriceCounts).load((key, price_range))

        return Connection(page=page, count=count)

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Listing | None:
        """Return the listing with this key, or None."""
        return cast("Listing | None", await info.context.loader(ListingById).load(key))


@strawberry.type(description="A bin of a histogram of active prices.")
class PriceBin:
    lo: float = column("lo", description="Lower bound in USD, inclusive.")
    hi: float = column("hi", description="Upper bound in USD, exclusive except in the last bin.")
    count: int = column("prices", description="Number of active prices in the bin.")
