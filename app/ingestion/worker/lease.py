"""What makes a fetch somebody's: a number whose advisory lock goes with the connection that holds it.

A worker that dies needs no clean-up, and no clock decides that it has: PostgreSQL frees the lock, and whoever looks
next sees work that nobody is at.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from app.db.advisory_locks import CLAIMS
from app.resources import SESSION_SETTINGS
from app.settings import Settings

# A connection that says nothing is asked this often, and has as long to answer.
PING_SECONDS = 5.0


@dataclass(frozen=True)
class Claim:
    """The number of a worker; `lost` is set when its connection has ended, and others may take over."""

    number: int
    lost: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def claiming(settings: Settings) -> AsyncIterator[Claim]:
    """A claim, held while the block runs. Raises what asyncpg raises when the database does not answer."""
    connection = await asyncpg.connect(
        settings.required_database_url,
        timeout=10,
        server_settings={**SESSION_SETTINGS, "application_name": "dealmark imports"},
    )
    try:
        claim = Claim(await _lock(connection))
        connection.add_termination_listener(lambda _: claim.lost.set())
        watching = asyncio.create_task(_watch(connection, claim))
        try:
            yield claim
        finally:
            watching.cancel()
    finally:
        connection.terminate()


async def _lock(connection: asyncpg.Connection) -> int:
    while True:
        number = secrets.randbelow(2**31)
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", CLAIMS, number):
            return number


async def _watch(connection: asyncpg.Connection, claim: Claim) -> None:
    """A network that went away says nothing."""
    try:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await connection.fetchval("SELECT 1", timeout=PING_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        claim.lost.set()
