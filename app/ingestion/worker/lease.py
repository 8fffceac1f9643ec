"""Ownership of claimed fetches: a lease number with an advisory lock that a database connection holds.

A worker that dies needs no clean-up and no timeout: PostgreSQL releases the lock with the connection, and the other
workers requeue the fetches with an unlocked lease number.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from app.db.advisory_locks import WORKER_LEASE_LOCK_CLASS
from app.resources import SESSION_SETTINGS
from app.settings import Settings

# Interval between two checks of an idle connection, and the time limit of each check.
PING_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True)
class WorkerLease:
    """The lease number of a worker. `lost` is set when its connection has ended and others may requeue its fetches."""

    number: int
    lost: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def hold_lease(settings: Settings) -> AsyncIterator[WorkerLease]:
    """Hold a lease while the block runs. Raises the errors of asyncpg if the database is unavailable."""
    connection = await asyncpg.connect(
        settings.required_database_url,
        timeout=10,
        server_settings={**SESSION_SETTINGS, "application_name": "dealmark imports"},
    )
    try:
        lease = WorkerLease(await _lock_number(connection))
        connection.add_termination_listener(lambda _: lease.lost.set())
        ping_task = asyncio.create_task(_ping(connection, lease))
        try:
            yield lease
        finally:
            ping_task.cancel()
    finally:
        connection.terminate()


async def _lock_number(connection: asyncpg.Connection) -> int:
    """Lock a random number that no other worker has."""
    while True:
        number = secrets.randbelow(2**31)
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", WORKER_LEASE_LOCK_CLASS, number):
            return number


async def _ping(connection: asyncpg.Connection, lease: WorkerLease) -> None:
    """Detect a lost network connection, which the termination listener does not report."""
    try:
        while True:
            await asyncio.sleep(PING_INTERVAL_SECONDS)
            await connection.fetchval("SELECT 1", timeout=PING_INTERVAL_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        lease.lost.set()
