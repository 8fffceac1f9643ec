"""Events as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import strawberry

from app.core.global_ids import global_id
from app.db.tables import Domain
from app.events.sql import OLDEST_FIRST, PriceChangeRow
from app.graphql.context import Context
from app.graphql.directives import reads
from app.graphql.fields import Meanings, column, computed, is_row, with_needs
from app.graphql.relay import Node
from app.schema.listings.loaders import ListingById
from app.schema.listings.types import CPU, Listing, load_cpu
from app.schema.price_changes.loaders import PriceChangeById

Info = strawberry.Info[Context, None]


def _cursor(self: Any) -> str:
    return OLDEST_FIRST.cursor(self)


@strawberry.type(
    description="A listing got another price: by 1.00 or more, or by 2 % or more, in the currency that it had before. "
    "What gets its first price, loses it, or comes to be offered in another currency is no change."
)
class PriceChange(Node):
    """Its objects are rows of `price_change`."""

    is_type_of = is_row(PriceChangeRow)

    id: strawberry.ID = column(
        "position", description="Global id; opaque.", mapping=Meanings(partial(global_id, "PriceChange"))
    )
    cursor: str = computed(
        _cursor,
        "position",
        description="Position among all changes: `since` of `priceChanged`, and `after` of `priceChanges`.",
    )
    price_before: float = column("price_before", description="In `currency`, without shipping.")
    price_after: float = column("price_after", description="In `currency`, without shipping.")
    shipping: float | None = column("shipping", description="In `currency`, as of the new price; null when not known.")
    currency: str = column("currency", description="ISO 4217 code.")
    at: datetime = column("at", description="When the price was changed here.")

    cpu: Any = strawberry.field(
        resolver=load_cpu,
        graphql_type=CPU | None,
        description="The CPU that the listing offered then; null when no CPU was certain.",
        metadata=with_needs(reads(Domain.CATALOG, Domain.ANALYTICS), "cpu_id"),
    )

    @strawberry.field(
        description="The listing as it is now; null when it is gone.",
        metadata=with_needs(reads(Domain.MARKET), "listing_id"),
    )
    async def listing(self: Any, info: Info) -> Listing | None:
        """Batched over all changes of the answer."""
        row: Any = await info.context.loader(ListingById).load(self["listing_id"])
        found: Listing | None = row
        return found

    @classmethod
    async def load_node(cls, info: Info, key: int) -> PriceChange | None:
        """For `node(id:)`."""
        row: Any = await info.context.loader(PriceChangeById).load(key)
        found: PriceChange | None = row
        return found
