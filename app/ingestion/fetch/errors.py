"""Errors of fetching a page and extracting its offers.

The worker retries a `RetryableError` later; a `PermanentError` is final. Operators see the messages, so no message
contains the addresses that a host name resolves to.
"""

from __future__ import annotations

from app.core.errors import AppError


class IngestionError(AppError):
    """A URL that did not become an offer."""

    code = "INGESTION_FAILED"


class RetryableError(IngestionError):
    """A failure that may pass. `retry_after` is the number of seconds from a Retry-After header, None without one."""

    code = "FETCH_RETRYABLE"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FetchTimeout(RetryableError):
    """The fetch took too long, counting all its redirects."""

    code = "FETCH_TIMED_OUT"


class HostUnreachable(RetryableError):
    """No connection, or a connection that broke before the page was complete."""

    code = "FETCH_UNREACHABLE"


class ServerBusy(RetryableError):
    """The server answered with status 429 or 5xx."""

    code = "FETCH_BUSY"

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.status = status


class PermanentError(IngestionError):
    """A failure that the same URL would produce again."""

    code = "FETCH_FAILED"


class UrlRejected(PermanentError):
    """The URL policy forbids this URL, by its form or by the address that it leads to."""

    code = "URL_REFUSED"


class UnknownHost(PermanentError):
    """The host name does not exist."""

    code = "HOST_UNKNOWN"


class InvalidCertificate(PermanentError):
    """The TLS certificate of the server cannot be verified."""

    code = "CERTIFICATE_REFUSED"


class TooManyRedirects(PermanentError):
    """A redirect loop, or a chain of redirects that is too long."""

    code = "TOO_MANY_REDIRECTS"


class HttpStatusError(PermanentError):
    """The server answered with an unexpected status; 404 and 410 mean that the offer is gone."""

    code = "HTTP_REFUSED"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class PageTooLarge(PermanentError):
    """A body of more bytes than allowed, as sent or after decompression."""

    code = "PAGE_TOO_LARGE"


class UnsupportedContentType(PermanentError):
    """The content type or the content encoding is not one that was requested."""

    code = "CONTENT_TYPE_REFUSED"


class ExtractionError(PermanentError):
    """The page was fetched, but it does not say clearly what it offers."""

    code = "NOT_UNDERSTOOD"


class AmbiguousPrice(ExtractionError):
    """A price that can be read in more than one way, or that is not a number."""

    code = "PRICE_UNCLEAR"


class UnknownCurrency(ExtractionError):
    """A price without a currency, or with one that is not in ISO 4217."""

    code = "CURRENCY_UNKNOWN"
