"""Server-sent events: the graphql-sse protocol in distinct connections mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from starlette.types import Send

from app.engine.streams import StreamResult

EVENT_STREAM = "text/event-stream"
EVENT_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
HEARTBEAT_INTERVAL_SECONDS = 10.0


async def send_events(results: AsyncGenerator[Sequence[StreamResult], None], send: Send) -> None:
    """Send each result as a `next` event, comments as heartbeats in between, and a final `complete` event."""
    writer = _EventWriter(send)
    heartbeats = asyncio.create_task(writer.send_heartbeats())
    try:
        async for batch in results:
            await writer.send(b"".join([b"event: next\ndata: %b\n\n" % result.body for result in batch]))
    finally:
        heartbeats.cancel()
        await asyncio.wait([heartbeats])
        await results.aclose()
    await writer.send(b"event: complete\ndata:\n\n", last=True)


class _EventWriter:
    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_idle = True

    async def send(self, data: bytes, last: bool = False) -> None:
        """Send whole events."""
        self._is_idle = False
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def send_heartbeats(self) -> None:
        """Send a comment after each interval in which nothing was sent."""
        while True:
            self._is_idle = True
            await asyncio.sleep(HEARTBEAT_INTERVAL_SECONDS)
            if self._is_idle:
                await self.send(b":\n\n")
