"""HTTP over a bare socket: requests that no client library sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.api_server import ApiClient


@dataclass
class RawResponse:
    """A parsed response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> Any:
        """Code of the only error."""
        (error,) = orjson.loads(self.body)["errors"]
        return error["extensions"]["code"]


class RawConnection:
    """A connection that sends any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send bytes as far as the server reads them; a closed connection is no error."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def send_until_closed(self, data: bytes, interval: float = 0.0) -> None:
        """Send bytes again and again until the server closes the connection."""
        with suppress(ConnectionError):
            while True:
                self.writer.write(data)
                await asyncio.wait_for(self.writer.drain(), 60)
                await asyncio.sleep(interval)

    def stop_reading(self) -> None:
        """Leave what the server sends in the buffers of the kernel."""
        self.reader._transport.pause_reading()  # type: ignore[attr-defined]

    async def get(self, path: str = "/") -> RawResponse:
        """Send a GET request and return its response."""
        await self.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
        return await self.response()

    async def response(self) -> RawResponse:
        """Return the next response, which has a length."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await asyncio.wait_for(self.reader.readexactly(int(headers.get("content-length", "0"))), 60)
        return RawResponse(int(first.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """Return what the server sends until it closes the connection."""
        received = b""
        with suppress(ConnectionError):
            while data := await asyncio.wait_for(self.reader.read(65_536), 60):
                received += data
        return received


@asynccontextmanager
async def open_raw(api: ApiClient, data: bytes = b"") -> AsyncIterator[RawConnection]:
    """Open a connection and send bytes."""
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=70_000)
    connection = RawConnection(reader, writer)
    try:
        await connection.send(data)
        yield connection
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
