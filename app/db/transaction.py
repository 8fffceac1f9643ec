"""Transactions that write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import Any

import orjson
from sqlalchemy import Executable, text
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.notifications import CHANNEL
from app.db.session import CONNECTION_ENDING_SQLSTATES, Session
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

# How long a cancelled commit is awaited: afterwards it is unknown whether it succeeded.
COMMIT_GRACE_SECONDS = 5.0


class CommitState(Enum):
    """Whether a transaction is committed.

    OPEN: no, COMMIT has not been sent or has failed. UNKNOWN: COMMIT was sent, and PostgreSQL has not answered.
    """

    OPEN = "open"
    UNKNOWN = "unknown"
    COMMITTED = "committed"


class Transaction(Session):
    """A transaction that writes. Version bumps, notifications and enqueued jobs take effect only if it commits.

    `versions` holds the bumped data versions after `publish`.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.changed_domains: set[Domain] = set()
        self.changed_jobs: set[int] = set()
        self.topics: set[str] = set()
        self.enqueued: list[tuple[JobKind, int]] = []
        self.versions: Mapping[str, int] = {}
        self.commit_state = CommitState.OPEN

    async def execute(self, statement: Executable, values: Any = None) -> CursorResult[Any]:
        """Run a statement."""
        return await self.connection.execute(statement, values)

    async def rows(self, statement: Executable, values: Any = None) -> Sequence[Any]:
        """Run a statement and return all its rows."""
        return (await self.execute(statement, values)).all()

    def bump_version(self, *domains: Domain) -> None:
        """Increment the versions of these domains, as part of the commit: their data has changed."""
        self.changed_domains.update(domains)

    def job_changed(self, job_id: int) -> None:
        """Notify the subscribers of a job once the transaction commits."""
        self.changed_jobs.add(job_id)

    def notify(self, *topics: str) -> None:
        """Notify the subscribers of these topics once the transaction commits."""
        self.topics.update(topics)

    def enqueue(self, kind: JobKind, job_id: int) -> None:
        """Enqueue a job once the transaction commits."""
        self.enqueued.append((kind, job_id))
        self.job_changed(job_id)

    async def publish(self) -> None:
        """Bump the versions and send the notification.

        Call this last before the commit, because the rows of bumped versions stay locked until then.
        """
        if not self.changed_domains and not self.changed_jobs and not self.topics:
            return
        if self.changed_domains:
            self.versions = orjson.loads(await self.scalar(BUMP_VERSIONS, {"domains": sorted(self.changed_domains)}))
        message = {"versions": self.versions, "jobs": sorted(self.changed_jobs), "topics": sorted(self.topics)}
        await self.execute(NOTIFY, {"channel": CHANNEL, "payload": orjson.dumps(message).decode()})

    async def commit(self) -> None:
        """Commit. A cancellation waits for PostgreSQL's answer for COMMIT_GRACE_SECONDS, then closes the connection."""
        commit = asyncio.create_task(self._commit())
        commit.add_done_callback(lambda task: task.cancelled() or task.exception())  # retrieved: asyncio logs others
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            end = time.monotonic() + COMMIT_GRACE_SECONDS
            while not commit.done() and (seconds := end - time.monotonic()) > 0:
                with suppress(asyncio.CancelledError):  # a client that disconnects after the timeout of its request
                    await asyncio.wait({commit}, timeout=seconds)
            if not commit.done():
                commit.cancel()
                await self.connection.invalidate()
            raise

    async def _commit(self) -> None:
        self.commit_state = CommitState.UNKNOWN
        try:
            await self.connection.commit()
        except DBAPIError as error:
            sqlstate = str(getattr(error.orig, "sqlstate", None) or "")
            if sqlstate and not sqlstate.startswith(CONNECTION_ENDING_SQLSTATES):
                self.commit_state = CommitState.OPEN
            raise
        self.commit_state = CommitState.COMMITTED
