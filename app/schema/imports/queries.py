"""Query and subscription fields for imports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from app.core.errors import NotFound
from app.core.global_ids import key_from_global_id
from app.core.waiting import wait_for_event
from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import FINAL_IMPORT_STATUSES, Domain
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.permissions import IsOperator
from app.graphql.relay import After, Before, Connection, First, Last
from app.ingestion import session_sql
from app.ingestion.worker.queue_sql import session_topic
from app.schema.imports.loaders import SessionRow
from app.schema.imports.types import ImportSession

SessionId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the import session.")]

# Subscriptions also poll, because notifications are lost while the connection to the database is.
POLL_INTERVAL_SECONDS = 5.0
# Least time between two events while rows finish one after another.
MIN_EVENT_INTERVAL_SECONDS = 0.1


@strawberry.type
class ImportsQuery:
    @strawberry.field(
        description="An import session; null if there is no such session. Operators only.",
        metadata=cache_hints(Domain.WORK, max_age=0),
        permission_classes=[IsOperator],
    )
    async def import_session(self, info: Info, id: SessionId) -> ImportSession | None:  # noqa: A002
        """Return the session."""
        return await ImportSession.load_by_key(info, key_from_global_id(id, "ImportSession"))

    @strawberry.field(
        description="Import sessions, newest first. Operators only.",
        metadata=cache_hints(Domain.WORK, max_age=0),
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
        permission_classes=[IsOperator],
    )
    async def import_sessions(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ImportSession]:
        """Return a page; without `first` and `last`, the 50 newest sessions."""
        request = parse_page_arguments(first, after, last, before)
        context = info.context
        async with context.read() as session:
            rows = await session.rows(
                *session_sql.sessions(request, context.requested_columns("ImportSession")), SessionRow
            )

        async def count() -> int:
            async with context.read() as session:
                return int(await session.scalar(session_sql.COUNT_SESSIONS))

        return Connection(page=session_sql.SESSION_ORDER.build_page(rows, request), count=count)


@strawberry.type
class ImportsSubscription:
    @strawberry.subscription(
        description="The import session now and after each change, until the import has ended. Operators only.",
        permission_classes=[IsOperator],
    )
    async def import_progress(self, info: Info, id: SessionId) -> AsyncGenerator[ImportSession, None]:  # noqa: A002
        """Yield the session after each change. Raises NotFound if there is no such import."""
        key = key_from_global_id(id, "ImportSession")
        resources = info.context.resources
        last: SessionRow | None = None
        async with resources.notifications.subscribe(session_topic(key)) as changed:
            while True:
                changed.clear()
                async with resources.read() as session:
                    rows = await session.rows(session_sql.sessions_by_id(), {"ids": [key]}, SessionRow)
                if not rows:
                    raise NotFound(f'There is no import "{id}".')
                current = rows[0]
                if current != last:
                    yield current
                last = current
                if current["status"] in FINAL_IMPORT_STATUSES:
                    return
                await wait_for_event(changed, POLL_INTERVAL_SECONDS)
                await asyncio.sleep(MIN_EVENT_INTERVAL_SECONDS)
