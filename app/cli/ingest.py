"""`dealmark ingest`: has pages fetched and stored by the worker, as ingestUrl and ingestBulk do."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.connect import connected_settings, told_plainly
from app.core.errors import BadInput

if TYPE_CHECKING:
    from app.bulk_import.uploaded_file import UploadedFile
    from app.settings import Settings

LARGEST_FILE = 4 * 1024 * 1024
REQUESTED_BY = "command line"


class PriorityName(StrEnum):
    """Names of `ImportPriority`."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


def ingest(
    what: Annotated[str, typer.Argument(metavar="URL|FILE", help="A URL, or a CSV or JSON file of at most 1,000.")],
    priority: Annotated[PriorityName, typer.Option(help="What comes first.")] = PriorityName.NORMAL,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until all rows have ended.")] = False,
    encoding: Annotated[str | None, typer.Option(help="Of CSV that is neither UTF-8 nor begins with a BOM.")] = None,
) -> None:
    """Have the worker fetch a page, or those of a file, and store what they offer; exits with 1 when any row failed."""
    settings, file = connected_settings(), _file(what)
    session, failed_rows = asyncio.run(_ingest(settings, what, file, priority, encoding, wait))
    for position, url, error in failed_rows:
        typer.echo(f"{position}: {url}: {error}", err=True)
    typer.echo(json.dumps(session))
    raise typer.Exit(1 if session["failed"] else 0)


async def _ingest(
    settings: Settings, url: str, file: UploadedFile | None, priority: PriorityName, encoding: str | None, wait: bool
) -> tuple[dict[str, Any], list[tuple[int, str, str]]]:
    """What the session counts, and its rows that failed."""
    from app.db.tables import ImportPriority
    from app.ingestion.fetch.url_policy import AllowList
    from app.ingestion.requests.import_requests import ImportRequest, request_import, request_url_import
    from app.ingestion.requests.progress import failed_rows, session_progress, wait_until_finished
    from app.ingestion.requests.url_files import read_url_file
    from app.resources import Resources

    allowed, level = AllowList.from_entries(settings.fetch_allow), ImportPriority[priority.name]
    given = None if file is None else read_url_file(file, encoding)
    with told_plainly():
        async with Resources.open(settings, listen=wait) as resources:
            async with resources.write() as tx:
                if given is None or file is None:
                    key = await request_url_import(tx, url, level, REQUESTED_BY, allowed)
                else:
                    source, rows = given
                    key = await request_import(tx, ImportRequest(source, file.name, level, REQUESTED_BY), rows, allowed)
            found = await (wait_until_finished if wait else session_progress)(resources, key)
            return found, await failed_rows(resources, key)


def _file(what: str) -> UploadedFile | None:
    """The file, all of it; None when it is a URL. Raises BadInput when it cannot be read."""
    from app.bulk_import.uploaded_file import UploadedFile

    path = Path(what)
    if "://" in what and not path.exists():
        return None
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(f"{path} is larger than 4 MiB: import it in parts.")
        return UploadedFile(path.name, path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} is no URL, and as a file it cannot be read: {error.strerror}.") from None
