"""Query fields of persisted documents."""

from __future__ import annotations

import strawberry

from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain
from app.documents import list_sql
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.permissions import IsOperator
from app.graphql.relay import TOTAL_COUNT, After, Before, Connection, First, Last
from app.schema.documents.loaders import DocumentRow
from app.schema.documents.types import PersistedDocument


@strawberry.type
class DocumentsQuery:
    @strawberry.field(
        description="All documents that are, or were, served under an id, by name. Operators only.",
        metadata=cache_hints(Domain.DOCUMENTS, max_age=0),
        permission_classes=[IsOperator],
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def documents(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[PersistedDocument]:
        """A page; without `first` and `last` the first 50."""
        request, context = parse_page_arguments(first, after, last, before), info.context
        served = context.resources.documents
        ours = {} if served is None else served.builtin_names
        of_page = context.requested_columns("PersistedDocumentConnection")
        counted = of_page is None or TOTAL_COUNT in of_page
        statement = list_sql.page(ours, request, context.requested_columns("PersistedDocument"), counted)
        async with context.read() as session:
            rows = await session.rows(*statement, DocumentRow)

        async def count() -> int:
            if counted and rows:
                return int(rows[0][TOTAL_COUNT])
            async with context.read() as session:
                return int(await session.scalar(*list_sql.count(ours)))

        return Connection(page=list_sql.BY_NAME.build_page(rows, request), count=count)
