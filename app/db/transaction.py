"""Transactions that write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Executable, text
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.notifications import CHANNEL
from app.db.session import Session
from app.db.tables import Domain, JobKind

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

NOTIFY = text("SELECT pg_notify(:channel, :payload)")


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
