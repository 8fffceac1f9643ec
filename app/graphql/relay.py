"""The Relay parts of the schema: global ids, nodes and connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Generic, Self, TypeVar

import strawberry

from app.core.global_ids import global_id
from app.db.pagination import Page
from app.graphql.fields import Meanings, column, with_needs

if TYPE_CHECKING:
    from app.graphql.context import Info

N = TypeVar("N")

# What `totalCount` needs: statements that can tell it beside the rows do so when it is asked for.
TOTAL_COUNT = "total_count"


First = Annotated[int | None, strawberry.argument(description="How many, from the start or after `after`; 1 to 200.")]
After = Annotated[str | None, strawberry.argument(description="Cursor to start after.")]
Last = Annotated[int | None, strawberry.argument(description="How many, from the end or before `before`; 1 to 200.")]
Before = Annotated[str | None, strawberry.argument(description="Cursor to end before.")]


def ids_of(type_name: str) -> Meanings:
    """From keys to global ids. Made once per row, because making one takes longer than all else about a row's field."""
    return Meanings(partial(global_id, type_name))


def node_id(type_name: str) -> Any:
    """The field `id` of a node whose source is a row."""
    return column("id", description="Global id; opaque.", mapping=ids_of(type_name))


@strawberry.interface(description="An object with an id that is unique among all objects of this API.")
class Node:
    id: strawberry.ID = strawberry.field(description="Global id; opaque.")

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Self | None:
        """The object with this key, or None. Each type that can be found by `node(id:)` says how."""
        raise NotImplementedError


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there is more before this page.")
    page: strawberry.Private[Page]

    @strawberry.field(description="Cursor of the first item; null on an empty page.")
    def start_cursor(self) -> str | None:
        """Made when asked for."""
        return self.page.cursor(0)

    @strawberry.field(description="Cursor of the last item; null on an empty page.")
    def end_cursor(self) -> str | None:
        """Made when asked for."""
        return self.page.cursor(-1)


@strawberry.type(description="An item of a list and its position.")
class Edge(Generic[N]):
    cursor: str = strawberry.field(description="Position of this item, for `after` and `before`.")
    node: N = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    page: strawberry.Private[Page]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The items with their cursors.")
    def edges(self) -> list[Edge[N]]:
        """Made when asked for."""
        return [Edge(cursor=self.page.keyset.cursor(row), node=row) for row in self.page.items]

    @strawberry.field(description="The items.")
    def nodes(self) -> list[N]:
        """The rows themselves are the nodes."""
        return self.page.items  # type: ignore[return-value]

    @strawberry.field(description="Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        """Cheap: its cursors are not made yet."""
        return PageInfo(has_next_page=self.page.has_next, has_previous_page=self.page.has_previous, page=self.page)

    @strawberry.field(description="How many items the whole list has.", metadata=with_needs(None, TOTAL_COUNT))
    async def total_count(self) -> int:
        """Counted only when asked for."""
        return await self.count()
