"""SQL statements for the list of documents."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

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

from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement
from app.db.tables import Timestamp, document, document_client, document_use

MAX_INT = 2**31 - 1
BUILTIN_IDS = bindparam("builtin_ids", type_=ARRAY(Text))
BUILTIN_NAMES = bindparam("builtin_names", type_=ARRAY(Text))

# Built-in documents have no rows, unless a client published them too: the server passes their ids and names.
_BUILTIN = (
    func.unnest(BUILTIN_IDS, BUILTIN_NAMES)
    .table_valued(Column("id", Text), Column("name", Text))
    .render_derived("builtin")
)
ALL_DOCUMENTS = (
    select(
        document.c.id,
        func.coalesce(document.c.name, "").label("name"),
        (document.c.id == any_(BUILTIN_IDS)).label("ships"),
        document.c.published_at,
        # A built-in document is served even if its publication was retired.
        case((document.c.id == any_(BUILTIN_IDS), null()), else_=document.c.retired_at).label("retired_at"),
    )
    .union_all(
        select(
            _BUILTIN.c.id,
            _BUILTIN.c.name,
            literal(True).label("ships"),
            cast(null(), Timestamp).label("published_at"),
            cast(null(), Timestamp).label("retired_at"),
        ).where(_BUILTIN.c.id.not_in(select(document.c.id)))
    )
    .subquery("all_documents")
)
_CLIENTS = (
    select(func.array_agg(document_client.c.client_name + "@" + document_client.c.client_version))
    .where(document_client.c.document_id == ALL_DOCUMENTS.c.id)
    .scalar_subquery()
)
COLUMNS: dict[str, ColumnElement[Any]] = {
    "id": ALL_DOCUMENTS.c.id,
    "name": ALL_DOCUMENTS.c.name,
    "ships": ALL_DOCUMENTS.c.ships,
    "published_at": ALL_DOCUMENTS.c.published_at,
    "retired_at": ALL_DOCUMENTS.c.retired_at,
    "clients": func.coalesce(_CLIENTS, cast([], ARRAY(Text))).label("clients"),
    "hits": cast(func.least(func.coalesce(document_use.c.hits, 0), MAX_INT), Integer).label("hits"),
    "first_used_at": document_use.c.first_used_at,
    "last_used_at": document_use.c.last_used_at,
}
BY_NAME = Keyset("documents", [SortKey("name", ALL_DOCUMENTS.c.name), SortKey("id", ALL_DOCUMENTS.c.id)])


def page(
    builtin_names: Mapping[str, str], request: PageRequest, columns: frozenset[str] | None, with_count: bool
) -> BoundStatement:
    """Return the statement for a page of documents, ordered by name.

    `builtin_names`: document id -> name. `columns`: the names of the columns to select, None for all. With
    `with_count`, each row has the number of all documents in `total_count`.
    """
    shape, values = BY_NAME.bind(request)
    return BoundStatement(_page(shape, columns, with_count), {**_values(builtin_names), **values})


def count(builtin_names: Mapping[str, str]) -> BoundStatement:
    """Return the statement for the number of documents."""
    return BoundStatement(COUNT, _values(builtin_names))


COUNT = select(func.count()).select_from(ALL_DOCUMENTS)


@lru_cache(maxsize=512)
def _page(shape: PageShape, columns: frozenset[str] | None, with_count: bool) -> Select[Any]:
    requested = [column for name, column in COLUMNS.items() if columns is None or name in columns]
    selected = {column.name: column for column in (*requested, *BY_NAME.columns)}
    if with_count:
        selected["total_count"] = COUNT.correlate(None).scalar_subquery().label("total_count")
    with_usage = ALL_DOCUMENTS.outerjoin(document_use, document_use.c.document_id == ALL_DOCUMENTS.c.id)
    return BY_NAME.paginate(select(*selected.values()).select_from(with_usage), shape)


def _values(builtin_names: Mapping[str, str]) -> dict[str, Any]:
    return {"builtin_ids": list(builtin_names), "builtin_names": list(builtin_names.values())}
