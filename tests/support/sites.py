"""Local web servers with prepared responses, and a network backend and a resolver that record their calls."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpcore

from app.ingestion.fetch.fetcher import Fetcher, FetchLimits
from app.ingestion.fetch.url_policy import AllowList, IPAddress

LOCALHOST_ONLY = AllowList.from_entries(["127.0.0.1"])
SHORT_LIMITS = FetchLimits(timeout_seconds=60, idle_timeout_seconds=30, max_bytes=64 * 1024)

Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """A local web server.

    `pages` maps request targets to complete HTTP responses, or to functions that write a response.
    """

    pages: dict[str, bytes | Handler] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)  # headers and bodies as received
    port: int = 0

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (line for line in request.lower().split("\r\n") if line.startswith("content-length:")), ":0"
                )
                request += (await reader.readexactly(int(length.partition(":")[2]))).decode()
                self.requests.append(request)
                response = self.pages.get(request.split(" ")[1], http_response(status=404))
                if callable(response):
                    await response(request, writer)
                    break
                writer.write(response)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def run_site(pages: Mapping[str, bytes | Handler] | None = None) -> AsyncIterator[Site]:
    """Run a web server on a free port."""
    site = Site(dict(pages or {}))
    tasks = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await site.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http_response(body: bytes = b"<h1>x</h1>", status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a complete HTTP response, with HTML unless the headers contain another type."""
    all_headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items() if value)
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + body


def redirect_response(location: str, status: int = 302) -> bytes:
    """Return a redirect."""
    return http_response(b"", status, {"Location": location})


class RecordingBackend(httpcore.AsyncNetworkBackend):
    """Network backend that records connections. It opens them with `inner`; without it, they fail."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self.connections: list[tuple[str, int]] = []
        self.inner = inner

    async def connect_tcp(self, host: str, port: int, *rest: object, **more: object) -> httpcore.AsyncNetworkStream:
        self.connections.append((host, port))
        if self.inner is None:
            raise httpcore.ConnectError("no network here")
        return await self.inner.connect_tcp(host, port)


class FakeResolver:
    """Resolver with prepared answers. Each lookup of a name returns its next answer; the last one is repeated."""

    def __init__(self, names: Mapping[str, list[str]]) -> None:
        self.names = {name: list(answers) for name, answers in names.items()}
        self.requested_names: list[str] = []

    async def __call__(self, host: str, port: int) -> list[IPAddress]:
        self.requested_names.append(host)
        answers = self.names.get(host, ["93.184.215.14"])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ipaddress.ip_address(text) for text in answer.split()]


@asynccontextmanager
async def run_fetcher(
    limits: FetchLimits = SHORT_LIMITS, allowed: AllowList = LOCALHOST_ONLY
) -> AsyncIterator[Fetcher]:
    """Run a fetcher that may fetch from localhost."""
    async with Fetcher(allowed, limits) as fetcher:
        yield fetcher
