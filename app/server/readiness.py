"""Checks of /ready: the state of each service in a few words, `ok` if all is well."""

from __future__ import annotations

import asyncio

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.broker import describe_redis_error
from app.core.errors import Unavailable
from app.db.pool import CONNECTION_ERRORS
from app.db.write_access import ReadOnlyDatabase, SchemaMismatch
from app.resources import Resources

# For each check: a server that hangs does not answer.
CHECK_TIMEOUT_SECONDS = 2.0
READ_ONLY = "read-only: changes are refused"
BUSY = "all connections for changes are in use"


async def check_database(resources: Resources) -> tuple[str, str]:
    """Return the states of the database and of its migrations."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await resources.check_schema()
    except SchemaMismatch as error:
        return "ok", error.message
    except (*CONNECTION_ERRORS, Unavailable):  # includes TimeoutError, an OSError
        return "does not answer", "unknown"
    return await _check_write_access(resources), "ok"


async def check_redis(resources: Resources) -> tuple[str, str]:
    """Return the states of Redis and of the worker, whose heartbeat needs a Redis that accepts writes."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await resources.broker.check_write_access()
            alive = await resources.broker.is_worker_alive()
    except (RedisError, OSError) as error:
        return describe_redis_error(error), "unknown"
    return "ok", "ok" if alive else "no heartbeat: is `dealmark worker` running?"


async def _check_write_access(resources: Resources) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await resources.check_write_access()
    except ReadOnlyDatabase:
        return READ_ONLY
    except (TimeoutError, PoolTimeoutError):
        return BUSY
    except (*CONNECTION_ERRORS, DBAPIError, SchemaMismatch) as error:
        return f"changes are refused: {error}"
    return "ok"
