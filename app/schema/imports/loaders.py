"""Imports by key."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from app.db.pagination import Page, PageRequest
from app.db.statements import Row
from app.graphql.context import Loader
from app.ingestion import session_sql
from app.resources import Reader


class SessionRow(Row):
    """A row of session columns: those that the operation needs."""


class ImportedRow(Row):
    """A row of a session, with what its fetch says: the columns that the operation needs."""


class PayloadRow(Row):
    """A page as it was fetched."""


class RowPageKey(NamedTuple):
    """A page of a session's rows."""

    session_id: int
    request: PageRequest

    @classmethod
    def of(cls, session_id: int, request: PageRequest) -> RowPageKey:
        """Raises BadCursor: here, because in the batch it would fail for the other pages, too."""
        if request.cursor is not None:
            session_sql.ROW_ORDER.decode(request.cursor)
        return cls(session_id, request)


class SessionById(Loader[int, SessionRow | None]):
    """The session with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[SessionRow | None]:
        """One statement for all keys."""
        statement = session_sql.sessions_by_id(self.context.requested_columns("ImportSession"))
        found = {row["id"]: row for row in await session.rows(statement, {"ids": keys}, SessionRow)}
        return [found.get(key) for key in keys]


class RowPages(Loader[RowPageKey, Page]):
    """Pages of the rows of sessions, in their order."""

    async def values(self, session: Reader, keys: list[RowPageKey]) -> list[Page]:
        """One statement per distinct page request."""
        found: dict[RowPageKey, list[ImportedRow]] = defaultdict(list)
        wanted = self.context.requested_columns("ImportRow")
        for request in dict.fromkeys(key.request for key in keys):
            ids = [key.session_id for key in keys if key.request == request]
            for row in await session.rows(*session_sql.rows(ids, request, wanted), ImportedRow):
                found[RowPageKey(row["session_id"], request)].append(row)
        return [session_sql.ROW_ORDER.build_page(found[key], key.request) for key in keys]


class PayloadByFetch(Loader[int, PayloadRow | None]):
    """The page of this fetch, None when there was none, or it is no longer kept."""

    async def values(self, session: Reader, keys: list[int]) -> list[PayloadRow | None]:
        """One statement for all keys."""
        rows = await session.rows(session_sql.PAYLOADS, {"ids": keys}, PayloadRow)
        found = {row["fetch_id"]: row for row in rows}
        return [found.get(key) for key in keys]
