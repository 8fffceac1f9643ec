"""Create import requests: a session with one row per URL. Workers claim its fetches after the transaction commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import BadInput
from app.db.tables import Domain, ImportPriority, ImportSource
from app.db.transaction import Transaction
from app.ingestion.extract.offer import MAX_STORED_URL_LENGTH, clean_text
from app.ingestion.fetch.errors import IngestionError, UrlRejected
from app.ingestion.fetch.url_policy import DEFAULT_PORTS, AllowList, FetchTarget, parse_url
from app.ingestion.worker import queue_sql

MAX_FILE_NAME_LENGTH = 200  # characters
ROW_REFUSED = "ROW_REFUSED"


@dataclass(frozen=True, slots=True)
class RequestedRow:
    """A row of a request. `error` is set if the row cannot be read; `url` is then an excerpt of the row."""

    url: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The origin and the priority of a request. `name` is the URL or the name of the file."""

    source: ImportSource
    name: str
    priority: ImportPriority
    requested_by: str


def parse_target(url: str, allowed: AllowList) -> FetchTarget:
    """Parse a URL to fetch. Raises UrlRejected."""
    target = parse_url(url.strip(), allowed)
    if len(target.url) > MAX_STORED_URL_LENGTH:
        raise UrlRejected(f"The URL has more than {MAX_STORED_URL_LENGTH:,} characters.")
    return target


def host_key(target: FetchTarget) -> str:
    """Return the key of the limits per host: the host name, with the port if it is not the default one."""
    is_default_port = target.port == DEFAULT_PORTS[target.scheme]
    return target.host if is_default_port else f"{target.host}:{target.port}"


async def request_url_import(
    tx: Transaction, url: str, priority: ImportPriority, requested_by: str, allowed: AllowList
) -> int:
    """Create a session for one URL and return its id. Raises BadInput if the URL cannot be fetched."""
    try:
        target = parse_target(url, allowed)
    except UrlRejected as error:
        raise BadInput(error.message) from None
    request = ImportRequest(ImportSource.URL, target.url, priority, requested_by)
    return await request_import(tx, request, [RequestedRow(url.strip())], allowed)


async def request_import(
    tx: Transaction, request: ImportRequest, rows: Sequence[RequestedRow], allowed: AllowList
) -> int:
    """Create a session for these rows and return its id. Rows without a valid URL fail immediately."""
    new_rows = [_validate_row(row, allowed) for row in rows]
    hosts = {row.target: row.host for row in new_rows if row.target is not None}
    fetches = await queue_sql.enqueue_fetches(tx, hosts, request.priority)
    session_id = await queue_sql.create_session(
        tx,
        {
            "source": request.source,
            "name": clean_text(request.name, MAX_STORED_URL_LENGTH) or "(unnamed)",
            "priority": request.priority,
            "requested_by": request.requested_by,
            "total": len(rows),
            "failed": sum(row.target is None for row in new_rows),
            "running": any(fetch.status == "running" for fetch in fetches.values()),
        },
    )
    await queue_sql.add_rows(tx, session_id, new_rows, {url: fetch.id for url, fetch in fetches.items()})
    tx.bump_version(Domain.WORK)
    tx.notify(queue_sql.IMPORTS_TOPIC)
    return session_id


def _validate_row(row: RequestedRow, allowed: AllowList) -> queue_sql.NewImportRow:
    url = clean_text(row.url, MAX_STORED_URL_LENGTH) or ""
    if row.error is not None:
        return queue_sql.NewImportRow(url, error_code=ROW_REFUSED, error=row.error)
    try:
        target = parse_target(row.url, allowed)
    except IngestionError as error:
        return queue_sql.NewImportRow(url, error_code=error.code, error=error.message)
    return queue_sql.NewImportRow(url, target.url, host_key(target))
