"""Publishes the events of the outbox, and delivers them to webhooks.

Positions of events and the progress of each webhook are in PostgreSQL. If a worker dies, another one continues.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import httpx
import structlog

from app.core.waiting import wait_for_event
from app.db.advisory_locks import WEBHOOK_LOCK_CLASS
from app.db.errors import is_unavailable
from app.db.notifications import OUTBOX_TOPIC
from app.db.tables import Domain
from app.events.outbox import sequence_outbox
from app.events.webhooks import Webhook, configured_webhooks, create_client, deliver_batch
from app.resources import SESSION_SETTINGS, Resources

log = structlog.get_logger()

# Delay before the next attempt while another worker sequences the outbox.
BUSY_RETRY_INTERVAL_SECONDS = 0.1
TRY_LOCK = "SELECT pg_try_advisory_lock($1, hashtext($2))"


async def follow_events(resources: Resources) -> None:
    """Publish and deliver events until cancelled. Each webhook has a task, so that none waits for another."""
    async with create_client() as client, asyncio.TaskGroup() as group:
        group.create_task(_repeat(resources, "events.not_sequenced", partial(follow_outbox, resources)))
        for webhook in configured_webhooks(resources.settings):
            deliver = partial(follow_webhook, resources, client, webhook)
            group.create_task(_repeat(resources, "webhook.interrupted", deliver))


async def follow_outbox(resources: Resources) -> None:
    """Sequence the outbox. Polls every `poll_interval_seconds` in case a notification is lost."""
    settings = resources.settings
    async with resources.notifications.subscribe(OUTBOX_TOPIC) as changed:
        while True:
            changed.clear()
            has_more = await sequence_outbox(resources)
            if has_more:
                continue
            # Each batch invalidates cached responses.
            await asyncio.sleep(settings.change_log_min_interval_seconds)
            timeout = BUSY_RETRY_INTERVAL_SECONDS if has_more is None else settings.poll_interval_seconds
            await wait_for_event(changed, timeout)


async def follow_webhook(resources: Resources, client: httpx.AsyncClient, webhook: Webhook) -> None:
    """Deliver events to a webhook while this worker holds its lock. Return when the lock is lost."""
    poll_interval = resources.settings.poll_interval_seconds
    async with (
        _lock_webhook(resources, webhook) as connection,
        resources.notifications.subscribe(Domain.EVENTS) as changed,
    ):
        while not connection.is_closed():
            changed.clear()
            wait_seconds = await deliver_batch(resources, client, webhook)
            if wait_seconds is None:
                await wait_for_event(changed, poll_interval)
            elif wait_seconds:
                await asyncio.sleep(min(wait_seconds, poll_interval))


@asynccontextmanager
async def _lock_webhook(resources: Resources, webhook: Webhook) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection that holds the lock of a webhook, after waiting until no other worker holds it.

    The connection is not from the pool, which a slow webhook would block. If the lock is lost unnoticed, two workers
    may send the same batch; its id shows the receiver that it is the same.
    """
    url = resources.settings.required_database_url
    connection = await asyncpg.connect(url, timeout=10, server_settings=SESSION_SETTINGS)
    try:
        # Polling, because a statement that waits in PostgreSQL for long prevents the vacuum of old rows.
        while not await connection.fetchval(TRY_LOCK, WEBHOOK_LOCK_CLASS, webhook.name):  # noqa: ASYNC110
            await asyncio.sleep(resources.settings.poll_interval_seconds)
        yield connection
    finally:
        connection.terminate()


async def _repeat(resources: Resources, log_event: str, function: Callable[[], Awaitable[None]]) -> None:
    """Call a function again, after a pause, each time it returns or raises."""
    while True:
        try:
            await function()
        except Exception as error:
            # Nothing is lost. The cause may last, so the next poll is soon enough.
            if is_unavailable(error):
                log.warning(log_event, error=str(error))
            else:
                log.exception(log_event)
        await asyncio.sleep(resources.settings.poll_interval_seconds)
