"""Query field of persisted documents."""

from __future__ import annotations

import strawberry

from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain
from app.documents import list_sql
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.permissions import IsOperator
from app.graphql.relay import TOTAL_COUNT, After, Before, Connection, First, Last, requests_total_count
from app.schema.documents.loaders import DocumentRow
from app.schema.documents.types import PersistedDocument


@strawberry.type
class DocumentsQuery:
    @strawberry.field(
        description="Persisted documents that are or were served, ordered by name. Operators only.",
        metadata=cache_hints(Domain.DOCUMENTS, max_age=0),
        permission_classes=[IsOperator],
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def documents(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[PersistedDocument]:
        """Return a page; without `first` and `last`, the first 50 documents."""
        request, context = parse_page_arguments(first, after, last, before), info.context
        documents = context.resources.documents
        builtin_names = {} if documents is None else documents.builtin_names
        counted = requests_total_count(info, "PersistedDocumentConnection")
        statement = list_sql.page(builtin_names, request, context.requested_columns("PersistedDocument"), counted)
        async with context.read() as session:
            rows = await session.rows(*statement, DocumentRow)

        async def count() -> int:
            if counted and rows:
                return int(rows[0][TOTAL_COUNT])
            async with context.read() as session:
                return int(await session.scalar(*list_sql.count(builtin_names)))

        return Connection(page=list_sql.BY_NAME.build_page(rows, request), count=count)
