"""A server for a JWKS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson


@dataclass
class KeyServer:
    """Server of one JSON document, which a test can change, replace by invalid data, or make hang."""

    url: str = ""
    document: object = None
    raw: bytes | None = None
    status: int = 200
    silent: bool = False
    requests: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to one request."""
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        if not self.silent:
            body = orjson.dumps(self.document) if self.raw is None else self.raw
            head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()
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
