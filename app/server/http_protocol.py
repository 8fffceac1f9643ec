"""HTTP/1.1 protocol of the server: uvicorn's, with limits on what a client can send, keep open and leave unread.

The protocol gives the parser one header at a time, and reads the next request after the response to the one before.
What one connection holds in memory is therefore bounded: a header of MAX_HEADER_BYTES, a body up to uvicorn's limit
for buffering, one chunk of 256 KiB of requests that wait, and one response.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.server.connection_errors import (
    ConnectionRefusal,
    FramingTooLarge,
    HeaderTooLarge,
    HeaderTooSlow,
    InvalidHttpRequest,
    UrlTooLong,
)
from app.server.connection_table import ClientConnection, ConnectionTable
from app.server.websocket_protocol import WebSocketProtocol

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADER_LINES = 100
END_OF_HEADER = b"\r\n\r\n"
# A WebSocket handshake is parsed by websockets, which accepts 8,192 bytes per line.
MAX_HANDSHAKE_LINE_BYTES = 8_000
UPGRADE_HEADERS = frozenset({b"connection", b"upgrade", b"http2-settings"})


class HttpProtocol(HttpToolsProtocol, ClientConnection):
    """An HTTP connection.

    Of uvicorn's options, it ignores `root_path`, `limit_concurrency`, `access_log` and `reset_contextvars`.

    It reads either a header (`_in_header`) or a body. While a response is pending, requests that follow wait in
    `_unread`, and the transport reads no more.
    """

    flow: HoldableFlowControl

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
        self.ws_protocol_class = partial(WebSocketProtocol, table=table)  # type: ignore[assignment]
        self._has_served = False
        self._in_header = True
        self._header_bytes = self._header_lines = 0
        self._header_tail = b""
        # Bytes of a body: still to be parsed, parsed with the framing of chunks, parsed without it.
        self._body_left = self._body_fed = self._body_bytes = 0
        self._feeds_body = False
        self._unread = b""
        self._successor: WebSocketProtocol | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or refuse it if a limit is reached."""
        super().connection_made(transport)
        self.flow = HoldableFlowControl(transport)
        self.waiting_since = self.loop.time()
        try:
            self.table.add(self, self.client[0] if self.client else None)
        except ConnectionRefusal as refusal:
            self._refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.table.remove(self)
        self._unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, or keep it while a response is pending."""
        # First the usual case, with as little work as possible: the data is one complete header.
        in_header = self._in_header
        if (
            self.waiting_since is not None
            and in_header
            and not self._header_bytes
            and 16 < len(data) <= MAX_HEADER_BYTES
            and data.find(END_OF_HEADER) + 4 == len(data)
            and data.count(b"\n") <= MAX_HEADER_LINES + 2
            and not self.flow.write_paused
        ):
            if self._feed(data) and not self._in_header:
                self._begin_body()
        elif self._unread:
            self._unread += data
        elif not self.refused:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Give data to the parser in pieces, each of which ends a header, or belongs to one header or body."""
        position, size = 0, len(data)
        while position < size:
            if not self._in_header:
                piece = data[position : position + max(self._body_left, 1)]
                parsed = self._feed_body(piece)
            elif self.flow.write_paused or self._is_responding():
                self._unread = data[position:]
                self.flow.hold()
                return
            else:
                end = self._end_of_header(data, position)
                piece = data if position == 0 and end == size else data[position:end]
                parsed = self._feed_header(piece)
            position += len(piece)
            if not parsed:
                if self._successor is not None and position < size:
                    self._successor.data_received(data[position:])
                return

    def _is_responding(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _end_of_header(self, data: bytes, position: int) -> int:
        """Return the position after the header that begins or continues at `position`, or the end of the data."""
        if self._header_tail:  # the end may have begun in the data before
            end = (self._header_tail + data[position : position + 3]).find(END_OF_HEADER)
            if end >= 0:
                return position + end + 4 - len(self._header_tail)
        end = data.find(END_OF_HEADER, position)
        return end + 4 if end >= 0 else len(data)

    def _feed_header(self, piece: bytes) -> bool:
        """Parse a piece of a header. Return whether the data after it can be parsed."""
        self._header_bytes += len(piece)
        self._header_lines += piece.count(b"\n")
        # The request line and the empty line are lines, too.
        if self._header_bytes > MAX_HEADER_BYTES or self._header_lines > MAX_HEADER_LINES + 2:
            self._refuse(self._header_too_large())
            return False
        if not self._feed(piece):
            return False
        if self.waiting_since is not None:  # the header is not complete
            if not self._header_tail and self._has_served:
                self.waiting_since = self.loop.time()  # the header timeout begins with the header
            self._header_tail = (self._header_tail + piece[-3:])[-3:]
            return True
        self._header_bytes = self._header_lines = 0
        self._header_tail = b""
        if not self._in_header:
            self._begin_body()
        return True

    def _begin_body(self) -> None:
        """Prepare for a body that has not been parsed together with the header."""
        self._body_left = _content_length(self.headers)
        self._body_fed = self._body_bytes = 0
        # The parser reports trailers as headers. They are dropped with this list: a proxy in front has not checked
        # them, and the application may have read the headers already.
        self.headers = []

    def _header_too_large(self) -> ConnectionRefusal:
        if not self._header_lines:
            return UrlTooLong(f"The URL is longer than {MAX_HEADER_BYTES // 1024} KiB.")
        return HeaderTooLarge(
            f"The header of a request may have up to {MAX_HEADER_LINES} lines and {MAX_HEADER_BYTES // 1024} KiB."
        )

    def _feed_body(self, piece: bytes) -> bool:
        """Parse a piece of a body. Return whether the data after it can be parsed."""
        self._body_left -= len(piece)
        self._body_fed += len(piece)
        self._feeds_body = True
        parsed = self._feed(piece)
        self._feeds_body = False
        if self._body_fed > 2 * self._body_bytes + MAX_HEADER_BYTES:
            self._refuse(
                FramingTooLarge("The chunk sizes, chunk extensions and trailers are larger than the body itself.")
            )
            return False
        return parsed

    def _feed(self, piece: bytes) -> bool:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            return self._upgrade()
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _RequestAfterChunks):
                self._end_after_response()
            else:
                self._refuse(InvalidHttpRequest("This is not a valid HTTP/1.1 request."))
            return False
        return True

    def _upgrade(self) -> bool:
        """Continue as a WebSocket connection and return False, or ignore other protocols (RFC 9110, section 7.8).

        The parser skips the body of a request with `Upgrade`, so the header is parsed again without it.
        """
        self._in_header = True
        if not self._should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(InvalidHttpRequest("CONNECT is for proxies."))
                return False
            lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] not in UPGRADE_HEADERS]
            version = self.parser.get_http_version().encode()
            request_line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
            self._new_parser()
            return self._feed(request_line + b"".join(lines) + b"\r\n")
        if len(self.url) > MAX_HANDSHAKE_LINE_BYTES:
            self._refuse(UrlTooLong(f"The URL of a WebSocket is longer than {MAX_HANDSHAKE_LINE_BYTES:,} bytes."))
        elif any(len(name) + len(value) > MAX_HANDSHAKE_LINE_BYTES for name, value in self.headers):
            self._refuse(HeaderTooLarge(f"A header of a WebSocket is longer than {MAX_HANDSHAKE_LINE_BYTES:,} bytes."))
        else:
            self.handle_websocket_upgrade()
            successor = self.transport.get_protocol()
            assert isinstance(successor, WebSocketProtocol)
            self._successor = successor
            self.table.replace(self, successor)
        return False

    def _new_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does, to answer the first of several requests when `Connection: close` is sent with it.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_headers_complete(self) -> None:
        """Start to process the request.

        Raises _RequestAfterChunks if the header is behind a chunked body, whose end only the parser knows.
        """
        if self._feeds_body:
            raise _RequestAfterChunks
        self._in_header = False
        self.waiting_since = None
        parser, scope = self.parser, self.scope
        version = parser.get_http_version()
        scope["http_version"] = version
        scope["method"] = parser.get_method().decode("ascii")
        if parser.should_upgrade():
            return  # see `_upgrade`
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        self.cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        task = self.loop.create_task(self.cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; its response may be pending."""
        self._in_header = True
        if self.parser.should_upgrade():
            return
        if self.cycle.response_complete:
            self.waiting_since = self.loop.time()
        else:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Read the next request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._has_served = True
        self.waiting_since = self.loop.time()
        if self._unread or self.flow.read_paused:
            self._resume()
        if not self._in_header and self.expect_100_continue and not self._body_bytes:
            self.transport.close()  # the client may or may not send the body that it announced

    def resume_writing(self) -> None:
        """Continue with requests that wait."""
        super().resume_writing()
        if self._unread and not self.transport.is_closing():
            self._resume()

    def _resume(self) -> None:
        data, self._unread = self._unread, b""
        if data:
            self._parse(data)
        if not self._unread and not self.refused:
            self.flow.release()

    def check_timeouts(self, now: float) -> None:
        """Close the connection if the client has sent no request, or no complete header or body, for too long."""
        super().check_timeouts(now)
        if self.waiting_since is None or self.transport.is_closing():
            return
        waited = now - self.waiting_since
        if self._has_served and self._in_header and not self._header_bytes:
            if waited >= self.table.idle_timeout:
                self.transport.close()
        elif waited >= self.table.header_timeout:
            if self._header_bytes:
                self._refuse(
                    HeaderTooSlow(f"The header of the request did not arrive within {self.table.header_timeout:g} s.")
                )
            else:  # nothing was sent, or the rest of a body whose response has been sent
                self.transport.close()

    def _refuse(self, refusal: ConnectionRefusal) -> None:
        """Answer with an error, unless a response has been started, and close the connection."""
        self._unread = b""
        if self._is_responding():
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False  # nothing can be written after the refusal
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
        self.respond_and_close(refusal, self.server_state.default_headers)
        self.flow.release()

    def _end_after_response(self) -> None:
        """Close the connection after the pending response, and read nothing more. The client repeats what it sent."""
        self.refused = True
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False
            self.flow.hold()


class _RequestAfterChunks(Exception):
    """A request follows a chunked body in the same data, so the parser would start it before the response."""


class HoldableFlowControl(FlowControl):
    """Flow control that reads nothing while it is held, even if the application waits for a body or disconnect."""

    held = False

    def hold(self) -> None:
        """Stop reading."""
        self.held = True
        self.pause_reading()

    def release(self) -> None:
        """Read again."""
        self.held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless reading is held."""
        if not self.held and not self._transport.is_closing():
            super().resume_reading()


def _content_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the length of a body that the parser has accepted; a chunked body has no limit."""
    return next((int(value) for name, value in headers if name == b"content-length"), sys.maxsize)
