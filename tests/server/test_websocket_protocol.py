"""WebSocket over bare sockets: handshakes and frames that no client library sends."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.frames import Frame, Opcode

from tests.support.api_server import ApiClient, run_api
from tests.support.raw_http import RawConnection, open_raw
from tests.support.settings import make_settings
from tests.support.waiting import wait_until


class WebSocketEcho:
    """An application that returns each message, and sends large messages when asked for."""

    def __init__(self) -> None:
        self.received = 0
        self.ended = 0
        self.app = Starlette(routes=[WebSocketRoute("/ws", self.echo)])

    async def echo(self, socket: WebSocket) -> None:
        """Handle a connection."""
        await socket.accept()
        try:
            while True:
                text = await socket.receive_text()
                self.received += 1
                await socket.send_text(text if text != "flood" else "x" * 100_000)
        except WebSocketDisconnect:
            pass
        finally:
            self.ended += 1


@asynccontextmanager
async def run_echo(**values: Any) -> AsyncIterator[tuple[ApiClient, WebSocketEcho]]:
    """Run the application with these settings."""
    echo = WebSocketEcho()
    async with run_api(make_settings(**values), echo.app) as api:
        yield api, echo


def handshake(path: str = "/ws", *lines: str) -> bytes:
    """Return the header of a handshake."""
    fixed = ["Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    return "\r\n".join([f"GET {path} HTTP/1.1", *fixed, key, *lines, "", ""]).encode()


def frame(opcode: Opcode, data: bytes = b"", fin: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


async def receive_frame(connection: RawConnection) -> tuple[int, bytes]:
    """Return opcode and data of the next frame of the server."""
    first, length = await asyncio.wait_for(connection.reader.readexactly(2), 60)
    if length == 126:
        (length,) = struct.unpack("!H", await connection.reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await connection.reader.readexactly(8))
    return first & 0x0F, await connection.reader.readexactly(length)


async def closed_with(connection: RawConnection) -> int:
    """Return the code with which the server closes the connection."""
    while True:
        opcode, data = await receive_frame(connection)
        if opcode == Opcode.CLOSE:
            code: int = struct.unpack("!H", data[:2])[0]
            return code


@asynccontextmanager
async def open_socket(api: ApiClient) -> AsyncIterator[RawConnection]:
    """Open a WebSocket connection."""
    async with open_raw(api, handshake()) as connection:
        assert (await connection.response()).status == 101
        yield connection


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (handshake("/ws?" + "a" * 9_000), 414),
        (handshake("/ws", "x: " + "a" * 9_000), 431),
        (handshake("/ws", *(f"x-{number}: y" for number in range(120))), 431),
        (handshake("/ws", "content-length: 5"), 400),
        (handshake("/ws", "content-length: 5") + b"12345", 400),
        (handshake("/ws", "transfer-encoding: chunked") + b"0\r\n\r\n", 400),
        (handshake("/\xff"), 400),
        (handshake().replace(b"GET", b"POST"), 405),
        (handshake().replace(b"13", b"12"), 400),
        (handshake().replace(b"dGhl", b""), 400),
        (handshake("/other"), 403),
    ],
)
async def test_handshake_that_cannot_be_accepted_is_answered(request_bytes: bytes, status: int) -> None:
    async with run_echo() as (api, _), open_raw(api, request_bytes) as connection:
        line = await asyncio.wait_for(connection.reader.readline(), 60)
        assert int(line.split()[1]) == status
        await connection.rest()


@pytest.mark.parametrize("count", [1, 2_000])
async def test_messages_behind_the_handshake_are_answered_in_order(count: int) -> None:
    frames = b"".join(frame(Opcode.TEXT, b"%d" % number) for number in range(count))
    async with run_echo() as (api, _), open_raw(api, handshake() + frames) as connection:
        assert (await connection.response()).status == 101
        for number in range(count):
            assert await receive_frame(connection) == (Opcode.TEXT, b"%d" % number)


async def test_large_message_and_its_fragments_are_received() -> None:
    text = b"x" * 250_000
    pieces = [text[start : start + 1_000] for start in range(0, len(text), 1_000)]
    fragments = [
        frame(Opcode.TEXT, pieces[0], fin=False),
        *(frame(Opcode.CONT, piece, fin=False) for piece in pieces[1:]),
    ]
    async with run_echo() as (api, _), open_socket(api) as connection:
        await connection.send(frame(Opcode.TEXT, text) + b"".join(fragments) + frame(Opcode.CONT))
        assert await receive_frame(connection) == (Opcode.TEXT, text)
        assert await receive_frame(connection) == (Opcode.TEXT, text)


async def test_message_above_the_size_limit_closes_the_connection() -> None:
    async with run_echo() as (api, _), open_socket(api) as connection:
        await connection.send(frame(Opcode.TEXT, b"x" * 262_145))
        assert await closed_with(connection) == 1009


async def test_empty_fragments_close_the_connection() -> None:
    async with run_echo() as (api, echo), open_socket(api) as connection:
        await connection.send(frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.CONT, fin=False) * 2_000)
        assert await closed_with(connection) == 1009
        assert echo.received == 0


async def test_flood_of_pings_closes_the_connection() -> None:
    async with run_echo() as (api, _), open_socket(api) as connection:
        await connection.send(frame(Opcode.PING) * 100)
        for _ in range(100):
            assert await receive_frame(connection) == (Opcode.PONG, b"")
        await connection.send(frame(Opcode.PING) * 1_000)
        assert await closed_with(connection) == 1008


async def test_messages_wait_for_a_client_that_does_not_read() -> None:
    async with run_echo(write_timeout_seconds=0.4) as (api, echo), open_socket(api) as connection:
        connection.stop_reading()
        await connection.send_until_closed(frame(Opcode.TEXT, b"flood") * 1_000)

        async def has_ended() -> bool:
            return echo.ended == 1

        await wait_until(has_ended)
        # The buffers of the kernel take some megabytes on the loopback interface.
        assert 0 < echo.received < 300


async def test_sockets_count_as_connections_of_their_client() -> None:
    async with AsyncExitStack() as stack:
        api, echo = await stack.enter_async_context(run_echo(client_limits="on", max_connections_per_client=3))
        sockets = [await stack.enter_async_context(open_socket(api)) for _ in range(3)]
        async with open_raw(api, handshake()) as connection:
            assert (await connection.response()).status == 429
        for socket in sockets:
            await socket.send(frame(Opcode.TEXT, b"hello"))
            assert await receive_frame(socket) == (Opcode.TEXT, b"hello")
        sockets[0].writer.close()

        async def has_ended() -> bool:
            return echo.ended == 1

        await wait_until(has_ended)
        async with open_socket(api):
            pass
