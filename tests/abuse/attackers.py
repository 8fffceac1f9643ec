"""What attackers do with connections: raw requests, several connections at once, WebSocket messages."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress

import orjson
import websockets

from app.documents.registry import builtin_documents
from app.engine.document import content_id
from tests.abuse.harness import Target

ATTACKER = "127.0.0.2"
ANSWER_TIMEOUT_SECONDS = 60.0
JSON_HEADERS = {"content-type": "application/json", "accept": "application/graphql-response+json"}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def attacker_address(number: int) -> str:
    """Return an address of the loopback network, a different one for each of 32,000 numbers."""
    return f"127.{1 + number // 250 // 250}.{number // 250 % 250}.{2 + number % 250}"


def builtin_id(name: str) -> str:
    """Return the id of a built-in document."""
    return content_id(builtin_documents()[name])


def post_request(body: bytes, **headers: str) -> bytes:
    """Return a POST request to /graphql. Underscores in the names of headers stand for hyphens."""
    fields = {**JSON_HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}" for name, value in {"host": "a", "content-length": len(body), **fields}.items()]
    return "\r\n".join(["POST /graphql HTTP/1.1", *lines, "", ""]).encode() + body


def post_json(**members: object) -> bytes:
    """Return a POST request with this JSON body."""
    return post_request(orjson.dumps(members))


def get_request(path: str, *headers: str) -> bytes:
    """Return a GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: a", *headers, "", ""]).encode()


async def connect(target: Target, source: str = ATTACKER) -> Streams:
    """Open a connection from an address of an attacker."""
    return await asyncio.open_connection("127.0.0.1", target.port, local_addr=(source, 0))


async def read_response(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Return status and body of a response; `closed` if the server closes the connection without one."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = next((line[15:] for line in head.split("\r\n") if line.startswith("content-length:")), "0")
            body = await reader.readexactly(int(length))
    except TimeoutError:
        return "no answer", b""
    except (OSError, EOFError, asyncio.LimitOverrunError):
        return "closed", b""
    return head.split()[1], body


async def send(target: Target, data: bytes, source: str = ATTACKER) -> str:
    """Send bytes on a new connection, count the answer and return it."""
    answer, _ = await send_and_read(target, data, source)
    return answer


async def send_and_read(target: Target, data: bytes, source: str = ATTACKER) -> tuple[str, bytes]:
    """Send bytes on a new connection, count the answer, and return it with the body of the response."""
    try:
        reader, writer = await connect(target, source)
    except OSError:
        target.answers["refused"] += 1
        return "refused", b""
    with suppress(OSError):
        writer.write(data)
        await writer.drain()
    answer, body = await read_response(reader)
    target.answers[answer] += 1
    await close(writer)
    return answer, body


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection that the server may have closed already."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def send_all(target: Target, requests: Sequence[bytes], source: str = ATTACKER) -> None:
    """Send requests at the same time, each on a connection of its own."""
    await asyncio.gather(*(send(target, request, source) for request in requests))


@asynccontextmanager
async def held_connections(
    target: Target, number: int, data: bytes = b"", source: str | None = ATTACKER
) -> AsyncIterator[list[Streams]]:
    """Open connections that stay open, and send the same bytes on each. Without a source, each has its own address.

    Connections that the server refuses are counted as `refused`.
    """
    opened: list[Streams] = []
    sources = [source or attacker_address(position) for position in range(number)]

    async def open_one(source: str) -> None:
        try:
            streams = await connect(target, source)
            opened.append(streams)
            if data:
                streams[1].write(data)
                await streams[1].drain()
        except OSError:
            target.answers["refused"] += 1

    try:
        for start in range(0, number, 50):
            await asyncio.gather(*map(open_one, sources[start : start + 50]))
        yield opened
    finally:
        await asyncio.gather(*(close(writer) for _, writer in opened))


async def count_answers(target: Target, opened: Sequence[Streams], seconds: float = 0.0) -> None:
    """Count the answers on connections; `open` stands for those that have none within some seconds."""

    async def answer(reader: asyncio.StreamReader) -> str:
        try:
            async with asyncio.timeout(seconds):
                return (await read_response(reader))[0]
        except TimeoutError:
            return "open"

    target.answers.update(await asyncio.gather(*(answer(reader) for reader, _ in opened)))


def connect_without_reading(target: Target, source: str = ATTACKER) -> socket.socket:
    """Open a connection with a receive buffer of a few KiB, so that unread responses stay in the server."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", target.port))
    connection.setblocking(False)
    return connection


@asynccontextmanager
async def open_websocket(
    target: Target, source: str = ATTACKER, *, initialize: bool = True, token: str | None = None
) -> AsyncIterator[websockets.ClientConnection]:
    """Open a WebSocket connection, by default with `connection_init`."""
    async with websockets.connect(
        f"ws://127.0.0.1:{target.port}/graphql",
        subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        local_addr=(source, 0),
        max_size=None,
        close_timeout=1,
        proxy=None,
    ) as connection:
        if initialize:
            payload = {} if token is None else {"payload": {"authorization": f"Bearer {token}"}}
            await connection.send(orjson.dumps({"type": "connection_init", **payload}).decode())
            await connection.recv()
        yield connection


def subscribe_message(operation: str, **payload: object) -> str:
    """Return a message that starts an operation."""
    return orjson.dumps({"type": "subscribe", "id": operation, "payload": payload}).decode()


async def close_code(target: Target, waiting: Awaitable[object]) -> None:
    """Wait for something on a WebSocket that the server closes, and count the code."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            await waiting
        target.answers["open"] += 1
    except websockets.ConnectionClosed as error:
        target.answers[f"close {error.rcvd.code}" if error.rcvd else "closed"] += 1
