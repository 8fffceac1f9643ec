"""Whether this code may write to the database: it is not read-only, and has the schema that the code needs."""

from __future__ import annotations

from typing import NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.errors import Unavailable
from app.db.errors import NEVER_MIGRATED, READ_ONLY, UNDEFINED_TABLE, get_sqlstate
from app.db.schema_version import head_revision, is_known_revision
from app.db.session import Session

SELECT_REVISION = text("SELECT version_num FROM alembic_version")
SELECT_STATE = text(
    """
    SELECT current_setting('transaction_read_only')::boolean AS is_read_only,
        (SELECT version_num FROM alembic_version) AS revision
    """
)


class ReadOnlyDatabase(Unavailable):
    """PostgreSQL refuses changes: it is a standby, or `default_transaction_read_only` is on."""

    def __init__(self) -> None:
        super().__init__(READ_ONLY)


class SchemaMismatch(Unavailable):
    """The database is not at the revision that the code needs."""


class NewerSchema(SchemaMismatch):
    """The database was migrated by a newer version, whose data this code may damage."""


def check_revision(revision: str | None) -> None:
    """Raise SchemaMismatch unless the code is made for this revision."""
    if revision is None:
        raise SchemaMismatch(NEVER_MIGRATED)
    if not is_known_revision(revision):
        raise NewerSchema(
            f"The database is newer than this code (revision {revision}, the code knows up to {head_revision()}): "
            "install the newer Dealmark, or restore a backup made with this one."
        )
    if revision != head_revision():
        raise SchemaMismatch(
            f"The database is older than this code (revision {revision}, the code needs {head_revision()}): "
            "run `dealmark migrate`."
        )


async def check_schema(session: Session) -> None:
    """Raise SchemaMismatch unless the database has the schema of the code."""
    try:
        revision = await session.scalar(SELECT_REVISION)
    except Exception as error:
        _raise_if_never_migrated(error)
    check_revision(revision)


async def check_write_access(connection: AsyncConnection) -> None:
    """Raise ReadOnlyDatabase or SchemaMismatch if this code may not write. Call this first in a transaction.

    A read-only connection is removed from the pool: it may stay read-only, or stay connected to the standby, after the
    failover.
    """
    try:
        state = (await connection.execute(SELECT_STATE)).one()
    except DBAPIError as error:
        _raise_if_never_migrated(error)
    if state.is_read_only:
        await connection.invalidate()
        raise ReadOnlyDatabase
    check_revision(state.revision)


def _raise_if_never_migrated(error: Exception) -> NoReturn:
    if get_sqlstate(error) == UNDEFINED_TABLE:
        raise SchemaMismatch(NEVER_MIGRATED) from None
    raise error
