"""Statements about imports as they are shown. Builders return statements, so that a test can EXPLAIN them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

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

from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.tables import import_fetch, import_payload, import_row, import_session

IDS = bindparam("ids", type_=ARRAY(BigInteger))
NEWEST_FIRST = Keyset("import sessions", [SortKey("id", import_session.c.id, descending=True)])
IN_ORDER = Keyset("import rows", [SortKey("position", import_row.c.position)])

SESSION_COLUMNS: dict[str, ColumnElement[Any]] = {each.name: each for each in import_session.c}
# A row is what it says itself and what its fetch says; one without a fetch has failed.
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
_ROWS = import_row.outerjoin(import_fetch, import_fetch.c.id == import_row.c.fetch_id)


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


@lru_cache(maxsize=512)
def sessions_by_id(wanted: frozenset[str] | None = None) -> Select[Any]:
    """Sessions with the ids in `:ids`, in any order."""
    return select(*_columns(SESSION_COLUMNS, wanted)).where(import_session.c.id == any_(IDS))


def sessions(request: PageRequest, wanted: frozenset[str] | None = None) -> Statement:
    """A page of all sessions, the newest first."""
    position, values = NEWEST_FIRST.position(request)
    return Statement(_sessions(position, wanted), values)


@lru_cache(maxsize=512)
def _sessions(position: Position, wanted: frozenset[str] | None) -> Select[Any]:
    return NEWEST_FIRST.apply(select(*_columns(SESSION_COLUMNS, wanted)), position)


COUNT_SESSIONS = select(func.count()).select_from(import_session)


def rows(session_ids: Sequence[int], request: PageRequest, wanted: frozenset[str] | None = None) -> Statement:
    """A page of the rows of each of these sessions."""
    position, values = IN_ORDER.position(request)
    return Statement(_rows(position, wanted), {"ids": session_ids, **values})


@lru_cache(maxsize=512)
def _rows(position: Position, wanted: frozenset[str] | None) -> Select[Any]:
    of = func.unnest(IDS).table_valued(column("id", BigInteger)).render_derived("wanted")
    named = {each.name: each for each in (*_columns(ROW_COLUMNS, wanted), import_row.c.session_id, *IN_ORDER.columns)}
    each = select(*named.values()).select_from(_ROWS).where(import_row.c.session_id == of.c.id)
    page = IN_ORDER.apply(each, position).lateral("page")
    return select(page).select_from(of.join(page, true()))


# Pages as they were fetched, by the ids of fetches.
PAYLOADS = select(
    import_payload.c.fetch_id,
    import_payload.c.content,
    import_payload.c.bytes,
    import_payload.c.truncated,
    import_payload.c.content_type,
    import_payload.c.stored_at,
).where(import_payload.c.fetch_id == any_(IDS))


def _columns(known: Mapping[str, ColumnElement[Any]], wanted: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """The columns of these names (None: all), and the id."""
    return [each for name, each in known.items() if wanted is None or name in wanted or name == "id"]
