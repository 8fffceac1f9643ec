"""Resources of a process, API or worker: the database, the job broker, and notifications of commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import asyncpg
import orjson
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.core.broker import JobBroker
from app.core.versioned_cache import VersionedCache
from app.db import write_access
from app.db.notifications import NotificationListener
from app.db.pool import ReadPool
from app.db.session import Reader, Session
from app.db.tables import Domain
from app.db.transaction import CommitState, Transaction
from app.settings import Settings

# With these, PostgreSQL ends the transactions, and releases the locks, of a killed process within a second and of a
# lost host within a minute. By default it notices a killed process only after the running statement, and a lost host
# after two hours.
SESSION_SETTINGS = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "4",
}
# Statements of the read path are planned once per connection, because planning takes longer than execution. None runs
# long enough for JIT compilation to pay off.
READ_SETTINGS = {"plan_cache_mode": "force_generic_plan", "default_transaction_read_only": "on", "jit": "off"}

__all__ = ["Reader", "Resources", "Session", "Transaction"]


@dataclass(frozen=True)
class ExecutionMode:
    """How a document is executed: `mode` is `compiled`, `interpreted`, or `outdated` if it is not executed at all.

    `reason` says why it is not compiled.
    """

    mode: str
    reason: str | None = None


class ServedDocuments(Protocol):
    """Facts about documents that only a process that serves them knows; the tables hold the others."""

    @property
    def builtin_names(self) -> Mapping[str, str]:
        """Names of the documents that ship with the server, by id."""

    async def execution_mode(self, document_id: str) -> ExecutionMode | None:
        """Return how a document is executed; None if it is not served."""


class Resources:
    """Everything that a process works with. It is passed explicitly; there is no global instance."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        read_pool: ReadPool,
        broker: JobBroker,
        notifications: NotificationListener,
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.read_pool = read_pool
        self.broker = broker
        self.notifications = notifications
        self.versioned_cache = VersionedCache()
        # Set by processes that serve documents.
        self.documents: ServedDocuments | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, listen: bool = True, statement_seconds: float = 0
    ) -> AsyncIterator[Resources]:
        """Open all resources, and close them at exit.

        Connections are made on first use, so this works while a server is down. A short command does not need
        notifications and passes `listen=False`. PostgreSQL cancels statements after `statement_seconds` (0: never).
        """
        session_settings = {**SESSION_SETTINGS, "statement_timeout": f"{statement_seconds * 1000:.0f}"}
        # asyncpg parses the URL, because SQLAlchemy does not understand ?sslmode=require.
        connect = partial(asyncpg.connect, settings.required_database_url, timeout=10, server_settings=session_settings)
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(connect, server_settings=session_settings),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_recycle=1800,
            # No write fails because of a connection that ended when PostgreSQL was restarted.
            pool_pre_ping=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        read_pool = ReadPool(
            partial(connect, server_settings={**session_settings, **READ_SETTINGS}), settings.database_pool_size
        )
        broker = JobBroker(settings.required_redis_url)
        notifications = NotificationListener(str(settings.database_url))
        if listen:
            await notifications.start()
        try:
            yield cls(settings, engine, read_pool, broker, notifications)
        finally:
            await notifications.stop()
            await broker.close()
            await read_pool.close()
            await engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """Open a snapshot to read from, and close it at exit."""
        reader = Reader(self.read_pool)
        try:
            yield reader
        finally:
            await reader.close()

    async def check_schema(self) -> None:
        """Raise SchemaMismatch unless the database has the schema of the code, and driver errors if it is down."""
        async with self.read() as session:
            await write_access.check_schema(session)

    async def check_write_access(self) -> None:
        """Raise ReadOnlyDatabase or SchemaMismatch if this code may not write, and driver errors if it is down."""
        async with self.engine.connect() as connection:
            await write_access.check_write_access(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Open a transaction, and commit it at exit. Nothing else in the program commits.

        On an exception the transaction is rolled back, and no notification or job is sent. A caller that is cancelled
        during the commit is cancelled afterwards, when it has taken effect. Raise ReadOnlyDatabase or SchemaMismatch if
        this code may not write.
        """
        tx: Transaction | None = None
        try:
            async with self.engine.connect() as connection:
                await write_access.check_write_access(connection)
                tx = Transaction(connection)
                yield tx
                await tx.publish()
                await tx.commit()
        finally:
            if tx is not None and tx.commit_state is CommitState.COMMITTED:
                # The caller's next request to this process must not be answered with data from before its own change.
                self.notifications.apply_versions(tx.versions)
                for kind, job_id in tx.enqueued:
                    await self.broker.enqueue(kind.value, job_id)

    async def write_in_batches(
        self, batch: Callable[[Transaction], Awaitable[int]], domain: Domain | None = None
    ) -> int:
        """Call `batch` in one transaction after another until it reports that no row is left.

        `batch` returns the number of rows it changed. Each transaction that changed rows bumps the version of `domain`;
        None if clients never see these rows. Return the total number of rows.
        """
        total = 0
        while True:
            async with self.write() as tx:
                rows = await batch(tx)
                if rows and domain is not None:
                    tx.bump_version(domain)
            if not rows:
                return total
            total += rows
