"""Request ids: accepted from the client or generated, and bound to log lines."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from itertools import count

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = b"x-request-id"
# Browsers must not guess another media type, such as HTML in the text of an error.
NOSNIFF = (b"x-content-type-options", b"nosniff")

VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# A generated id is 16 hex digits for this process followed by 16 for the number of the request.
PROCESS_PREFIX = secrets.token_hex(8).encode()

_request_numbers = count(1)


class RequestIdMiddleware:
    """Gives each request an id, binds it to the log, and returns it in a header. Adds `nosniff` to each body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id = _client_request_id(scope["headers"]) or b"%s%016x" % (PROCESS_PREFIX, next(_request_numbers))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                security_headers = () if message["status"] == 304 else (NOSNIFF,)
                message["headers"] = [*message.get("headers", ()), *security_headers, (REQUEST_ID_HEADER, request_id)]
            await send(message)

        tokens = structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            structlog.contextvars.reset_contextvars(**tokens)


def _client_request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the id that the client sent, if it is safe to log and to send back."""
    for name, value in headers:
        if name == REQUEST_ID_HEADER:
            return value if VALID_REQUEST_ID.fullmatch(value) else None
    return None
