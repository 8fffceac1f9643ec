"""Errors that end a connection before a request reaches the application."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from app.core.errors import AppError, BadRequest
from app.server.error_response import RETRY_AFTER_SECONDS, error_body


class ConnectionRefusal(AppError):
    """A connection or request that the server does not accept.

    `status` is the status of the response, `reason` the label of the metric.
    """

    status = HTTPStatus.BAD_REQUEST
    reason = "invalid_request"


class InvalidHttpRequest(ConnectionRefusal):
    """The request is not HTTP/1.1."""

    code = BadRequest.code


class UrlTooLong(ConnectionRefusal):
    """The URL exceeds the size limit."""

    code = "URL_TOO_LONG"
    status, reason = HTTPStatus.REQUEST_URI_TOO_LONG, "header_too_large"


class HeaderTooLarge(ConnectionRefusal):
    """The header of the request has too many lines or bytes."""

    code = "HEADER_TOO_LARGE"
    status, reason = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large"


class FramingTooLarge(ConnectionRefusal):
    """The chunk sizes, chunk extensions and trailers of the body are larger than the body."""

    code = "FRAMING_TOO_LARGE"
    reason = "framing_too_large"


class HeaderTooSlow(ConnectionRefusal):
    """The header of the request did not arrive in time."""

    code = "HEADER_TOO_SLOW"
    status, reason = HTTPStatus.REQUEST_TIMEOUT, "header_timeout"


class ServerFull(ConnectionRefusal):
    """The process has its maximum number of connections, and all of them are in use."""

    code = "SERVER_FULL"
    status, reason = HTTPStatus.SERVICE_UNAVAILABLE, "process_limit"


class TooManyConnections(ConnectionRefusal):
    """The client has its maximum number of connections, and all of them are in use."""

    code = "TOO_MANY_CONNECTIONS"
    status, reason = HTTPStatus.TOO_MANY_REQUESTS, "client_limit"


def refusal_response(refusal: ConnectionRefusal, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a complete HTTP response that announces the end of the connection."""
    body = error_body(refusal)
    headers = [
        *default_headers,
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if refusal.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (refusal.status, refusal.status.phrase.encode(), lines, body)
