"""Loaders of import sessions, their rows and fetched pages."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from app.db.pagination import Page, PageRequest
from app.db.statements import Row
from app.graphql.context import Loader
from app.ingestion import session_sql
from app.resources import Reader


class SessionRow(Row):
    """Row with the session columns that the operation requests."""


class ImportedRow(Row):
    """Row of a session joined with its fetch, with the columns that the operation requests."""


class PayloadRow(Row):
    """Row with a fetched page."""


class RowPageKey(NamedTuple):
    """Key of RowPages: a session and a page request."""

    session_id: int
    request: PageRequest

    @classmethod
    def of(cls, session_id: int, request: PageRequest) -> RowPageKey:
        """Return the key. Raises BadCursor here, because in the batch it would fail the other pages too."""
        if request.cursor is not None:
            session_sql.ROW_ORDER.decode(request.cursor)
        return cls(session_id, request)


class SessionById(Loader[int, SessionRow | None]):
    """Loads sessions by id; None if there is no such session."""

    async def values(self, session: Reader, keys: list[int]) -> list[SessionRow | None]:
        """Run one statement for all keys."""
        statement = session_sql.sessions_by_id(self.context.requested_columns("ImportSession"))
        row_by_id = {row["id"]: row for row in await session.rows(statement, {"ids": keys}, SessionRow)}
        return [row_by_id.get(key) for key in keys]


class RowPages(Loader[RowPageKey, Page]):
    """Loads pages of the rows of sessions, in the order of the file."""

    async def values(self, session: Reader, keys: list[RowPageKey]) -> list[Page]:
        """Run one statement per distinct page request."""
        rows_by_key: dict[RowPageKey, list[ImportedRow]] = defaultdict(list)
        columns = self.context.requested_columns("ImportRow")
        for request in dict.fromkeys(key.request for key in keys):
            ids = [key.session_id for key in keys if key.request == request]
            for row in await session.rows(*session_sql.rows(ids, request, columns), ImportedRow):
                rows_by_key[RowPageKey(row["session_id"], request)].append(row)
        return [session_sql.ROW_ORDER.build_page(rows_by_key[key], key.request) for key in keys]


class PayloadByFetch(Loader[int, PayloadRow | None]):
    """Loads fetched pages by the id of the fetch; None if there is none or it has been deleted."""

    async def values(self, session: Reader, keys: list[int]) -> list[PayloadRow | None]:
        """Run one statement for all keys."""
        rows = await session.rows(session_sql.PAYLOADS, {"ids": keys}, PayloadRow)
        row_by_fetch = {row["fetch_id"]: row for row in rows}
        return [row_by_fetch.get(key) for key in keys]
