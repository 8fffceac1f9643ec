"""Schema version of a database: read it, compare it with the code's version, migrate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.errors import StartupError
from app.db.advisory_locks import MIGRATION_LOCK
from app.db.errors import database_unusable_error, is_unavailable

MIGRATIONS_DIRECTORY = Path(__file__).parents[2] / "migrations"
# A migration may change data, and Redis holds responses made before it.
BUMP_ALL_VERSIONS = text(
    """
    WITH bumped AS (UPDATE data_version SET version = version + 1 RETURNING domain, version)
    SELECT pg_notify('dealmark', json_build_object('versions', json_object_agg(domain, version))::text)
    FROM bumped HAVING count(*) > 0
    """
)


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for this connection; there is no alembic.ini."""
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS_DIRECTORY))
    configuration.attributes["connection"] = connection
    return configuration


@cache
def head_revision() -> str:
    """Return the revision that this code requires."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None
    return revision


@cache
def _known_revisions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(alembic_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def is_known_revision(revision: str) -> bool:
    """Return whether this code has the migration; if not, a newer version has made the database."""
    return revision in _known_revisions()


def current_revision(connection: Connection) -> str | None:
    """Return the revision of a database, or None if it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up to `revision`. Raise StartupError if the database is unreachable or newer than the code."""
    asyncio.run(_run(database_url, lambda connection: _upgrade(connection, revision)))


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down to `revision`. Data that only the newer schema can hold is lost."""
    asyncio.run(_run(database_url, lambda connection: command.downgrade(alembic_config(connection), revision)))


def _upgrade(connection: Connection, revision: str) -> None:
    current = current_revision(connection)
    if current is not None and not is_known_revision(current):
        raise StartupError(
            f"The database is newer than this code (revision {current}, the code knows up to {head_revision()}): "
            "install the newer Dealmark, or restore a backup made with this one."
        )
    if current != head_revision():
        command.upgrade(alembic_config(connection), revision)
        connection.execute(BUMP_ALL_VERSIONS)


async def _run(database_url: str, work: Callable[[Connection], None]) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, database_url, timeout=10), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(work)
    except Exception as error:
        if not is_unavailable(error):
            raise
        raise database_unusable_error(error) from None
    finally:
        await engine.dispose()
