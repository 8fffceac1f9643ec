"""WebSocket protocol of the server: uvicorn's, with limits on what a client can send and leave unread."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from app.server.connection_errors import InvalidHttpRequest
from app.server.connection_table import LINGER_SECONDS, ClientConnection, ConnectionTable

# A frame without content has 6 bytes and takes 10 us to parse; other connections are served between two slices.
SLICE_BYTES = 1024
# Per message, and per interval of `ConnectionTable`.
MAX_FRAGMENTS = 1_000
MAX_CONTROL_FRAMES = 200


class WebSocketProtocol(WebSocketsSansIOProtocol, ClientConnection):
    """A WebSocket connection.

    It reads nothing more while messages wait for the application, or the client does not read.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        table: ConnectionTable,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.table = table
        self.logger = logging.getLogger("uvicorn.websocket")
        self._unread = bytearray()
        self._control_frames = 0
        self._slice_is_scheduled = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.table.remove(self)
        self._unread.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the first slice of the data. The event loop serves other connections before the next."""
        if self.handshake_initiated:
            if not self.refused:
                self._unread += data
                self._parse_slice()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None:
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.respond_and_close(InvalidHttpRequest("This is not a valid WebSocket handshake."), self.default_headers)

    def _parse_slice(self) -> None:
        """Parse a slice, unless messages wait for the application or data for the client."""
        if self._unread and self._may_read() and not self._slice_is_scheduled and not self.transport.is_closing():
            data = bytes(self._unread[:SLICE_BYTES])
            del self._unread[:SLICE_BYTES]
            super().data_received(data)
            if self._unread:
                self._slice_is_scheduled = True
                self.loop.call_soon(self._parse_next_slice)
        self._pause_or_resume_reading()

    def _parse_next_slice(self) -> None:
        self._slice_is_scheduled = False
        self._parse_slice()

    def _may_read(self) -> bool:
        return self.handshake_complete and not self.read_paused and self.writable.is_set()

    def _pause_or_resume_reading(self) -> None:
        if self.transport.is_closing():
            self._unread.clear()
        elif not self.refused and (self._unread or not self._may_read()):
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    async def receive(self) -> Any:
        """Return the next message, and read on when there is none."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._parse_slice()
        return message

    async def send(self, message: Any) -> None:
        """Send a message, or the response to the handshake. What the client sends is read after that."""
        is_handshake = not self.handshake_complete
        await super().send(message)
        if is_handshake:
            self._parse_slice()

    def pause_writing(self) -> None:
        """Stop reading, too: responses to control frames are not subject to backpressure."""
        super().pause_writing()
        self._pause_or_resume_reading()

    def resume_writing(self) -> None:
        """Continue to read."""
        super().resume_writing()
        self._parse_slice()

    def handle_cont(self, event: Frame) -> None:
        """Receive a fragment of a message. Empty fragments do not count towards the size of the message."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        else:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"more than {MAX_FRAGMENTS} fragments in a message")

    def handle_ping(self) -> None:
        """Answer a ping."""
        super().handle_ping()
        self._count_control_frame()

    def handle_pong(self, event: Frame) -> None:
        """Receive a pong."""
        super().handle_pong(event)
        self._count_control_frame()

    def _count_control_frame(self) -> None:
        self._control_frames += 1
        if self._control_frames > MAX_CONTROL_FRAMES:
            self._fail(CloseCode.POLICY_VIOLATION, "too many pings or pongs")

    def check_timeouts(self, now: float) -> None:
        """Close the connection if the client does not read."""
        super().check_timeouts(now)
        self._control_frames = 0

    def handle_parser_exception(self) -> None:
        """Send the close frame of a failed connection, and ignore what the client still sends.

        The client would lose the frame if the connection was closed at once.
        """
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.refused = self.close_sent = True
        self._unread.clear()
        self.transport.write(b"".join(self.conn.data_to_send()))
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _fail(self, code: CloseCode, reason: str) -> None:
        if not self.close_sent:
            self.table.count_refusal("websocket_abuse")
            self.conn.fail(code, reason)
            self.handle_parser_exception()
