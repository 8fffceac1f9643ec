"""Minimal clients for subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import websockets

from tests.support.api_server import ApiClient

JOB_PROGRESS = "subscription ($id: ID!) { jobProgress(id: $id) { id status total done succeeded } }"
ACCEPT_SSE = {"accept": "text/event-stream"}


class EventStream:
    """Events of an SSE response."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self.lines = lines

    async def next(self) -> tuple[str, Any]:
        """Return name and data of the next event, skipping comments."""
        name, content = "", ""
        async with asyncio.timeout(60):
            async for line in self.lines:
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    content = line.removeprefix("data:").strip()
                elif not line and name:
                    return name, orjson.loads(content) if content else None
        raise AssertionError("the stream ended")

    async def job(self) -> dict[str, Any]:
        """Return the job in the next event."""
        name, result = await self.next()
        assert name == "next"
        assert "errors" not in result, result
        found: dict[str, Any] = result["data"]["jobProgress"]
        return found

    async def rest(self) -> list[tuple[str, Any]]:
        """Return all events until the end."""
        events: list[tuple[str, Any]] = []
        while not events or events[-1][0] != "complete":
            events.append(await self.next())
        assert [line async for line in self.lines] == []
        return events


@asynccontextmanager
async def open_event_stream(
    api: ApiClient, query: str = JOB_PROGRESS, method: str = "POST", **variables: Any
) -> AsyncIterator[EventStream]:
    """Start an operation over SSE."""
    body: dict[str, Any] = {"json": {"query": query, "variables": variables}}
    if method == "GET":
        body = {"params": {"query": query, "variables": orjson.dumps(variables).decode()}}
    async with api.http.stream(method, "/graphql", headers=ACCEPT_SSE, **body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        yield EventStream(response.aiter_lines())


class WebSocketClient:
    """Client for graphql-transport-ws."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        """Send a message."""
        await self.connection.send(orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        found: dict[str, Any] = orjson.loads(await asyncio.wait_for(self.connection.recv(), 60))
        return found

    async def start(self, operation: str, query: str, **variables: Any) -> None:
        """Start an operation."""
        await self.send(type="subscribe", id=operation, payload={"query": query, "variables": variables})

    async def one(self, query: str, **variables: Any) -> dict[str, Any]:
        """Run a query and return its only result."""
        await self.start("one", query, **variables)
        result = await self.receive()
        assert await self.receive() == {"id": "one", "type": "complete"}
        found: dict[str, Any] = result["payload"]
        return found

    async def closed(self) -> tuple[int, str]:
        """Wait until the server closes the connection. Return code and reason."""
        with pytest.raises(websockets.ConnectionClosed) as caught:
            await self.receive()
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code, caught.value.rcvd.reason


@asynccontextmanager
async def open_socket(
    api: ApiClient, payload: dict[str, Any] | None = None, **headers: str
) -> AsyncIterator[WebSocketClient]:
    """Open an initialized connection."""
    async with websockets.connect(
        api.url.replace("http", "ws") + "/graphql",
        subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        additional_headers=headers,
    ) as connection:
        client = WebSocketClient(connection)
        await client.send(type="connection_init", **({} if payload is None else {"payload": payload}))
        yield client
