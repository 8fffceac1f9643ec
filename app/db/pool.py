"""Pool of asyncpg connections for reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg
import orjson

from app.core.errors import Unavailable

# How long `acquire` waits for a connection.
ACQUIRE_TIMEOUT_SECONDS = 10.0
# An older connection is replaced by a new one.
MAX_CONNECTION_AGE_SECONDS = 1800.0
# How long an interrupted connection may take to become usable again, and an idle one to close.
RESET_TIMEOUT_SECONDS = 1.0

# Raised by asyncpg on a dead connection. InternalClientError: PostgreSQL has announced the end of a connection that is
# not closed yet.
CONNECTION_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@dataclass(eq=False)
class PooledConnection:
    """A connection of the pool. One that `is_reused` may have died since its last use."""

    connection: asyncpg.Connection
    opened_at: float = field(default_factory=time.monotonic)
    is_reused: bool = False


async def configure_connection(connection: asyncpg.Connection) -> None:
    """Decode JSON columns to Python objects, as SQLAlchemy does."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=str, decoder=orjson.loads)


class ReadPool:
    """At most `size` connections for reading, opened on demand; the most recently used is handed out first.

    Unlike asyncpg's pool it runs no statement when a connection is released: everything that a reader does ends with
    its transaction.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self.in_use = 0
        # Called with the SQL of each statement; for tests.
        self.statement_observer: Callable[[str], None] | None = None
        self._connect = connect
        self._idle: list[PooledConnection] = []
        self._permits = asyncio.Semaphore(size)
        self._closed = False

    async def acquire(self) -> PooledConnection:
        """Return a connection.

        Raise Unavailable if none is released in time, and OSError if a new one cannot be opened.
        """
        if self._permits.locked():
            try:
                async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                    await self._permits.acquire()
            except TimeoutError:
                raise Unavailable("All database connections are in use; retry in a moment.") from None
        else:
            await self._permits.acquire()
        self.in_use += 1
        while self._idle:
            pooled = self._idle.pop()
            if self._is_usable(pooled):
                pooled.is_reused = True
                return pooled
            pooled.connection.terminate()
        try:
            return PooledConnection(await self._open_connection())
        except BaseException:
            self._release_permit()
            raise

    def release(self, pooled: PooledConnection) -> None:
        """Take back a connection that is outside of a transaction."""
        if self._closed or not self._is_usable(pooled):
            pooled.connection.terminate()
        else:
            self._idle.append(pooled)
        self._release_permit()

    def discard(self, pooled: PooledConnection) -> None:
        """Take back a connection that cannot be used again, and terminate it."""
        pooled.connection.terminate()
        self._release_permit()

    async def close(self) -> None:
        """Close the idle connections now, and those in use when they are released."""
        self._closed = True
        while self._idle:
            pooled = self._idle.pop()
            try:
                await pooled.connection.close(timeout=RESET_TIMEOUT_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pooled.connection.terminate()

    async def _open_connection(self) -> asyncpg.Connection:
        """Open a connection. Raise OSError for every reason, a missing database or role included."""
        try:
            connection = await self._connect()
            try:
                await configure_connection(connection)
            except BaseException:
                connection.terminate()
                raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ConnectionError(str(error)) from error
        return connection

    def _release_permit(self) -> None:
        self.in_use -= 1
        self._permits.release()

    @staticmethod
    def _is_usable(pooled: PooledConnection) -> bool:
        age = time.monotonic() - pooled.opened_at
        return not pooled.connection.is_closed() and age < MAX_CONNECTION_AGE_SECONDS
