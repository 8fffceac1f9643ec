"""Pages from the open internet, within limits: time, redirects, bytes, content types, and who may be asked at all."""

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
    BadCertificate,
    Busy,
    HttpRefused,
    TimedOut,
    TooManyRedirects,
    Unreachable,
    UrlRefused,
    WrongType,
)
from app.ingestion.fetch.guarded_transport import GuardedBackend, GuardedTransport
from app.ingestion.fetch.page import HTML_TYPES, Page, media_type
from app.ingestion.fetch.url_policy import AllowList, Target, follow, parse

REDIRECTS = frozenset({301, 302, 303, 307, 308})
LONGEST_RETRY_AFTER = 86_400.0  # seconds; whoever asks for more gets a day
USER_AGENT = "Mozilla/5.0 (compatible; Dealmark/0.1)"


@dataclass(frozen=True)
class Limits:
    """How much of everything one page may take."""

    seconds: float = 20.0  # from the first look-up of the name to the last byte, redirects included
    silence_seconds: float = 8.0  # without one byte, or for one connection
    redirects: int = 5
    bytes: int = 5 * 1024 * 1024  # as sent, and again decompressed


@dataclass(frozen=True)
class Ask:
    """How to ask. With `content` it is a POST. `headers` are for this host alone: with any, redirects are refused."""

    headers: Mapping[str, str] | None = None
    content: bytes | None = None
    types: frozenset[str] = HTML_TYPES


PAGE = Ask()


class Fetcher:
    """Fetches pages; one per process, it keeps connections for the next page of the same host. Use it in `async with`.

    `fetch` raises nothing but the errors of `app.ingestion.fetch.errors` that it names.
    """

    def __init__(
        self,
        allowed: AllowList | None = None,
        limits: Limits | None = None,
        backend: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed or AllowList()
        self._limits = limits or Limits()
        self._transport = GuardedTransport(backend or GuardedBackend(self._allowed), tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def fetch(self, url: str, ask: Ask = PAGE) -> Page:
        """The page at a URL.

        Raises Retryable (TimedOut, Unreachable, Busy) when another try may help, otherwise Final: UrlRefused,
        UnknownHost, BadCertificate, TooManyRedirects, HttpRefused, TooLarge, WrongType.
        """
        target = parse(url, self._allowed)
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._follow(url, target, ask)
        except (TimeoutError, httpcore.TimeoutException):
            raise TimedOut(f"{target.host} took too long.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, httpx.HTTPError) as error:
            if _is_about_a_certificate(error):
                raise BadCertificate(f"{target.host} has no certificate that can be trusted.") from None
            raise Unreachable(f"The connection to {target.host} failed.") from None

    async def _follow(self, asked: str, target: Target, ask: Ask) -> Page:
        for _ in range(self._limits.redirects + 1):
            response = await self._transport.handle_async_request(self._request(target, ask))
            try:
                location = response.headers.get("Location")
                if response.status_code not in REDIRECTS or location is None or ask.headers:
                    return await self._read(response, asked, target, ask)
            finally:
                await response.aclose()
            target = follow(target, location, self._allowed)
        raise TooManyRedirects(f"The URL redirects more than {self._limits.redirects} times.")

    def _request(self, target: Target, ask: Ask) -> httpx.Request:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": ", ".join(sorted(ask.types)),
            "Accept-Language": "en",
            "Accept-Encoding": decompression.ACCEPTED,
            **(ask.headers or {}),
        }
        silence = min(self._limits.silence_seconds, self._limits.seconds)
        timeouts = {**dict.fromkeys(("connect", "read", "write"), silence), "pool": self._limits.seconds}
        method = "GET" if ask.content is None else "POST"
        try:
            request = httpx.Request(
                method, target.url, headers=headers, content=ask.content, extensions={"timeout": timeouts}
            )
        except httpx.InvalidURL:
            raise UrlRefused("The URL is not a proper one.") from None
        if request.url.raw_host.decode() != target.host:  # two parsers saw the URL; both must have seen the same
            raise UrlRefused("The URL has no proper host name.")
        return request

    async def _read(self, response: httpx.Response, asked: str, target: Target, ask: Ask) -> Page:
        _check_status(response, target)
        content_type = response.headers.get("Content-Type", "")
        if media_type(content_type) not in ask.types:
            raise WrongType(f"{target.host} sent something that is no page.")
        return Page(target.url, await self._body(response), content_type, asked)

    async def _body(self, response: httpx.Response) -> bytes:
        limit = self._limits.bytes
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:18]) > limit:
            raise decompression.too_large(limit)
        decoder = decompression.decoder(response.headers.get("Content-Encoding", ""))
        body, received = bytearray(), 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received > limit:
                raise decompression.too_large(limit)
            decoder.feed(chunk, body, limit)
        decoder.finish()
        return bytes(body)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which is a number of seconds or a date; None when it is neither."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:12]), LONGEST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _check_status(response: httpx.Response, target: Target) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        raise Busy(f"{target.host} answered with status {status}.", status, wait)
    raise HttpRefused(f"{target.host} answered with status {status}.", status)


def _is_about_a_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
