"""Classification and description of database errors."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.disk_errors import is_disk_error
from app.core.errors import StartupError, Unavailable

UNDEFINED_TABLE = "42P01"
QUERY_CANCELED = "57014"
READ_ONLY_TRANSACTION = "25006"
# Classes of SQLSTATE: connection exception, insufficient resources, operator intervention (which includes shutdown and
# statement timeout); and the states of a standby and of a lock timeout.
UNAVAILABLE_SQLSTATES = ("08", "53", "57", READ_ONLY_TRANSACTION, "55P03")

NEVER_MIGRATED = "The database has no tables yet: run `dealmark migrate`."
READ_ONLY = "The database is read-only, so nothing can be changed until it accepts changes again."
# What an operator can do. For all other errors of a connection: DATABASE_URL may be wrong.
REMEDIES = {
    "53100": "The disk of the PostgreSQL server is full ({}): free space on it.",
    "53200": "The PostgreSQL server is out of memory ({}): give it more, or lower its `work_mem`.",
    "53300": "PostgreSQL has no connection left ({}): stop other programs, or raise its `max_connections`.",
    "55P03": "Another transaction holds a lock for too long ({}): try again when it has ended.",
    QUERY_CANCELED: "PostgreSQL cancelled a statement ({}): raise the timeout, or try again when less is running.",
    "57P01": "PostgreSQL was shut down meanwhile ({}): try again when it runs.",
    "57P02": "PostgreSQL crashed meanwhile ({}): try again when it runs.",
    "57P03": "PostgreSQL is starting or stopping ({}): try again in a moment.",
}


def get_sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of SQLAlchemy or asyncpg, or of the ReadPool's error about it; else ""."""
    for candidate in (getattr(error, "orig", None), error, error.__cause__):
        if state := getattr(candidate, "sqlstate", None):
            return str(state)
    return ""


def is_unavailable(error: BaseException) -> bool:
    """Return whether an error means that the database cannot be used now, as opposed to a faulty statement."""
    if isinstance(error, DBAPIError):
        return (
            error.connection_invalidated
            or error.statement is None
            or get_sqlstate(error).startswith(UNAVAILABLE_SQLSTATES)
        )
    if isinstance(error, asyncpg.PostgresError):
        return get_sqlstate(error).startswith(UNAVAILABLE_SQLSTATES)
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # an InterfaceError that is a ValueError: argument of the wrong type
    if isinstance(error, OSError):
        return not is_disk_error(error)
    # InternalClientError: PostgreSQL has announced the end of a connection that is not closed yet.
    return isinstance(error, (Unavailable, PoolTimeoutError, asyncpg.InternalClientError))


def database_unusable_error(error: BaseException) -> StartupError:
    """Return the error for a database that cannot be used: one sentence that quotes the driver's message."""
    original = getattr(error, "orig", None) or error
    if isinstance(original.__cause__, asyncpg.PostgresError):
        original = original.__cause__  # SQLAlchemy adds its class to the message
    message = str(original).split("\n")[0].rstrip(".")
    state = get_sqlstate(error)
    if state == READ_ONLY_TRANSACTION:
        return StartupError(READ_ONLY)
    if state in REMEDIES:
        return StartupError(REMEDIES[state].format(message))
    return StartupError(
        f"The database of DATABASE_URL cannot be used ({message}): "
        "start PostgreSQL, create the database, or correct the URL."
    )
