"""What a process needs to work: the database, the queue, the news of commits. Opened once, by API and worker alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.core.broker import Queue
from app.core.versioned_cache import Kept
from app.db.notifications import Changes
from app.db.pool import Pool
from app.db.session import Reader, Session
from app.db.tables import Domain
from app.db.transaction import Tx
from app.settings import Settings

# How soon PostgreSQL ends the transaction, and frees the locks, of a process that was killed or whose machine is gone.
# By default it notices neither before the running statement has ended, and the latter after two hours.
SESSION_SETTINGS = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "4",
}
# Statements of the read path are planned once per connection: to plan one takes longer than to run it.
# None runs for as long as it takes to compile one.
READING_SETTINGS = {"plan_cache_mode": "force_generic_plan", "default_transaction_read_only": "on", "jit": "off"}

__all__ = ["Reader", "Resources", "Session", "Tx"]


@dataclass(frozen=True)
class Running:
    """How a document is run, `compiled`, `interpreted` or not, because it is `outdated`; and why, unless compiled."""

    how: str
    reason: str | None = None


class ServedDocuments(Protocol):
    """What is known of documents by whoever serves them, beside what the tables say."""

    @property
    def ours(self) -> Mapping[str, str]:
        """Id to name of those that ship with the server."""

    async def running(self, document_id: str) -> Running | None:
        """How the document with this id is run; None when it is not served."""


class Resources:
    """The one struct that everything is done with. Tests make their own; there is no global one."""

    def __init__(self, settings: Settings, engine: AsyncEngine, reading: Pool, queue: Queue, changes: Changes) -> None:
        self.settings = settings
        self.engine = engine
        self.reading = reading
        self.queue = queue
        self.changes = changes
        self.kept = Kept()
        # Set by a process that serves documents.
        self.documents: ServedDocuments | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, listen: bool = True, statement_seconds: float = 0
    ) -> AsyncIterator[Resources]:
        """Opens everything and closes it again. Connects when first used, so it works while a server is away.

        A command that does one thing and ends has no use for the news of commits, and does not `listen`. PostgreSQL
        itself ends statements after `statement_seconds` (0: never).
        """
        session_settings = {**SESSION_SETTINGS, "statement_timeout": f"{statement_seconds * 1000:.0f}"}
        # The URL is for the driver to read: SQLAlchemy would not understand ?sslmode=require.
        connect = partial(asyncpg.connect, settings.required_database_url, timeout=10, server_settings=session_settings)
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(connect, server_settings=session_settings),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_recycle=1800,
            # A connection that PostgreSQL ended when it was restarted is to fail no write.
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        reading = Pool(
            partial(connect, server_settings={**session_settings, **READING_SETTINGS}), settings.database_pool_size
        )
        queue = Queue(settings.required_redis_url)
        changes = Changes(str(settings.database_url))
        if listen:
            await changes.start()
        try:
            yield cls(settings, engine, reading, queue, changes)
        finally:
            await changes.stop()
            await queue.close()
            await reading.close()
            await engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """A snapshot to read from."""
        reader = Reader(self.reading)
        try:
            yield reader
        finally:
            await reader.close()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        """A transaction; the only thing that commits. On an exception nothing of it remains and nothing is told."""
        async with self.engine.begin() as connection:
            tx = Tx(connection)
            yield tx
            await tx.announce()
        # Whoever made the change, and asks this process next, must not get an answer from before it.
        self.changes.told(tx.versions)
        for kind, job_id in tx.enqueued:
            await self.queue.tell(kind.value, job_id)

    async def write_in_batches(self, batch: Callable[[Tx], Awaitable[int]], domain: Domain | None = None) -> int:
        """Call `batch` in one transaction after another until it reports that no row is left.

        `batch` returns the number of rows it changed. `domain` is the data domain whose version is bumped by each
        transaction that changed rows; None when clients never see these rows. Return the total number of rows.
        """
        total = 0
        while True:
            async with self.write() as tx:
                rows = await batch(tx)
                if rows and domain is not None:
                    tx.touch(domain)
            if not rows:
                return total
            total += rows
