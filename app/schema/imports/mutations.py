"""The mutations that ask for imports."""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry

from app.db.tables import ImportPriority
from app.graphql.context import Info
from app.graphql.permissions import IsOperator
from app.graphql.scalars import Upload
from app.ingestion.fetch.url_policy import AllowList
from app.ingestion.requests.import_requests import ImportRequest, request_import, request_url_import
from app.ingestion.requests.url_files import MAX_ROWS, read_url_file
from app.schema.imports.types import ImportSession

Priority = Annotated[ImportPriority, strawberry.argument(description="What comes first.")]


@strawberry.type(description="An import that was asked for.")
class IngestPayload:
    session: ImportSession = strawberry.field(description="Where its progress and outcome can be followed.")


@strawberry.type
class ImportsMutation:
    @strawberry.mutation(
        description="Fetches a page in the background and stores what it offers. Operators only. "
        "A page that is being fetched for somebody else already is not fetched twice.",
        permission_classes=[IsOperator],
    )
    async def ingest_url(
        self,
        info: Info,
        url: Annotated[str, strawberry.argument(description="http or https, of a public server.")],
        priority: Priority = ImportPriority.NORMAL,
    ) -> IngestPayload:
        """One write."""
        allowed = AllowList.from_entries(info.context.resources.settings.fetch_allow)
        async with info.context.write() as tx:
            key = await request_url_import(tx, url, priority, info.context.viewer.subject or "unknown", allowed)
        return await _payload(info, key)

    @strawberry.mutation(
        description=f"The same for a file of URLs, at most {MAX_ROWS:,}: CSV with a column `url`, or JSON like "
        '`[{"url": "https://..."}]`. A row that is no URL fails alone. Operators only.',
        permission_classes=[IsOperator],
    )
    async def ingest_bulk(
        self,
        info: Info,
        file: Annotated[Upload, strawberry.argument(description="CSV or JSON.")],
        priority: Priority = ImportPriority.NORMAL,
        encoding: Annotated[
            str | None, strawberry.argument(description="Of CSV that is neither UTF-8 nor begins with a BOM.")
        ] = None,
    ) -> IngestPayload:
        """One write."""
        source, rows = await asyncio.to_thread(read_url_file, file, encoding)
        requested_by = info.context.viewer.subject or "unknown"
        allowed = AllowList.from_entries(info.context.resources.settings.fetch_allow)
        async with info.context.write() as tx:
            key = await request_import(tx, ImportRequest(source, file.name, priority, requested_by), rows, allowed)
        return await _payload(info, key)


async def _payload(info: Info, key: int) -> IngestPayload:
    session = await ImportSession.with_key(info, key)
    assert session is not None
    return IngestPayload(session=session)
