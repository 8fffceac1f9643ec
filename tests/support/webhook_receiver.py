"""Webhook receivers on localhost, which process each message once and respond as a test requires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.settings import Settings
from tests.support.sites import Site, http_response, run_site

WEBHOOK_SECRET = "whsec_" + "QUJD" * 8
ACCEPTED = http_response(b"taken", 200)


@dataclass
class Receiver:
    """Receiver that sends `answers` in order, then 200. None means no response, b"" a closed connection."""

    answers: list[bytes | None] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    site: Site = field(default_factory=Site)

    @property
    def url(self) -> str:
        """URL of the receiver."""
        return self.site.url("/in")

    @property
    def ids(self) -> list[str]:
        """Message ids of all requests."""
        return [head["webhook-id"] for head in self.heads]

    @property
    def prices(self) -> list[float]:
        """New prices of all events in order of arrival, without repeated messages."""
        once = dict(zip(self.ids, self.bodies, strict=True))
        return [event["priceAfter"] for body in once.values() for event in orjson.loads(body)["data"]["events"]]

    async def answer(self, request: str, writer: asyncio.StreamWriter) -> None:
        """Respond to one request."""
        head, _, body = request.partition("\r\n\r\n")
        pairs = (line.partition(": ") for line in head.split("\r\n")[1:])
        self.heads.append({name.lower(): value for name, _, value in pairs})
        self.bodies.append(body.encode())
        given = self.answers.pop(0) if self.answers else ACCEPTED
        if given is None:
            await asyncio.sleep(60)
        writer.write(given or b"")
        await writer.drain()


@asynccontextmanager
async def run_receiver(*answers: bytes | None) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    it = Receiver(list(answers))
    async with run_site({"/in": it.answer, "/elsewhere": it.answer}) as it.site:
        yield it


def webhook_settings(settings: Settings, *urls: str, **changed: Any) -> Settings:
    """Return settings with these webhooks."""
    more = {"poll_interval_seconds": 0.1, "change_log_min_interval_seconds": 0, **changed}
    return Settings(
        **{**settings.model_dump(), "webhook_url": " ".join(urls), "webhook_secret": WEBHOOK_SECRET, **more}
    )
