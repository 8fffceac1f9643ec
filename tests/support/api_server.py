"""A running API on a local port, and an HTTP client for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from app.graphql.viewer import Role
from app.main import create_app
from app.server.authentication import issue_token
from app.server.uvicorn_options import uvicorn_options
from app.settings import Settings


class ApiClient:
    """HTTP client of a running API."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, timeout=60, verify=False)  # no TLS, no certificates to read
        self.settings = settings

    def token(self, role: Role) -> dict[str, str]:
        """Return an Authorization header with a token for this role."""
        return {"authorization": f"Bearer {issue_token(self.settings, role, 'tester', timedelta(minutes=5))}"}

    async def ask(self, query: str, role: Role | None = None, **variables: Any) -> dict[str, Any]:
        """Send a query by POST and return the whole response."""
        headers = {} if role is None else self.token(role)
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, query: str, role: Role | None = None, **variables: Any) -> dict[str, Any]:
        """Send a query and return its data; the response must have no errors."""
        answer = await self.ask(query, role, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, query: str, role: Role | None = None, **variables: Any) -> tuple[str, str]:
        """Send a query and return code and message of its only error."""
        answer = await self.ask(query, role, **variables)
        (error,) = answer["errors"]
        return error["extensions"]["code"], error["message"]


class _Server(uvicorn.Server):
    """A uvicorn server that stops immediately; the original polls for that every 0.1 s."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave the signals to pytest."""
        return nullcontext()

    async def main_loop(self) -> None:
        """Run until `should_exit` is set."""
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the same order as the original."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110, uvicorn has no event
            await asyncio.sleep(0.005)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


@asynccontextmanager
async def run_api(settings: Settings, app: ASGIApp | None = None) -> AsyncIterator[ApiClient]:
    """Run the API, or another ASGI application, and yield a client."""
    config = uvicorn.Config(
        app or create_app(settings), host="127.0.0.1", port=0, lifespan="on", **uvicorn_options(settings)
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = ApiClient(f"http://127.0.0.1:{port}", settings)
    try:
        yield running
    finally:
        await running.http.aclose()
        server.told.set()
        await task


async def wait_for_notifications(api: ApiClient) -> None:
    """Wait until the process receives notifications: before, it caches no responses and reloads documents."""
    for _ in range(1000):
        answer = await api.http.get("/graphql", params={"documentId": "Statistics"})
        if answer.headers["x-cache"] != "BYPASS":
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the process receives no notifications")
