"""A server for a JWKS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import orjson


@dataclass
class KeyServer:
    """Server of one JSON document, which a test can change, replace by invalid data, or make hang."""

    url: str = ""
    document: object = None
    raw: bytes | None = None
    status: int = 200
    headers: list[str] = field(default_factory=list)
    silent: bool = False
    hanging: bool = False
    endless: bool = False
    requests: int = 0
    bytes_sent: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one request."""
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        if self.hanging:
            await reader.read()  # until the client gives up
        if not self.silent:
            body = orjson.dumps(self.document) if self.raw is None else self.raw
            length = [] if self.endless else [f"content-length: {len(body)}"]
            lines = [f"HTTP/1.1 {self.status} X", *length, "connection: close", *self.headers]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            with suppress(ConnectionError):
                await writer.drain()
                while self.endless:
                    writer.write(b" " * 65_536)
                    self.bytes_sent += 65_536
                    await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def key_server(document: object) -> AsyncIterator[KeyServer]:
    """Serve a JWKS."""
    keys = KeyServer(document=document)
    server = await asyncio.start_server(keys.answer, "127.0.0.1", 0)
    keys.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    try:
        yield keys
    finally:
        server.close()
        await server.wait_closed()
