"""Request ids: taken from the client or generated, and bound to log lines."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from itertools import count

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = b"x-request-id"

ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# Of the ids given here: 16 hex digits that are this process, and the number of the request.
PROCESS = secrets.token_hex(8).encode()

_numbers = count(1)


class RequestId:
    """Gives each request an id (the caller's own if it is harmless), binds it to the log and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request_id = _given_id(scope["headers"]) or b"%s%016x" % (PROCESS, next(_numbers))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, request_id)]
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            structlog.contextvars.reset_contextvars(**bound)


def _given_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The caller's id, if it is harmless."""
    for name, value in headers:
        if name == REQUEST_ID:
            return value if ACCEPTABLE_ID.fullmatch(value) else None
    return None
