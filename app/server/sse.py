"""Server-sent events: the graphql-sse protocol in distinct connections mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from graphql import ExecutionResult
from starlette.types import Send

from app.engine.executor import encode_response

EVENT_STREAM = "text/event-stream"
EVENT_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
HEARTBEAT_INTERVAL_SECONDS = 10.0


async def send_events(results: AsyncGenerator[ExecutionResult, None], send: Send) -> None:
    """Send each result as a `next` event, comments as heartbeats in between, and a final `complete` event."""
    next_result: asyncio.Future[ExecutionResult | None] = asyncio.ensure_future(anext(results, None))
    try:
        while True:
            done, _ = await asyncio.wait([next_result], timeout=HEARTBEAT_INTERVAL_SECONDS)
            if not done:
                await _send_chunk(send, b":\n\n")
                continue
            result = next_result.result()
            if result is None:
                break
            await _send_chunk(send, b"event: next\ndata: " + encode_response(result) + b"\n\n")
            next_result = asyncio.ensure_future(anext(results, None))
    finally:
        next_result.cancel()
        await asyncio.wait([next_result])
        await results.aclose()
    await _send_chunk(send, b"event: complete\ndata:\n\n", last=True)


async def _send_chunk(send: Send, data: bytes, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": not last})
