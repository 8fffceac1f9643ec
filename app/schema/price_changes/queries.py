"""Changes of prices: read, and followed live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated

import strawberry

from app.core.errors import BadInput
from app.core.global_ids import key_from_global_id
from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain
from app.events import sql
from app.events.feed import read_after, start_position
from app.events.sql import PriceChangeRow
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.relay import After, Before, Connection, First, Last
from app.schema.price_changes.types import PriceChange

MAX_CPUS = 200
# Should a notification be lost with its connection, a follower looks for itself this often.
POLL_INTERVAL_SECONDS = 5.0


@strawberry.type
class PriceChangesQuery:
    @strawberry.field(
        description="Changes of prices that are kept, the oldest first. `last: 1` tells where the list ends now.",
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
        cpu_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only of this CPU.")] = None,
    ) -> Connection[PriceChange]:
        """A page; without `first` and `last` the first 50. Raises ExpiredCursor where changes would be missing."""
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
        description="Changes of prices, each once, in an order that is the same for everybody. Whoever passes the "
        "`cursor` of the last one that arrived as `since` goes on right after it, with nothing lost or repeated."
    )
    async def price_changed(
        self,
        info: Info,
        cpu_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description=f"Only of these CPUs, at most {MAX_CPUS}; without it, of all listings."),
        ] = None,
        since: Annotated[
            str | None,
            strawberry.argument(
                description="Cursor of a change: begin after it. An empty text: with the oldest that is kept. Without "
                "it, with what comes from now on."
            ),
        ] = None,
    ) -> AsyncGenerator[PriceChange, None]:
        """Raises BadInput, BadCursor and ExpiredCursor."""
        if cpu_ids is not None and len(cpu_ids) > MAX_CPUS:
            raise BadInput(f"`cpuIds` takes at most {MAX_CPUS} ids.")
        cpus = None if cpu_ids is None else [key_from_global_id(each, "CPU") for each in cpu_ids]
        resources = info.context.resources
        async with resources.notifications.subscribe(Domain.EVENTS) as changed:
            async with resources.read() as session:
                position = await start_position(session, since)
            while True:
                changed.clear()
                rows, position, more = await read_after(resources, cpus, position)
                for row in rows:
                    yield row
                if not more:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), POLL_INTERVAL_SECONDS)
