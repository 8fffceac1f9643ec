"""GraphQL type of price changes."""

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
    description="A change of the price of a listing by at least 1.00 or at least 2 % within the same currency. A "
    "first price, the loss of a price and a change of currency are not price changes."
)
class PriceChange(Node):
    """Objects are instances of PriceChangeRow."""

    is_type_of = is_row(PriceChangeRow)

    id: strawberry.ID = column(
        "position",
        description="Global id of the price change.",
        mapping=ValueMapping(partial(encode_global_id, "PriceChange")),
    )
    cursor: str = computed(
        _cursor,
        "position",
        description="Position among all price changes, for `since` of `priceChanged` and `after` of `priceChanges`.",
    )
    price_before: float = column("price_before", description="Price before the change, in `currency` without shipping.")
    price_after: float = column("price_after", description="Price after the change, in `currency` without shipping.")
    shipping: float | None = column(
        "shipping", description="Shipping cost after the change, in `currency`; null if unknown."
    )
    currency: str = column("currency", description="Currency of the prices, an ISO 4217 code.")
    at: datetime = column("at", description="Time when the change was stored.")

    cpu: Any = strawberry.field(
        resolver=load_cpu,
        graphql_type=CPU | None,
        description="The CPU that the listing offered at that time; null if it was uncertain.",
        metadata=requires(cache_hints(Domain.CATALOG, Domain.ANALYTICS), "cpu_id"),
    )

    @strawberry.field(
        description="The listing in its current state; null if it does not exist any more.",
        metadata=requires(cache_hints(Domain.MARKET), "listing_id"),
    )
    async def listing(self: Any, info: Info) -> Listing | None:
        """Return the listing; batched over all changes of the response."""
        return cast("Listing | None", await info.context.loader(ListingById).load(self["listing_id"]))

    @classmethod
    async def load_node(cls, info: Info, key: int) -> PriceChange | None:
        """Return the price change with this key, or None."""
        return cast("PriceChange | None", await info.context.loader(PriceChangeById).load(key))
