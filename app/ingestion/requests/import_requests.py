"""Asking for imports: URLs in, a session out, whose rows the worker takes up when this is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import BadInput
from app.db.tables import Domain, ImportPriority, ImportSource
from app.db.transaction import Tx
from app.ingestion.extract.offer import LONGEST_URL, clean
from app.ingestion.fetch.errors import Fault, UrlRefused
from app.ingestion.fetch.url_policy import DEFAULT_PORTS, AllowList, Target, parse
from app.ingestion.worker import queue_sql

LONGEST_NAME = 200  # characters, of a file
ROW_REFUSED = "ROW_REFUSED"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row of a request: what stands there as URL, and why the row is none, if it is none."""

    url: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants what, how soon. `name` is the URL or the name of the file."""

    source: ImportSource
    name: str
    priority: ImportPriority
    requested_by: str


def target_of(url: str, allowed: AllowList) -> Target:
    """What is to be fetched. Raises UrlRefused."""
    target = parse(url.strip(), allowed)
    if len(target.url) > LONGEST_URL:
        raise UrlRefused(f"The URL has more than {LONGEST_URL:,} characters.")
    return target


def host_of(target: Target) -> str:
    """Whose limits count: servers at other ports are others."""
    usual = target.port == DEFAULT_PORTS[target.scheme]
    return target.host if usual else f"{target.host}:{target.port}"


async def request_url(tx: Tx, url: str, priority: ImportPriority, requested_by: str, allowed: AllowList) -> int:
    """The id of a new session for one URL. Raises BadInput when it is none that can be fetched."""
    try:
        target = target_of(url, allowed)
    except UrlRefused as fault:
        raise BadInput(fault.message) from None
    request = Request(ImportSource.URL, target.url, priority, requested_by)
    return await request_import(tx, request, [Wanted(url.strip())], allowed)


async def request_import(tx: Tx, request: Request, rows: Sequence[Wanted], allowed: AllowList) -> int:
    """The id of a new session for these rows; those that are no URLs have failed already."""
    judged = [_judged(row, allowed) for row in rows]
    hosts = {row.target: row.host for row in judged if row.target is not None}
    fetches = await queue_sql.request_fetches(tx, hosts, request.priority)
    session_id = await queue_sql.create_session(
        tx,
        {
            "source": request.source,
            "name": clean(request.name, LONGEST_URL) or "(unnamed)",
            "priority": request.priority,
            "requested_by": request.requested_by,
            "total": len(rows),
            "failed": sum(row.target is None for row in judged),
            "running": any(fetch.status == "running" for fetch in fetches.values()),
        },
    )
    await queue_sql.add_rows(tx, session_id, judged, {url: fetch.id for url, fetch in fetches.items()})
    tx.touch(Domain.WORK)
    tx.tell(queue_sql.IMPORTS)
    return session_id


def _judged(row: Wanted, allowed: AllowList) -> queue_sql.NewRow:
    url = clean(row.url, LONGEST_URL) or ""
    if row.fault is not None:
        return queue_sql.NewRow(url, error_code=ROW_REFUSED, error=row.fault)
    try:
        target = target_of(row.url, allowed)
    except Fault as fault:
        return queue_sql.NewRow(url, error_code=fault.code, error=fault.message)
    return queue_sql.NewRow(url, target.url, host_of(target))
