"""Mutations that request imports of URLs."""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry

from app.db.tables import ImportPriority
from app.graphql.context import Info
from app.graphql.input_limits import MAX_NAME_LENGTH, at_most
from app.graphql.permissions import IsOperator
from app.graphql.scalars import Upload
from app.ingestion.extract.offer import MAX_STORED_URL_LENGTH
from app.ingestion.fetch.url_policy import AllowList
from app.ingestion.requests.import_requests import ImportRequest, request_import, request_url_import
from app.ingestion.requests.url_files import MAX_ROWS, read_url_file
from app.schema.imports.types import ImportSession

Priority = Annotated[
    ImportPriority, strawberry.argument(description="Priority among pages that wait to be fetched; default NORMAL.")
]


@strawberry.type(description="The requested import.")
class IngestPayload:
    session: ImportSession = strawberry.field(description="Session of the import, with its progress and result.")


@strawberry.type
class ImportsMutation:
    @strawberry.mutation(
        description="Fetch a page in the background and store its offers; a page that is being fetched for another "
        "request is not fetched twice. Operators only.",
        permission_classes=[IsOperator],
    )
    async def ingest_url(
        self,
        info: Info,
        url: Annotated[
            str,
            strawberry.argument(
                description="URL of the page: http or https, on a public server.",
                metadata=at_most(length=MAX_STORED_URL_LENGTH),
            ),
        ],
        priority: Priority = ImportPriority.NORMAL,
    ) -> IngestPayload:
        """Request the import of one page."""
        allowed = AllowList.from_entries(info.context.resources.settings.fetch_allow)
        async with info.context.write() as tx:
            key = await request_url_import(tx, url, priority, info.context.viewer.requested_by, allowed)
        return await _payload(info, key)

    @strawberry.mutation(
        description=f"Fetch the pages of a file of URLs, at most {MAX_ROWS:,} rows: CSV with a column `url`, or JSON "
        "such as "
        '`[{"url": "https://..."}]`. A row without a valid URL fails and does not affect the others. Operators only.',
        permission_classes=[IsOperator],
    )
    async def ingest_bulk(
        self,
        info: Info,
        file: Annotated[Upload, strawberry.argument(description="File with URLs, CSV or JSON.")],
        priority: Priority = ImportPriority.NORMAL,
        encoding: Annotated[
            str | None,
            strawberry.argument(
                description="Encoding of a CSV file, such as cp1252; null stands for UTF-8, or the encoding of the "
                "BOM.",
                metadata=at_most(length=MAX_NAME_LENGTH),
            ),
        ] = None,
    ) -> IngestPayload:
        """Request the import of a file."""
        source, rows = await asyncio.to_thread(read_url_file, file, encoding)
        requested_by = info.context.viewer.requested_by
        allowed = AllowList.from_entries(info.context.resources.settings.fetch_allow)
        async with info.context.write() as tx:
            key = await request_import(tx, ImportRequest(source, file.name, priority, requested_by), rows, allowed)
        return await _payload(info, key)


async def _payload(info: Info, key: int) -> IngestPayload:
    session = await ImportSession.load_by_key(info, key)
    assert session is not None
    return IngestPayload(session=session)
