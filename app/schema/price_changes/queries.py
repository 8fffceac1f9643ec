"""Changes of prices: read, and followed live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated

import strawberry

from app.core.errors import BadInput
from app.core.global_ids import key_of
from app.db.pagination import DEFAULT_PAGE, page_request
from app.db.tables import Domain
from app.events import sql
from app.events.feed import begin, read_on
from app.events.sql import PriceChangeRow
from app.graphql.context import Context
from app.graphql.directives import page_size, reads
from app.graphql.relay import After, Before, Connection, First, Last
from app.schema.price_changes.types import PriceChange

Info = strawberry.Info[Context, None]

MAX_CPUS = 200
# Should a notification be lost with its connection, a follower looks for itself this often.
LOOK_SECONDS = 5.0


@strawberry.type
class EventsQuery:
    @strawberry.field(
        description="Changes of prices that are kept, the oldest first. `last: 1` tells where the list ends now.",
        metadata=reads(Domain.EVENTS, max_age=0),
        directives=[page_size(DEFAULT_PAGE)],
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
        request = page_request(first, after, last, before)
        cpu = None if cpu_id is None else key_of(cpu_id, "CPU")
        context = info.context
        async with context.read() as session:
            if after is not None:
                await begin(session, after)
            rows = await session.rows(*sql.page(request, cpu, context.wanted("PriceChange")), PriceChangeRow)

        async def count() -> int:
            async with context.read() as session:
                return int(await session.scalar(*sql.count(cpu)))

        return Connection(page=sql.OLDEST_FIRST.page(rows, request), count=count)


@strawberry.type
class EventsSubscription:
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
        cpus = None if cpu_ids is None else [key_of(each, "CPU") for each in cpu_ids]
        resources = info.context.resources
        async with resources.changes.follow(Domain.EVENTS) as changed:
            async with resources.read() as session:
                position = await begin(session, since)
            while True:
                changed.clear()
                rows, position, more = await read_on(resources, cpus, position)
                for row in rows:
                    yield row
                if not more:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
