"""What a process needs to work: the database, the queue, the news of commits. Opened once, by API and worker alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import asyncpg
import orjson
from sqlalchemy import Executable, text
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.changes import CHANNEL, Changes
from app.core.broker import Queue
from app.core.versioned_cache import Kept
from app.reading import Pool, Reader, Session
from app.settings import Settings
from app.tables import Domain, JobKind

# One recalculation or import of CPUs at a time: both write many rows of `cpu` and would lock them in different orders.
# A trigger takes it for every statement that writes `cpu`; who first reads what it then writes takes it by hand.
CPU_WRITERS_LOCK = 7_310_002

BUMP_VERSIONS = text(
    """
    WITH bumped AS (
        INSERT INTO data_version AS v (domain, version)
        SELECT domain, 1 FROM unnest(CAST(:domains AS text[])) AS d (domain) ORDER BY domain
        ON CONFLICT (domain) DO UPDATE SET version = v.version + 1
        RETURNING domain, version
    )
    SELECT coalesce(jsonb_object_agg(domain, version), '{}')::text FROM bumped
    """
)
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
NOTIFY = text("SELECT pg_notify(:channel, :payload)")

__all__ = ["Reader", "Resources", "Session", "Tx"]


class Tx(Session):
    """A transaction that writes. What it touches and enqueues takes effect on commit, or not at all."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.touched: set[Domain] = set()
        self.moved_jobs: set[int] = set()
        self.topics: set[str] = set()
        self.enqueued: list[tuple[JobKind, int]] = []
        self.versions: Mapping[str, int] = {}

    async def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Runs one statement."""
        return await self.connection.execute(statement, values)

    async def rows(self, statement: Executable, values: Any = None) -> Sequence[Any]:
        """All rows of one statement."""
        return (await self.execute(statement, values)).all()

    def touch(self, *domains: Domain) -> None:
        """Says that data of these domains changed: their versions are bumped as part of the commit."""
        self.touched.update(domains)

    def moved(self, job_id: int) -> None:
        """Says that a job changed: those who follow it are told."""
        self.moved_jobs.add(job_id)

    def tell(self, *topics: str) -> None:
        """Wakes up whoever follows one of these topics, when this is committed."""
        self.topics.update(topics)

    def enqueue(self, kind: JobKind, job_id: int) -> None:
        """Has the queue told of a job after the commit."""
        self.enqueued.append((kind, job_id))
        self.moved(job_id)

    async def announce(self) -> None:
        """Bumps and notifies. Last before the commit, because bumped rows are locked until then."""
        if not self.touched and not self.moved_jobs and not self.topics:
            return
        if self.touched:
            self.versions = orjson.loads(await self.scalar(BUMP_VERSIONS, {"domains": sorted(self.touched)}))
        told = {"versions": self.versions, "jobs": sorted(self.moved_jobs), "topics": sorted(self.topics)}
        payload = orjson.dumps(told).decode()
        await self.execute(NOTIFY, {"channel": CHANNEL, "payload": payload})


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
