"""SQL that reads import sessions and their rows. Functions return statements, so that tests can EXPLAIN them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    any_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    select,
    true,
)

from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement
from app.db.tables import import_fetch, import_payload, import_row, import_session

IDS = bindparam("ids", type_=ARRAY(BigInteger))
SESSION_ORDER = Keyset("import sessions", [SortKey("id", import_session.c.id, descending=True)])
ROW_ORDER = Keyset("import rows", [SortKey("position", import_row.c.position)])

SESSION_COLUMNS: dict[str, ColumnElement[Any]] = {element.name: element for element in import_session.c}
# A row has its own values and those of its fetch. A row without a fetch was rejected, so its status is failed.
ROW_COLUMNS: dict[str, ColumnElement[Any]] = {
    "id": import_row.c.id,
    "session_id": import_row.c.session_id,
    "position": import_row.c.position,
    "url": import_row.c.url,
    "fetch_id": import_row.c.fetch_id,
    "status": func.coalesce(import_fetch.c.status, literal_column("'failed'")).label("status"),
    "attempts": func.coalesce(import_fetch.c.attempts, literal_column("0")).label("attempts"),
    "next_attempt_at": case((import_fetch.c.status == literal_column("'queued'"), import_fetch.c.due_at)).label(
        "next_attempt_at"
    ),
    "error_code": func.coalesce(import_row.c.error_code, import_fetch.c.error_code).label("error_code"),
    "error": func.coalesce(import_row.c.error, import_fetch.c.error).label("error"),
    "quality": import_fetch.c.quality,
    "adapter": import_fetch.c.adapter,
    "final_url": import_fetch.c.final_url,
    "fetched_at": import_fetch.c.fetched_at,
    "finished_at": import_fetch.c.finished_at,
    "listing_ids": func.coalesce(import_fetch.c.listing_ids, literal_column("'{}'::bigint[]")).label("listing_ids"),
    "remarks": func.coalesce(import_fetch.c.remarks, literal_column("'{}'::text[]")).label("remarks"),
}
_ROWS_WITH_FETCHES = import_row.outerjoin(import_fetch, import_fetch.c.id == import_row.c.fetch_id)


@lru_cache(maxsize=512)
def sessions_by_id(requested_columns: frozenset[str] | None = None) -> Select[Any]:
    """Select the sessions with the ids in `:ids`, in any order."""
    return select(*_select_columns(SESSION_COLUMNS, requested_columns)).where(import_session.c.id == any_(IDS))


def sessions(request: PageRequest, requested_columns: frozenset[str] | None = None) -> BoundStatement:
    """Select a page of all sessions, the newest first."""
    shape, values = SESSION_ORDER.bind(request)
    return BoundStatement(_sessions(shape, requested_columns), values)


@lru_cache(maxsize=512)
def _sessions(shape: PageShape, requested_columns: frozenset[str] | None) -> Select[Any]:
    return SESSION_ORDER.paginate(select(*_select_columns(SESSION_COLUMNS, requested_columns)), shape)


COUNT_SESSIONS = select(func.count()).select_from(import_session)


def rows(
    session_ids: Sequence[int], request: PageRequest, requested_columns: frozenset[str] | None = None
) -> BoundStatement:
    """Select a page of the rows of each session."""
    shape, values = ROW_ORDER.bind(request)
    return BoundStatement(_rows(shape, requested_columns), {"ids": session_ids, **values})


@lru_cache(maxsize=512)
def _rows(shape: PageShape, requested_columns: frozenset[str] | None) -> Select[Any]:
    """Join each session id with a LATERAL subquery that reads one page by the unique index (session_id, position)."""
    session = func.unnest(IDS).table_valued(column("id", BigInteger)).render_derived("requested")
    columns = (*_select_columns(ROW_COLUMNS, requested_columns), import_row.c.session_id, *ROW_ORDER.columns)
    distinct_columns = {element.name: element for element in columns}
    session_rows = (
        select(*distinct_columns.values())
        .select_from(_ROWS_WITH_FETCHES)
        .where(import_row.c.session_id == session.c.id)
    )
    page = ROW_ORDER.paginate(session_rows, shape).lateral("page")
    return select(page).select_from(session.join(page, true()))


# Fetched pages by the ids of their fetches.
PAYLOADS = select(
    import_payload.c.fetch_id,
    import_payload.c.content,
    import_payload.c.bytes,
    import_payload.c.truncated,
    import_payload.c.content_type,
    import_payload.c.stored_at,
).where(import_payload.c.fetch_id == any_(IDS))


def _select_columns(
    columns: Mapping[str, ColumnElement[Any]], requested_columns: frozenset[str] | None
) -> list[ColumnElement[Any]]:
    """Return the requested columns (None: all columns) and the id."""
    return [
        element
        for name, element in columns.items()
        if requested_columns is None or name in requested_columns or name == "id"
    ]
