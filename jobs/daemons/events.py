"""Follows the outbox: its events get positions as soon as a commit tells of them, and receivers are told of those.

All of it is in PostgreSQL, positions and how far each receiver is. A worker that dies leaves what it had not finished
to the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import httpx
import structlog

from app.db.advisory_locks import WEBHOOK_LOCKS
from app.db.errors import is_unavailable
from app.db.notifications import OUTBOX
from app.db.tables import Domain
from app.events.outbox import number_events
from app.events.webhooks import Webhook, deliver, make_client, webhooks
from app.resources import SESSION_SETTINGS, Resources

log = structlog.get_logger()

# How soon to ask again when somebody else is giving positions.
BUSY_SECONDS = 0.1
TRY_LOCK = "SELECT pg_try_advisory_lock($1, hashtext($2))"


async def follow_events(resources: Resources) -> None:
    """Runs until it is cancelled: the positions, and every receiver for itself, so that none waits for another."""
    async with make_client() as client, asyncio.TaskGroup() as group:
        group.create_task(_retried(resources, "events.not_numbered", lambda: follow_outbox(resources)))
        for each in webhooks(resources.settings):
            work = _delivering(resources, client, each)
            group.create_task(_retried(resources, "webhook.interrupted", work))


async def follow_outbox(resources: Resources) -> None:
    """Gives positions. News that were lost are made up for every `sweep_seconds`."""
    settings = resources.settings
    async with resources.changes.follow(OUTBOX) as told:
        while True:
            told.clear()
            more = await number_events(resources)
            if more:
                continue
            # Each batch is news that ends what caches know.
            await asyncio.sleep(settings.change_pause_seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), BUSY_SECONDS if more is None else settings.sweep_seconds)


async def follow_webhook(resources: Resources, client: httpx.AsyncClient, webhook: Webhook) -> None:
    """Delivers, for as long as this worker is the one that does; returns when it is not any more."""
    async with _alone(resources, webhook) as connection, resources.changes.follow(Domain.EVENTS) as told:
        while not connection.is_closed():
            told.clear()
            wait = await deliver(resources, client, webhook)
            sweep = resources.settings.sweep_seconds
            if wait is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), sweep)
            elif wait:
                await asyncio.sleep(min(wait, sweep))


def _delivering(resources: Resources, client: httpx.AsyncClient, webhook: Webhook) -> Callable[[], Awaitable[None]]:
    return lambda: follow_webhook(resources, client, webhook)


@asynccontextmanager
async def _alone(resources: Resources, webhook: Webhook) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds the receiver's lock, once no other worker does.

    It is none of the pool's: a receiver that takes its time keeps nobody else from the database. Should the lock be
    lost without notice, two may send the same batch; to the receiver it is one.
    """
    url = resources.settings.required_database_url
    connection = await asyncpg.connect(url, timeout=10, server_settings=SESSION_SETTINGS)
    try:
        # Not by waiting in PostgreSQL: a statement that lasts keeps old rows from being cleaned away.
        while not await connection.fetchval(TRY_LOCK, WEBHOOK_LOCKS, webhook.name):  # noqa: ASYNC110, nothing tells
            await asyncio.sleep(resources.settings.sweep_seconds)
        yield connection
    finally:
        connection.terminate()


async def _retried(resources: Resources, event: str, work: Callable[[], Awaitable[None]]) -> None:
    """Does it again and again, a while after each time that it ended."""
    while True:
        try:
            await work()
        except Exception as error:
            # Nothing is lost. What is wrong may be wrong for long: the next look is soon enough.
            if is_unavailable(error):
                log.warning(event, error=str(error))
            else:
                log.exception(event)
        await asyncio.sleep(resources.settings.sweep_seconds)
