"""Settings for commands that are typed beside a running `dealmark up`: they find its servers and its secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from app.core.errors import StartupError
from app.db.errors import is_unavailable
from app.settings import Settings, load_settings

UNDEFINED_TABLE = "42P01"


def connected_settings() -> Settings:
    """Settings from the environment; what it does not name is taken from the `dealmark up` of the data directory.

    Raises StartupError when a value cannot be used. Whether servers answer is found out by whoever needs them.
    """
    settings = load_settings()
    found: dict[str, object] = {}
    if settings.database_url is None and (url := _embedded_database(settings)):
        found["database_url"] = url
    if settings.redis_url is None and (url := _embedded_redis(settings)):
        found["redis_url"] = url
    elif settings.redis_url is None:
        # Commands do their work in the database; they open a queue like everybody, but tell it nothing.
        found["redis_url"] = "redis://127.0.0.1:6379/0"
    secret = settings.data_dir / "jwt-secret"
    if settings.jwt_secret is None and settings.jwt_jwks_url is None and secret.exists():
        found["jwt_secret"] = SecretStr(secret.read_text().strip())
    return settings.model_copy(update=found)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Raises StartupError instead of the drivers' errors when the database cannot be reached or was never migrated."""
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


def _embedded_database(settings: Settings) -> str | None:
    directory = settings.data_dir / "postgres"
    if not directory.exists():
        return None
    from app.devserver.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(directory)
    return server.url.replace("/postgres?", "/dealmark?", 1) if server.is_running() else None


def _embedded_redis(settings: Settings) -> str | None:
    directory = settings.data_dir / "redis"
    if not directory.exists():
        return None
    from app.devserver.embedded import EmbeddedRedis

    server = EmbeddedRedis(directory)
    return server.url if server.is_running() else None
