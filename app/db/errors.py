"""Classification of database errors."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached, as against a mistake of ours."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or error.statement is None or state.startswith(("08", "53", "57"))
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(("08", "53", "57"))
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # that would be an argument of the wrong type
    # The last is what asyncpg raises where PostgreSQL has said farewell on a connection that is not closed yet.
    return isinstance(error, (OSError, PoolTimeoutError, asyncpg.InternalClientError))
