"""Who asks, which documents there are, and news of data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated

import strawberry

from app.clients.loaders import DocumentRow
from app.clients.types import DataChange, PersistedDocument, ViewerFacts
from app.core.errors import BadInput
from app.db.pagination import DEFAULT_PAGE, page_request
from app.db.tables import Domain
from app.documents import list_sql
from app.graphql.context import Context
from app.graphql.directives import page_size, reads
from app.graphql.permissions import IsOperator
from app.graphql.relay import TOTAL_COUNT, After, Before, Connection, First, Last

Info = strawberry.Info[Context, None]

# From one event to the next at least: whatever commits meanwhile is one event.
PAUSE_SECONDS = 1.0


@strawberry.type
class ClientsQuery:
    @strawberry.field(
        description="Who asks: a token that is not valid is an error, so this tells whether one is.",
        metadata=reads(max_age=0, own=True),
    )
    def viewer(self, info: Info) -> ViewerFacts:
        """Of the request itself."""
        return ViewerFacts.of(info.context.viewer)

    @strawberry.field(
        description="All documents that are, or were, served under an id, by name. Operators only.",
        metadata=reads(Domain.DOCUMENTS, max_age=0),
        permission_classes=[IsOperator],
        directives=[page_size(DEFAULT_PAGE)],
    )
    async def documents(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[PersistedDocument]:
        """A page; without `first` and `last` the first 50."""
        request, context = page_request(first, after, last, before), info.context
        served = context.resources.documents
        ours = {} if served is None else served.ours
        of_page = context.wanted("PersistedDocumentConnection")
        counted = of_page is None or TOTAL_COUNT in of_page
        statement = list_sql.page(ours, request, context.wanted("PersistedDocument"), counted)
        async with context.read() as session:
            rows = await session.rows(*statement, DocumentRow)

        async def count() -> int:
            if counted and rows:
                return int(rows[0][TOTAL_COUNT])
            async with context.read() as session:
                return int(await session.scalar(*list_sql.count(ours)))

        return Connection(page=list_sql.BY_NAME.page(rows, request), count=count)


@strawberry.type
class ClientsSubscription:
    @strawberry.subscription(
        description="News of data that changed, so that what is shown can be asked for anew. The first event, at once, "
        f"tells the state; each next one comes as soon as a commit changed something, at most one every "
        f"{PAUSE_SECONDS:g} s."
    )
    async def data_changed(
        self,
        info: Info,
        domains: Annotated[
            list[Domain] | None, strawberry.argument(description="What to follow, at least one; null: everything.")
        ] = None,
    ) -> AsyncGenerator[DataChange, None]:
        """Asks the database nothing: what a process hears of commits is enough."""
        followed = _followed(domains)
        changes = info.context.resources.changes
        told: Mapping[Domain, int] | None = None
        async with changes.follow(*followed) as changed:
            while True:
                changed.clear()
                versions = changes.current()
                if versions is not None:  # else nothing is known for certain; once it is, followers are woken
                    now = {domain: versions.get(domain, 0) for domain in followed}
                    if now != told:
                        yield DataChange.between(told or {}, now)
                        told = now
                        await asyncio.sleep(PAUSE_SECONDS)
                        continue
                await changed.wait()


def _followed(given: Sequence[Domain] | None) -> list[Domain]:
    """Once each, sorted by name. Raises BadInput when there is none."""
    if given is not None and not given:
        raise BadInput("`domains` is empty: leave it out to follow everything.")
    return sorted(set(Domain if given is None else given), key=lambda domain: domain.name)
