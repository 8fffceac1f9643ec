"""Query and subscription fields for price changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, cast

import strawberry

from app.core.global_ids import key_from_global_id
from app.core.waiting import wait_for_event
from app.db.pagination import DEFAULT_PAGE_SIZE, MAX_CURSOR_LENGTH, parse_page_arguments
from app.db.tables import Domain
from app.events import sql
from app.events.feed import read_after, start_position
from app.events.sql import PriceChangeRow
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.event_batch import EventBatch
from app.graphql.input_limits import at_most
from app.graphql.relay import After, Before, Connection, First, Last
from app.schema.price_changes.types import PriceChange

MAX_CPUS = 200
# Subscriptions also poll, because notifications are lost while the connection to the database is.
POLL_INTERVAL_SECONDS = 5.0


@strawberry.type
class PriceChangesQuery:
    @strawberry.field(
        description="Stored price changes, oldest first. Use `last: 1` for the end of the list.",
        metadata=cache_hints(Domain.EVENTS, max_age=0),
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def price_changes(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        cpu_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Global id of a CPU, to return only its price changes; null returns all."),
        ] = None,
    ) -> Connection[PriceChange]:
        """Return a page; without `first` and `last`, the 50 oldest.

        Raises ExpiredCursor if changes after the cursor have been deleted.
        """
        request = parse_page_arguments(first, after, last, before)
        cpu = None if cpu_id is None else key_from_global_id(cpu_id, "CPU")
        context = info.context
        async with context.read() as session:
            if after is not None:
                await start_position(session, after)
            rows = await session.rows(*sql.page(request, cpu, context.requested_columns("PriceChange")), PriceChangeRow)

        async def count() -> int:
            async with context.read() as session:
                return int(await session.scalar(*sql.count(cpu)))

        return Connection(page=sql.OLDEST_FIRST.build_page(rows, request), count=count)


@strawberry.type
class PriceChangesSubscription:
    @strawberry.subscription(
        description="Price changes, each once and in the same order for all subscribers. A subscription with the "
        "`cursor` of the last received change as `since` continues after it without losing or repeating changes."
    )
    async def price_changed(
        self,
        info: Info,
        cpu_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description="Global ids of CPUs; null stands for all listings.", metadata=at_most(values=MAX_CPUS)
            ),
        ] = None,
        since: Annotated[
            str | None,
            strawberry.argument(
                description="Cursor of the change to continue after; an empty string starts with the oldest stored "
                "change, null with the next change.",
                metadata=at_most(length=MAX_CURSOR_LENGTH),
            ),
        ] = None,
    ) -> AsyncGenerator[PriceChange, None]:
        """Yield price changes. Raises BadInput, BadCursor or ExpiredCursor for invalid arguments."""
        cpus = None if cpu_ids is None else [key_from_global_id(cpu_id, "CPU") for cpu_id in dict.fromkeys(cpu_ids)]
        resources = info.context.resources
        async with resources.notifications.subscribe(Domain.EVENTS) as changed:
            async with resources.read() as session:
                position = await start_position(session, since)
            while True:
                changed.clear()
                rows, position, more = await read_after(resources, cpus, position)
                if rows:
                    yield cast("PriceChange", EventBatch(rows))
                if not more:
                    await wait_for_event(changed, POLL_INTERVAL_SECONDS)
