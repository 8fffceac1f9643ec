"""The schema version of a database: read it, compare it with the code's, migrate."""

from __future__ import annotations

import asyncio
from functools import cache, partial
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.errors import StartupError
from app.db.advisory_locks import MIGRATION_LOCK

SCRIPTS = Path(__file__).parents[2] / "migrations"
# A migration may change data, and answers made before it are kept in Redis.
BUMP_ALL_VERSIONS = text(
    """
    WITH bumped AS (UPDATE data_version SET version = version + 1 RETURNING domain, version)
    SELECT pg_notify('dealmark', json_build_object('versions', json_object_agg(domain, version))::text)
    FROM bumped HAVING count(*) > 0
    """
)


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    configuration = Config()
    configuration.set_main_option("script_location", str(SCRIPTS))
    configuration.attributes["connection"] = connection
    return configuration


@cache
def head() -> str:
    """The revision that this code needs."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision is not None
    return revision


def current(connection: Connection) -> str | None:
    """The revision that the database has; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrates up to `revision`. Raises StartupError when the database cannot be reached or is newer than the code."""
    asyncio.run(_run(database_url, lambda connection: _upgrade(connection, revision)))


def downgrade(database_url: str, revision: str) -> None:
    """Migrates down to `revision`; data that only the newer schema can hold is lost."""
    asyncio.run(_run(database_url, lambda connection: command.downgrade(config(connection), revision)))


def _upgrade(connection: Connection, revision: str) -> None:
    found = current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if found is not None and found not in known:
        raise StartupError(
            f"The database is newer than this code (revision {found}, the code knows up to {head()}): "
            "install the newer Dealmark, or restore a backup made with this one."
        )
    if found != head():
        command.upgrade(config(connection), revision)
        connection.execute(BUMP_ALL_VERSIONS)


async def _run(database_url: str, work: object) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, database_url, timeout=10), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(work)  # type: ignore[arg-type]
    except (OSError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not error.connection_invalidated and error.statement is not None:
            raise
        raise unusable(error) from None
    finally:
        await engine.dispose()


def unusable(error: BaseException) -> StartupError:
    """What to tell about a database that does not let one in, in one sentence with the driver's own words."""
    original = getattr(error, "orig", None) or error
    words = str(original).split("\n")[0].rstrip(".")
    return StartupError(
        f"The database of DATABASE_URL cannot be used ({words}): "
        "start PostgreSQL, create the database, or correct the URL."
    )
