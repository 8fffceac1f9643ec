"""What all commands share: settings, logging, and access to the database with readable errors."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TextIO

from pydantic import SecretStr

from app.core.disk_errors import describe_disk_error, is_disk_error
from app.core.errors import AppError, StartupError
from app.db.errors import NEVER_MIGRATED, UNDEFINED_TABLE, database_unusable_error, get_sqlstate, is_unavailable
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.resources import Resources

# Resources require a Redis URL, but most commands do not use Redis.
UNUSED_REDIS_URL = "redis://127.0.0.1:6379/0"


def connected_settings(*, needs_redis: bool = False) -> Settings:
    """Return the settings from the environment, completed by those of a running `dealmark up`.

    Its database, Redis and JWT secret are found by the data directory. With `needs_redis`, the URL of Redis stays unset
    if there is none. Raises StartupError for an invalid value.
    """
    settings = load_settings()
    defaults: dict[str, object] = {}
    if settings.database_url is None and (url := _embedded_database_url(settings)):
        defaults["database_url"] = url
    if settings.redis_url is None:
        defaults["redis_url"] = _embedded_redis_url(settings) or (None if needs_redis else UNUSED_REDIS_URL)
    secret = settings.data_dir / "jwt-secret"
    if settings.jwt_secret is None and settings.jwt_jwks_url is None and secret.exists():
        defaults["jwt_secret"] = SecretStr(secret.read_text().strip())
    return settings.model_copy(update=defaults)


def start_logging(settings: Settings, level: str | None = None, stream: TextIO | None = None) -> None:
    """Configure the logging of a server process, or of a command that logs like one."""
    from app.core.logging import configure_logging

    form = settings.log_format or ("console" if settings.development else "json")
    configure_logging(form, level or settings.log_level, stream or sys.stdout)


def start_console_logging(settings: Settings) -> None:
    """Configure the logging of an interactive command: only errors, on stderr."""
    from app.core.logging import configure_logging

    configure_logging(settings.log_format or "console", "ERROR", sys.stderr)


@asynccontextmanager
async def open_resources(settings: Settings, *, listen: bool = False) -> AsyncIterator[Resources]:
    """Open the resources of a command.

    Raises StartupError if the database cannot be used, and SchemaMismatch if it was not migrated by this version.
    """
    from app.resources import Resources

    with friendly_database_errors():
        async with Resources.open(settings, listen=listen) as resources:
            await resources.check_schema()
            yield resources


@contextmanager
def friendly_database_errors() -> Iterator[None]:
    """Convert driver errors to StartupError if the database cannot be reached or has no tables."""
    try:
        yield
    except Exception as error:
        if isinstance(error, AppError):
            raise
        if get_sqlstate(error) == UNDEFINED_TABLE:
            raise StartupError(NEVER_MIGRATED) from None
        if isinstance(error, OSError) and is_disk_error(error):
            raise StartupError(describe_disk_error(error)) from None
        if not is_unavailable(error):
            raise
        raise database_unusable_error(error) from None


def _embedded_database_url(settings: Settings) -> str | None:
    directory = settings.data_dir / "postgres"
    if not directory.exists():
        return None
    from app.devserver.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(directory)
    return server.url.replace("/postgres?", "/dealmark?", 1) if server.is_running() else None


def _embedded_redis_url(settings: Settings) -> str | None:
    directory = settings.data_dir / "redis"
    if not directory.exists():
        return None
    from app.devserver.embedded import EmbeddedRedis

    server = EmbeddedRedis(directory)
    return server.url if server.is_running() else None
