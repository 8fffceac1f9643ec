"""Statements about the documents that clients ask for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    select,
)

from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.tables import Timestamp, document, document_client, document_use

GREATEST_INT = 2**31 - 1
IDS = bindparam("shipped_ids", type_=ARRAY(Text))
NAMES = bindparam("shipped_names", type_=ARRAY(Text))

# Those that ship with the server have no row of their own; who serves them tells which they are.
_SHIPPED = func.unnest(IDS, NAMES).table_valued(Column("id", Text), Column("name", Text)).render_derived("shipped")
KNOWN = (
    select(
        document.c.id,
        func.coalesce(document.c.name, "").label("name"),
        (document.c.id == any_(IDS)).label("ships"),
        document.c.published_at,
        # What ships with the server is served whatever became of its publication.
        case((document.c.id == any_(IDS), null()), else_=document.c.retired_at).label("retired_at"),
    )
    .union_all(
        select(
            _SHIPPED.c.id,
            _SHIPPED.c.name,
            literal(True).label("ships"),
            cast(null(), Timestamp).label("published_at"),
            cast(null(), Timestamp).label("retired_at"),
        ).where(_SHIPPED.c.id.not_in(select(document.c.id)))
    )
    .subquery("known")
)
_CLIENTS = (
    select(func.array_agg(document_client.c.client_name + "@" + document_client.c.client_version))
    .where(document_client.c.document_id == KNOWN.c.id)
    .scalar_subquery()
)
COLUMNS: dict[str, ColumnElement[Any]] = {
    "id": KNOWN.c.id,
    "name": KNOWN.c.name,
    "ships": KNOWN.c.ships,
    "published_at": KNOWN.c.published_at,
    "retired_at": KNOWN.c.retired_at,
    "clients": func.coalesce(_CLIENTS, cast([], ARRAY(Text))).label("clients"),
    "hits": cast(func.least(func.coalesce(document_use.c.hits, 0), GREATEST_INT), Integer).label("hits"),
    "first_used_at": document_use.c.first_used_at,
    "last_used_at": document_use.c.last_used_at,
}
BY_NAME = Keyset("documents", [SortKey("name", KNOWN.c.name), SortKey("id", KNOWN.c.id)])


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


def page(shipped: Mapping[str, str], request: PageRequest, wanted: frozenset[str] | None, counted: bool) -> Statement:
    """A page of documents, by name; `shipped`: id to name. `counted`, each row tells `total_count`."""
    position, place = BY_NAME.position(request)
    return Statement(_page(position, wanted, counted), {**_values(shipped), **place})


def count(shipped: Mapping[str, str]) -> Statement:
    """How many documents there are."""
    return Statement(COUNT, _values(shipped))


COUNT = select(func.count()).select_from(KNOWN)


@lru_cache(maxsize=512)
def _page(position: Position, wanted: frozenset[str] | None, counted: bool) -> Select[Any]:
    chosen = [each for name, each in COLUMNS.items() if wanted is None or name in wanted]
    selected = {each.name: each for each in (*chosen, *BY_NAME.columns)}
    if counted:
        selected["total_count"] = COUNT.correlate(None).scalar_subquery().label("total_count")
    used = KNOWN.outerjoin(document_use, document_use.c.document_id == KNOWN.c.id)
    return BY_NAME.apply(select(*selected.values()).select_from(used), position)


def _values(shipped: Mapping[str, str]) -> dict[str, Any]:
    return {"shipped_ids": list(shipped), "shipped_names": list(shipped.values())}
