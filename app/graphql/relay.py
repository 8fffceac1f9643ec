"""Relay in the schema: global ids, nodes and connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Generic, Self, TypeVar

import strawberry

from app.core.global_ids import encode_global_id
from app.db.pagination import MAX_CURSOR_LENGTH, Page
from app.graphql.context import Info
from app.graphql.fields import ValueMapping, column, requires
from app.graphql.input_limits import at_most

N = TypeVar("N")

# Pseudo-column that `totalCount` requires: if it is requested, statements that can count select the count, too.
TOTAL_COUNT = "total_count"


First = Annotated[int | None, strawberry.argument(description="Number of items from the start or `after`; 1 to 200.")]
After = Annotated[
    str | None,
    strawberry.argument(description="Cursor after which the page starts.", metadata=at_most(length=MAX_CURSOR_LENGTH)),
]
Last = Annotated[int | None, strawberry.argument(description="Number of items up to the end or `before`; 1 to 200.")]
Before = Annotated[
    str | None,
    strawberry.argument(description="Cursor before which the page ends.", metadata=at_most(length=MAX_CURSOR_LENGTH)),
]


def global_id_mapping(type_name: str) -> ValueMapping:
    """Return the mapping from keys to global ids, which caches them: encoding is the costly part of the field."""
    return ValueMapping(partial(encode_global_id, type_name))


def requests_total_count(info: Info, connection_type: str) -> bool:
    """Return whether the operation selects `totalCount` of this connection type."""
    fields = info.context.requested_columns(connection_type)
    return fields is None or TOTAL_COUNT in fields


def id_field(type_name: str) -> Any:
    """Return the field `id` of a node type that is backed by rows."""
    return column("id", description="Global id; opaque.", mapping=global_id_mapping(type_name))


@strawberry.interface(description="An object with a global id, which is unique among all objects of this API.")
class Node:
    id: strawberry.ID = strawberry.field(description="Global id; opaque.")

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Self | None:
        """Load the object with this key, or None. Each type that `node(id:)` can return implements this."""
        raise NotImplementedError


@strawberry.type(description="Position of a page in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there are items after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there are items before this page.")
    page: strawberry.Private[Page]

    @strawberry.field(description="Cursor of the first item; null on an empty page.")
    def start_cursor(self) -> str | None:
        return self.page.cursor_at(0)

    @strawberry.field(description="Cursor of the last item; null on an empty page.")
    def end_cursor(self) -> str | None:
        return self.page.cursor_at(-1)


@strawberry.type(description="An item of a list and its cursor.")
class Edge(Generic[N]):
    cursor: str = strawberry.field(description="Cursor of this item, for `after` and `before`.")
    node: N = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    page: strawberry.Private[Page]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The items with their cursors.")
    def edges(self) -> list[Edge[N]]:
        return [Edge(cursor=self.page.keyset.encode(row), node=row) for row in self.page.items]

    @strawberry.field(description="The items.")
    def nodes(self) -> list[N]:
        return self.page.items  # type: ignore[return-value]

    @strawberry.field(description="Position of this page in the list.")
    def page_info(self) -> PageInfo:
        return PageInfo(has_next_page=self.page.has_next, has_previous_page=self.page.has_previous, page=self.page)

    @strawberry.field(description="Number of items in the whole list.", metadata=requires(None, TOTAL_COUNT))
    async def total_count(self) -> int:
        return await self.count()
