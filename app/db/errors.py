"""Classification of database errors."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# Classes of SQLSTATE: connection exception, insufficient resources, operator intervention (which includes shutdown and
# statement timeout).
UNAVAILABLE_SQLSTATES = ("08", "53", "57")


def is_unavailable(error: BaseException) -> bool:
    """Return whether an error means that the database cannot be reached, as opposed to a faulty statement."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or error.statement is None or state.startswith(UNAVAILABLE_SQLSTATES)
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(UNAVAILABLE_SQLSTATES)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # an InterfaceError that is a ValueError: argument of the wrong type
    # InternalClientError: PostgreSQL has announced the end of a connection that is not closed yet.
    return isinstance(error, (OSError, PoolTimeoutError, asyncpg.InternalClientError))
