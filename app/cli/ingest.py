"""`dealmark ingest`: request an import of web pages, as the mutations ingestUrl and ingestBulk do."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.connect import connected_settings, open_resources
from app.core.errors import BadInput

if TYPE_CHECKING:
    from app.bulk_import.uploaded_file import UploadedFile
    from app.settings import Settings

MAX_FILE_BYTES = 4 * 1024 * 1024
REQUESTED_BY = "command line"


class PriorityName(StrEnum):
    """Names of `ImportPriority`, as options of the command."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


def ingest(
    source: Annotated[
        str, typer.Argument(metavar="URL|FILE", help="A URL, or a CSV or JSON file with at most 1,000 URLs.")
    ],
    priority: Annotated[
        PriorityName, typer.Option(help="Pages with a higher priority are fetched first.")
    ] = PriorityName.NORMAL,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all pages are finished.")] = False,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a CSV file that is not UTF-8 and has no BOM.")
    ] = None,
) -> None:
    """Request the worker to fetch web pages and store the listings in them. The exit code is 1 if a page failed."""
    settings, file = connected_settings(), _read_file(source)
    progress, failed_rows = asyncio.run(_ingest(settings, source, file, priority, encoding, wait))
    for position, url, error in failed_rows:
        typer.echo(f"{position}: {url}: {error}", err=True)
    typer.echo(json.dumps(progress))
    raise typer.Exit(1 if progress["failed"] else 0)


async def _ingest(
    settings: Settings, url: str, file: UploadedFile | None, priority: PriorityName, encoding: str | None, wait: bool
) -> tuple[dict[str, Any], list[tuple[int, str, str]]]:
    """Return the counts of the import session, and its failed rows: position, URL and error."""
    from app.db.tables import ImportPriority
    from app.ingestion.fetch.url_policy import AllowList
    from app.ingestion.requests.import_requests import ImportRequest, request_import, request_url_import
    from app.ingestion.requests.progress import failed_rows, session_progress, wait_until_finished
    from app.ingestion.requests.url_files import read_url_file

    allowed, level = AllowList.from_entries(settings.fetch_allow), ImportPriority[priority.name]
    url_file = None if file is None else read_url_file(file, encoding)
    async with open_resources(settings, listen=wait) as resources:
        async with resources.write() as tx:
            if url_file is None or file is None:
                key = await request_url_import(tx, url, level, REQUESTED_BY, allowed)
            else:
                source, rows = url_file
                key = await request_import(tx, ImportRequest(source, file.name, level, REQUESTED_BY), rows, allowed)
        progress = await (wait_until_finished if wait else session_progress)(resources, key)
        return progress, await failed_rows(resources, key)


def _read_file(source: str) -> UploadedFile | None:
    """Return the content of the file, or None if the source is a URL. Raises BadInput."""
    from app.bulk_import.uploaded_file import UploadedFile

    path = Path(source)
    if "://" in source and not path.exists():
        return None
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput(f"{path} is larger than 4 MiB: split it and import the parts.")
        return UploadedFile(path.name, path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} is not a URL, and cannot be read as a file: {error.strerror}.") from None
