"""Listings as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from sqlalchemy import Row

from app.catalog.loaders import CpuById
from app.context import Context
from app.directives import reads
from app.graphql_enums import graphql_enum
from app.market.loaders import Bin, ListingById
from app.relay import Node, global_id
from app.tables import Condition, Domain, ListingStatus

if TYPE_CHECKING:
    from app.catalog.types import CPU

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

Info = strawberry.Info[Context, None]


def dollars(amount: Decimal | None) -> float | None:
    """Money as GraphQL's Float; two decimals survive that exactly as written."""
    return None if amount is None else float(amount)


@strawberry.type(description="An offer of a CPU on a marketplace.")
class Listing(Node):
    title: str = strawberry.field(description="As the seller wrote it.")
    url: str | None = strawberry.field(description="Page of the offer.")
    marketplace: str = strawberry.field(description="Where it is offered.")
    seller: str | None = strawberry.field(description="Who offers it.")
    condition: Condition = strawberry.field(description="New, used, ...; UNKNOWN where the offer does not tell.")
    status: ListingStatus = strawberry.field(description="Whether it can still be bought.")
    price: float | None = strawberry.field(description="In `currency`, without shipping; null when not known.")
    shipping: float | None = strawberry.field(description="In `currency`; null when not known.")
    currency: str = strawberry.field(description="ISO 4217 code.")
    adjusted_price: float | None = strawberry.field(
        description="USD, with shipping: what price targets are made of. Null without a price, in a currency that "
        "cannot be converted, and for offers that are for parts."
    )
    created_at: datetime = strawberry.field(description="When it was first known here.")
    updated_at: datetime = strawberry.field(description="When it last changed here.")
    cpu_id: strawberry.Private[int | None]

    @strawberry.field(
        description="The CPU it offers; null when no CPU is certain.",
        metadata=reads(Domain.CATALOG, Domain.ANALYTICS),
    )
    async def cpu(self, info: Info) -> Annotated[CPU, strawberry.lazy("app.catalog.types")] | None:
        """Batched over all listings of the answer."""
        from app.catalog.types import CPU  # the two types name each other

        row = None if self.cpu_id is None else await info.context.loader(CpuById).load(self.cpu_id)
        return None if row is None else CPU.of(row)

    @classmethod
    def of(cls, row: Row[Any]) -> Listing:
        """From a row of listing columns."""
        return cls(
            id=global_id("Listing", row.id),
            title=row.title,
            url=row.url,
            marketplace=row.marketplace,
            seller=row.seller,
            condition=Condition(row.condition),
            status=ListingStatus(row.status),
            price=dollars(row.price),
            shipping=dollars(row.shipping),
            currency=row.currency,
            adjusted_price=dollars(row.adjusted_price),
            created_at=row.created_at,
            updated_at=row.updated_at,
            cpu_id=row.cpu_id,
        )

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Listing | None:
        """For `node(id:)`."""
        row = await info.context.loader(ListingById).load(key)
        return None if row is None else cls.of(row)


@strawberry.type(description="A bar of a histogram of active prices.")
class PriceBin:
    lo: float = strawberry.field(description="USD; lower bound, included.")
    hi: float = strawberry.field(description="USD; upper bound, excluded but for the last bin.")
    count: int = strawberry.field(description="Active prices between the bounds.")

    @classmethod
    def of(cls, found: Bin) -> PriceBin:
        """From a loaded bin."""
        return cls(lo=float(round(found.lo, 4)), hi=float(round(found.hi, 4)), count=found.count)
