"""Delivers events to receivers that the operator named, in order and in batches.

A batch and its id are committed before it is first sent, and the id is the receiver's means to take it once: until it
has said that it has it, the same batch comes again, whoever sends it. What is next is in PostgreSQL alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog

from app.core.global_ids import global_id
from app.events import sql
from app.events.sql import PriceChangeRow
from app.events.webhook_signature import signature
from app.resources import Resources
from app.settings import Settings

log = structlog.get_logger()

# Events of one request; each takes about 200 bytes.
BATCH = 200
# A receiver has so long to answer, however it goes about it. What it is to do with the events may be done later.
ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 5.0
# From one attempt to the next: doubled each time up to the longest, and up to half of it less, by chance.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0


@dataclass(frozen=True)
class Webhook:
    """A receiver. `name` is for people and the database: it does not tell what the URL may hold of secrets."""

    url: str
    name: str


def webhooks(settings: Settings) -> list[Webhook]:
    """The receivers. Raises StartupError."""
    return [Webhook(url, _name(url)) for url in settings.webhooks]


def _name(url: str) -> str:
    return f"{urlsplit(url).hostname}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def make_client() -> httpx.AsyncClient:
    """Follows no redirects, and goes by no proxy of the environment."""
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=timeout)


async def deliver(resources: Resources, client: httpx.AsyncClient, webhook: Webhook) -> float | None:
    """Sends the next batch, if it is time. Seconds until the next attempt, 0 after a success; None: nothing to tell."""
    async with resources.write() as tx:
        batch = await sql.fix_batch(tx, webhook.name, BATCH)
    if batch is None:
        return None
    if batch.wait > 0:
        return float(batch.wait)
    async with resources.read() as session:
        values = {"after": batch.position, "until": batch.batch_until, "limit": BATCH}
        events = await session.rows(sql.UNTIL, values, PriceChangeRow)
    outcome, reason = await _post(client, webhook, str(batch.batch_id), encode(events), resources.settings)
    if outcome == "delivered":
        async with resources.write() as tx:
            await sql.delivered(tx, webhook.name, batch.batch_id)
        return 0.0
    wait = pause(batch.attempts)
    log.warning(f"webhook.{outcome}", webhook=webhook.name, reason=reason, attempt=batch.attempts + 1, seconds=wait)
    async with resources.write() as tx:
        await sql.failed(tx, webhook.name, batch.batch_id, outcome, timedelta(seconds=wait))
    return wait


def encode(events: Sequence[PriceChangeRow]) -> bytes:
    """The body: the same bytes for the same events."""
    told = [_told(event) for event in events]
    return orjson.dumps({"type": "price.changed", "timestamp": events[-1]["at"], "data": {"events": told}})


def _told(event: PriceChangeRow) -> dict[str, Any]:
    """Under the names, and with the values, that GraphQL has for the same."""
    cpu = event["cpu_id"]
    return {
        "id": global_id("PriceChange", event["position"]),
        "cursor": sql.OLDEST_FIRST.cursor(event),
        "listingId": global_id("Listing", event["listing_id"]),
        "cpuId": None if cpu is None else global_id("CPU", cpu),
        "priceBefore": event["price_before"],
        "priceAfter": event["price_after"],
        "shipping": event["shipping"],
        "currency": event["currency"],
        "at": event["at"],
    }


def pause(attempts: int) -> float:
    """Seconds until the next attempt, after one more than `attempts` failed."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts, 30))
    return longest * random.uniform(0.5, 1)  # noqa: S311, nothing is to be kept secret


async def _post(
    client: httpx.AsyncClient, webhook: Webhook, message_id: str, body: bytes, settings: Settings
) -> tuple[str, str]:
    """`delivered`, `refused` (it answered, but with no 2xx) or `unanswered`, and the reason."""
    now = int(time.time())
    headers = {
        "content-type": "application/json",
        "user-agent": "Dealmark",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(settings.webhook_keys, message_id, now, body),
    }
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            # Of the answer nothing but the status counts, so no more is read.
            client.stream("POST", webhook.url, content=body, headers=headers) as response,
        ):
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # TimeoutError is an OSError
        return "unanswered", str(error) or type(error).__name__
    return "delivered" if response.is_success else "refused", f"status {status}"
