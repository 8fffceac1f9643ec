"""Server-sent events: the protocol graphql-sse in its distinct connections mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from graphql import ExecutionResult
from starlette.types import Send

from app.engine.executor import encode

EVENT_STREAM = "text/event-stream"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
HEARTBEAT_SECONDS = 10.0


async def send_events(source: AsyncGenerator[ExecutionResult, None], send: Send) -> None:
    """Sends each result as an event, a comment when there was none for long, and that it is complete."""
    upcoming: asyncio.Future[ExecutionResult | None] = asyncio.ensure_future(anext(source, None))
    try:
        while True:
            done, _ = await asyncio.wait([upcoming], timeout=HEARTBEAT_SECONDS)
            if not done:
                await _chunk(send, b":\n\n")
                continue
            result = upcoming.result()
            if result is None:
                break
            await _chunk(send, b"event: next\ndata: " + encode(result) + b"\n\n")
            upcoming = asyncio.ensure_future(anext(source, None))
    finally:
        upcoming.cancel()
        await asyncio.wait([upcoming])
        await source.aclose()
    await _chunk(send, b"event: complete\ndata:\n\n", last=True)


async def _chunk(send: Send, data: bytes, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": not last})
