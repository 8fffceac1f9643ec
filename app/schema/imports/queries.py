"""Queries for imports, once and live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Annotated

import strawberry

from app.core.errors import NotFound
from app.core.global_ids import key_of
from app.db.pagination import DEFAULT_PAGE, page_request
from app.db.tables import ENDED_IMPORTS, Domain
from app.graphql.context import Context
from app.graphql.directives import page_size, reads
from app.graphql.permissions import IsOperator
from app.graphql.relay import After, Before, Connection, First, Last
from app.ingestion import session_sql
from app.ingestion.worker.queue_sql import topic
from app.schema.imports.loaders import SessionRow
from app.schema.imports.types import ImportSession

Info = strawberry.Info[Context, None]

SessionId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the session.")]

# Should a notification be lost with its connection, a follower looks for itself this often.
LOOK_SECONDS = 5.0
# While rows end one after the other, followers are told no more often.
LEAST_SECONDS = 0.1


@strawberry.type
class IngestionQuery:
    @strawberry.field(
        description="An import; null when there is none. Operators only.",
        metadata=reads(Domain.WORK, max_age=0),
        permission_classes=[IsOperator],
    )
    async def import_session(self, info: Info, id: SessionId) -> ImportSession | None:  # noqa: A002
        """State, counts and rows."""
        return await ImportSession.with_key(info, key_of(id, "ImportSession"))

    @strawberry.field(
        description="Imports, the newest first. Operators only.",
        metadata=reads(Domain.WORK, max_age=0),
        directives=[page_size(DEFAULT_PAGE)],
        permission_classes=[IsOperator],
    )
    async def import_sessions(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ImportSession]:
        """A page; without `first` and `last` the first 50."""
        request = page_request(first, after, last, before)
        context = info.context
        async with context.read() as session:
            rows = await session.rows(*session_sql.sessions(request, context.wanted("ImportSession")), SessionRow)

        async def count() -> int:
            async with context.read() as session:
                return int(await session.scalar(session_sql.COUNT_SESSIONS))

        return Connection(page=session_sql.NEWEST_FIRST.page(rows, request), count=count)


@strawberry.type
class IngestionSubscription:
    @strawberry.subscription(
        description="An import each time that it moved, now first; ends when the import has. Operators only.",
        permission_classes=[IsOperator],
    )
    async def import_progress(self, info: Info, id: SessionId) -> AsyncGenerator[ImportSession, None]:  # noqa: A002
        """Raises NotFound when there is no such import."""
        key = key_of(id, "ImportSession")
        resources = info.context.resources
        last: SessionRow | None = None
        async with resources.changes.follow(topic(key)) as changed:
            while True:
                changed.clear()
                async with resources.read() as session:
                    rows = await session.rows(session_sql.sessions_by_id(), {"ids": [key]}, SessionRow)
                if not rows:
                    raise NotFound(f'There is no import "{id}".')
                found = rows[0]
                if found != last:
                    # Its rows are read anew for each event.
                    await info.context.close()
                    yield found
                last = found
                if found["status"] in ENDED_IMPORTS:
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
                await asyncio.sleep(LEAST_SECONDS)
