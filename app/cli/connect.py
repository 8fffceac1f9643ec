"""What all commands share: settings, logging, and access to the database with readable errors."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TextIO

from pydantic import SecretStr

from app.core.errors import StartupError
from app.db.errors import is_unavailable
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.resources import Resources

UNDEFINED_TABLE = "42P01"
# Resources require a Redis URL, but most commands do not use Redis.
UNUSED_REDIS_URL = "redis://127.0.0.1:6379/0"


def connected_settings() -> Settings:
    """Return the settings from the environment, completed by those of a running `dealmark up`.

    Its database, Redis and JWT secret are found by the data directory. Raises StartupError for an invalid value.
    """
    settings = load_settings()
    defaults: dict[str, object] = {}
    if settings.database_url is None and (url := _embedded_database_url(settings)):
        defaults["database_url"] = url
    if settings.redis_url is None:
        defaults["redis_url"] = _embedded_redis_url(settings) or UNUSED_REDIS_URL
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
    """Open the resources of a command. Raises StartupError if the database cannot be used."""
    from app.resources import Resources

    with friendly_database_errors():
        async with Resources.open(settings, listen=listen) as resources:
            yield resources


@contextmanager
def friendly_database_errors() -> Iterator[None]:
    """Convert driver errors to StartupError if the database cannot be reached or has no tables."""
    try:
        yield
    except Exception as error:
        original = getattr(error, "orig", None) or error
        if getattr(original, "sqlstate", None) == UNDEFINED_TABLE:
            raise StartupError("The database has no tables yet: run `dealmark migrate`.") from None
        if not is_unavailable(error):
            raise
        from app.db.schema_version import database_unusable_error

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
