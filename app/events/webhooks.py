"""Delivery of price changes to the webhooks of the settings, in order and in batches.

A batch and its id are committed before it is first sent. Until the receiver confirms it, the same batch with the same
id is sent again, by any worker, so that the receiver can recognize it. The progress of a webhook is in PostgreSQL only.
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

from app.core.global_ids import encode_global_id
from app.events import sql
from app.events.sql import PriceChangeRow
from app.events.webhook_signature import signature
from app.resources import Resources
from app.settings import Settings

log = structlog.get_logger()

# Events per request; each takes about 200 bytes.
BATCH_SIZE = 200
# Total time for a request. A receiver should confirm a batch first, and process it later.
REQUEST_TIMEOUT_SECONDS = 15.0
CONNECT_TIMEOUT_SECONDS = 5.0
# The delay doubles with each failed attempt. Up to half of it is random, so that webhooks do not retry in step.
FIRST_RETRY_DELAY_SECONDS = 1.0
MAX_RETRY_DELAY_SECONDS = 300.0


@dataclass(frozen=True)
class Webhook:
    """A receiver of events. `name` identifies it in logs and in the database; the URL may contain secrets."""

    url: str
    name: str


def configured_webhooks(settings: Settings) -> list[Webhook]:
    """Return the webhooks of the settings. Raises StartupError if there is no key to sign with."""
    return [Webhook(url, _name(url)) for url in settings.webhooks]


def _name(url: str) -> str:
    return f"{urlsplit(url).hostname}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def create_client() -> httpx.AsyncClient:
    """Create an HTTP client that follows no redirects and ignores proxies of the environment."""
    timeout = httpx.Timeout(REQUEST_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=timeout)


async def deliver_batch(resources: Resources, client: httpx.AsyncClient, webhook: Webhook) -> float | None:
    """Send the next batch if it is due.

    Return the seconds until the next attempt, 0 after a success, and None if there are no more events.
    """
    async with resources.write() as tx:
        batch = await sql.prepare_batch(tx, webhook.name, BATCH_SIZE)
    if batch is None:
        return None
    if batch.wait > 0:
        return float(batch.wait)
    async with resources.read() as session:
        values = {"after": batch.position, "until": batch.batch_until, "limit": BATCH_SIZE}
        events = await session.rows(sql.UNTIL, values, PriceChangeRow)
    outcome, reason = await _post(client, webhook, str(batch.batch_id), encode(events), resources.settings)
    if outcome == "delivered":
        async with resources.write() as tx:
            await sql.mark_delivered(tx, webhook.name, batch.batch_id)
        return 0.0
    delay = delivery_retry_delay(batch.attempts)
    log.warning(f"webhook.{outcome}", webhook=webhook.name, reason=reason, attempt=batch.attempts + 1, seconds=delay)
    async with resources.write() as tx:
        await sql.mark_failed(tx, webhook.name, batch.batch_id, outcome, timedelta(seconds=delay))
    return delay


def encode(events: Sequence[PriceChangeRow]) -> bytes:
    """Return the body of a delivery. Equal events give equal bytes."""
    payload = [_event_payload(event) for event in events]
    return orjson.dumps({"type": "price.changed", "timestamp": events[-1]["at"], "data": {"events": payload}})


def _event_payload(event: PriceChangeRow) -> dict[str, Any]:
    """Return an event with the names and values of the GraphQL type PriceChange."""
    cpu_id = event["cpu_id"]
    return {
        "id": encode_global_id("PriceChange", event["position"]),
        "cursor": sql.OLDEST_FIRST.encode(event),
        "listingId": encode_global_id("Listing", event["listing_id"]),
        "cpuId": None if cpu_id is None else encode_global_id("CPU", cpu_id),
        "priceBefore": event["price_before"],
        "priceAfter": event["price_after"],
        "shipping": event["shipping"],
        "currency": event["currency"],
        "at": event["at"],
    }


def delivery_retry_delay(attempts: int) -> float:
    """Return the seconds until the next attempt after `attempts` + 1 failures."""
    longest: float = min(MAX_RETRY_DELAY_SECONDS, FIRST_RETRY_DELAY_SECONDS * 2 ** min(attempts, 30))
    return longest * random.uniform(0.5, 1)  # noqa: S311, not for cryptography


async def _post(
    client: httpx.AsyncClient, webhook: Webhook, message_id: str, body: bytes, settings: Settings
) -> tuple[str, str]:
    """Send a request.

    Return the outcome, which is `delivered`, `refused` (a status other than 2xx) or `unanswered`, and the reason.
    """
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
            asyncio.timeout(REQUEST_TIMEOUT_SECONDS),
            # Only the status matters, so the body of the response is not read.
            client.stream("POST", webhook.url, content=body, headers=headers) as response,
        ):
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # TimeoutError is an OSError
        return "unanswered", str(error) or type(error).__name__
    return "delivered" if response.is_success else "refused", f"status {status}"
