"""Fetch pages from the public internet within limits of time, redirects, bytes and content types."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import httpcore
import httpx

from app.ingestion.fetch import decompression
from app.ingestion.fetch.errors import (
    FetchTimeout,
    HostUnreachable,
    HttpStatusError,
    InvalidCertificate,
    ServerBusy,
    TooManyRedirects,
    UnsupportedContentType,
    UrlRejected,
)
from app.ingestion.fetch.guarded_transport import GuardedNetworkBackend, GuardedTransport
from app.ingestion.fetch.page import HTML_TYPES, WebPage, parse_media_type
from app.ingestion.fetch.url_policy import AllowList, FetchTarget, parse_url, resolve_redirect

REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
MAX_RETRY_AFTER_SECONDS = 86_400.0  # longer waits are cut to one day
USER_AGENT = "Mozilla/5.0 (compatible; Dealmark/0.1)"


@dataclass(frozen=True)
class FetchLimits:
    """Limits of one fetch."""

    timeout_seconds: float = 20.0  # from name resolution to the last byte, with all redirects
    idle_timeout_seconds: float = 8.0  # to open one connection, or between two bytes
    max_redirects: int = 5
    max_bytes: int = 5 * 1024 * 1024  # of the body as sent, and of the decompressed body


@dataclass(frozen=True)
class FetchRequest:
    """How to request a URL: by POST if there is `content`, else by GET.

    `headers` may contain credentials for this host. If there are any, redirects are not followed.
    """

    headers: Mapping[str, str] | None = None
    content: bytes | None = None
    accepted_types: frozenset[str] = HTML_TYPES


PAGE_REQUEST = FetchRequest()


class Fetcher:
    """HTTP client for pages. A process has one, which keeps connections open for further pages of the same host.

    Use it in `async with`.
    """

    def __init__(
        self,
        allowed: AllowList | None = None,
        limits: FetchLimits | None = None,
        backend: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed or AllowList()
        self._limits = limits or FetchLimits()
        self._transport = GuardedTransport(backend or GuardedNetworkBackend(self._allowed), tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def fetch(self, url: str, request: FetchRequest = PAGE_REQUEST) -> WebPage:
        """Return the page at a URL.

        Raises RetryableError (FetchTimeout, HostUnreachable, ServerBusy) when another attempt may succeed, otherwise
        PermanentError (UrlRejected, UnknownHost, InvalidCertificate, TooManyRedirects, HttpStatusError, PageTooLarge,
        UnsupportedContentType). It raises no other exceptions.
        """
        target = parse_url(url, self._allowed)
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await self._fetch_following_redirects(url, target, request)
        except (TimeoutError, httpcore.TimeoutException):
            raise FetchTimeout(f"The request to {target.host} timed out.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, httpx.HTTPError) as error:
            if _is_certificate_error(error):
                raise InvalidCertificate(f"The TLS certificate of {target.host} cannot be verified.") from None
            raise HostUnreachable(f"The connection to {target.host} failed.") from None

    async def _fetch_following_redirects(self, url: str, target: FetchTarget, request: FetchRequest) -> WebPage:
        for _ in range(self._limits.max_redirects + 1):
            response = await self._transport.handle_async_request(self._build_request(target, request))
            try:
                location = response.headers.get("Location")
                if response.status_code not in REDIRECT_STATUSES or location is None or request.headers:
                    return await self._read_page(response, url, target, request)
            finally:
                await response.aclose()
            target = resolve_redirect(target, location, self._allowed)
        raise TooManyRedirects(f"The URL redirects more than {self._limits.max_redirects} times.")

    def _build_request(self, target: FetchTarget, request: FetchRequest) -> httpx.Request:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": ", ".join(sorted(request.accepted_types)),
            "Accept-Language": "en",
            "Accept-Encoding": decompression.ACCEPT_ENCODING,
            **(request.headers or {}),
        }
        total = self._limits.timeout_seconds
        idle = min(self._limits.idle_timeout_seconds, total)
        timeouts = {**dict.fromkeys(("connect", "read", "write"), idle), "pool": total}
        method = "GET" if request.content is None else "POST"
        try:
            http_request = httpx.Request(
                method, target.url, headers=headers, content=request.content, extensions={"timeout": timeouts}
            )
        except httpx.InvalidURL:
            raise UrlRejected("The URL is not valid.") from None
        # httpx parses the URL again. It must see the host that the URL policy has checked.
        if http_request.url.raw_host.decode() != target.host:
            raise UrlRejected("The URL does not have a valid host name.")
        return http_request

    async def _read_page(
        self, response: httpx.Response, url: str, target: FetchTarget, request: FetchRequest
    ) -> WebPage:
        _check_status(response, target)
        content_type = response.headers.get("Content-Type", "")
        if parse_media_type(content_type) not in request.accepted_types:
            raise UnsupportedContentType(f"{target.host} did not send the content type that was requested.")
        return WebPage(target.url, await self._read_body(response), content_type, url)

    async def _read_body(self, response: httpx.Response) -> bytes:
        limit = self._limits.max_bytes
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:18]) > limit:
            raise decompression.too_large_error(limit)
        decoder = decompression.create_decoder(response.headers.get("Content-Encoding", ""))
        body, received = bytearray(), 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > limit:
                raise decompression.too_large_error(limit)
            decoder.feed(chunk, body, limit)
        decoder.finish()
        return bytes(body)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds in a Retry-After header (a number of seconds or an HTTP date), None if it is invalid."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:12]), MAX_RETRY_AFTER_SECONDS)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def _check_status(response: httpx.Response, target: FetchTarget) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        raise ServerBusy(f"{target.host} answered with status {status}.", status, wait)
    raise HttpStatusError(f"{target.host} answered with status {status}.", status)


def _is_certificate_error(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
