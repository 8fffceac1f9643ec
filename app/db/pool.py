"""Pool of asyncpg connections for reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg
import orjson

from app.core.errors import Unavailable

# Seconds that a request waits for a connection, after which one is made anew, and that one which was interrupted has to
# become usable again.
WAIT_SECONDS = 10.0

MAX_AGE_SECONDS = 1800.0

MEND_SECONDS = 1.0

# What asyncpg raises on a connection that has died; the third where PostgreSQL's farewell has come, but not the end.
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


@dataclass(eq=False)
class Held:
    """A connection that is in use. `used` says that it was used before, so it may have died since."""

    connection: asyncpg.Connection
    made_at: float = field(default_factory=time.monotonic)
    used: bool = False


async def prepare(connection: asyncpg.Connection) -> None:
    """Has JSON arrive as Python objects, as it does where SQLAlchemy reads."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=str, decoder=orjson.loads)


class Pool:
    """Connections to read through: made when needed, at most `size`, the one used last first.

    Unlike asyncpg's own pool it runs nothing when one is given back: what readers do ends with their transaction.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self.in_use = 0
        # Told of the text of each statement.
        self.observer: Callable[[str], None] | None = None
        self._connect = connect
        self._idle: list[Held] = []
        self._permits = asyncio.Semaphore(size)
        self._closed = False

    async def acquire(self) -> Held:
        """A connection. Raises Unavailable when none is given back in time, and OSError when none can be made."""
        if self._permits.locked():
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._permits.acquire()
            except TimeoutError:
                raise Unavailable("All connections to the database are busy; try again in a moment.") from None
        else:
            await self._permits.acquire()
        self.in_use += 1
        while self._idle:
            held = self._idle.pop()
            if self._usable(held):
                held.used = True
                return held
            held.connection.terminate()
        try:
            return Held(await self._made())
        except BaseException:
            self._returned()
            raise

    def release(self, held: Held) -> None:
        """Takes back a connection, outside of any transaction."""
        if self._closed or not self._usable(held):
            held.connection.terminate()
        else:
            self._idle.append(held)
        self._returned()

    def discard(self, held: Held) -> None:
        """Takes back a connection that is of no use any more."""
        held.connection.terminate()
        self._returned()

    async def close(self) -> None:
        """Ends the idle connections now, and those in use when they are given back."""
        self._closed = True
        while self._idle:
            held = self._idle.pop()
            try:
                await held.connection.close(timeout=MEND_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                held.connection.terminate()

    async def _made(self) -> asyncpg.Connection:
        """Raises OSError, whatever the reason: that there is no such database or account, too."""
        try:
            connection = await self._connect()
            try:
                await prepare(connection)
            except BaseException:
                connection.terminate()
                raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ConnectionError(str(error)) from error
        return connection

    def _returned(self) -> None:
        self.in_use -= 1
        self._permits.release()

    @staticmethod
    def _usable(held: Held) -> bool:
        return not held.connection.is_closed() and time.monotonic() - held.made_at < MAX_AGE_SECONDS
