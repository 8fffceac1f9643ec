"""Events as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, cast

import strawberry

from app.core.global_ids import encode_global_id
from app.db.tables import Domain
from app.events.sql import OLDEST_FIRST, PriceChangeRow
from app.graphql.context import Info
from app.graphql.directives import cache_hints
from app.graphql.fields import ValueMapping, column, computed, is_row, requires
from app.graphql.relay import Node
from app.schema.listings.loaders import ListingById
from app.schema.listings.types import CPU, Listing, load_cpu
from app.schema.price_changes.loaders import PriceChangeById


def _cursor(self: Any) -> str:
    return OLDEST_FIRST.encode(self)


@strawberry.type(
    description="A listing got another price: by 1.00 or more, or by 2 % or more, in the currency that it had before. "
    "What gets its first price, loses it, or comes to be offered in another currency is no change."
)
class PriceChange(Node):
    """Its objects are rows of `price_change`."""

    is_type_of = is_row(PriceChangeRow)

    id: strawberry.ID = column(
        "position", description="Global id; opaque.", mapping=ValueMapping(partial(encode_global_id, "PriceChange"))
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
        metadata=requires(cache_hints(Domain.CATALOG, Domain.ANALYTICS), "cpu_id"),
    )

    @strawberry.field(
        description="The listing as it is now; null when it is gone.",
        metadata=requires(cache_hints(Domain.MARKET), "listing_id"),
    )
    async def listing(self: Any, info: Info) -> Listing | None:
        """Batched over all changes of the answer."""
        return cast("Listing | None", await info.context.loader(ListingById).load(self["listing_id"]))

    @classmethod
    async def load_node(cls, info: Info, key: int) -> PriceChange | None:
        """For `node(id:)`."""
        return cast("PriceChange | None", await info.context.loader(PriceChangeById).load(key))
