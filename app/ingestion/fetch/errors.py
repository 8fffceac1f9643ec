"""Why a URL did not become an offer. `Retryable` is worth another try later, everything else is final.

The messages reach whoever sent the URL, so none of them tells which addresses a name leads to.
"""

from __future__ import annotations

from app.core.errors import AppError


class Fault(AppError):
    """A URL that did not become an offer."""

    code = "INGESTION_FAILED"


class Retryable(Fault):
    """Later it may work. `retry_after`: seconds that the server asked to be left alone for, if it did."""

    code = "FETCH_RETRYABLE"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(Retryable):
    """The whole of it, redirects included, took too long."""

    code = "FETCH_TIMED_OUT"


class Unreachable(Retryable):
    """No connection, or one that broke before the page was complete."""

    code = "FETCH_UNREACHABLE"


class Busy(Retryable):
    """The server answered 429 or 5xx."""

    code = "FETCH_BUSY"

    def __init__(self, message: str, status: int, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.status = status


class Final(Fault):
    """The same URL would fail again."""

    code = "FETCH_FAILED"


class UrlRefused(Final):
    """Not a URL that this server fetches, by its spelling or by where it leads."""

    code = "URL_REFUSED"


class UnknownHost(Final):
    """There is no such host."""

    code = "HOST_UNKNOWN"


class BadCertificate(Final):
    """The server cannot prove that it is who its name says."""

    code = "CERTIFICATE_REFUSED"


class TooManyRedirects(Final):
    """It never arrives, or arrives too late."""

    code = "TOO_MANY_REDIRECTS"


class HttpRefused(Final):
    """The server answered with a status that is no page; 404 and 410 say that the offer is gone."""

    code = "HTTP_REFUSED"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TooLarge(Final):
    """More bytes than a page has, as sent or once decompressed."""

    code = "PAGE_TOO_LARGE"


class WrongType(Final):
    """Not a page: its content type or its encoding is something else."""

    code = "CONTENT_TYPE_REFUSED"


class NotUnderstood(Final):
    """The page was fetched, but it does not say clearly what it offers."""

    code = "NOT_UNDERSTOOD"


class PriceUnclear(NotUnderstood):
    """A price that can be read in more than one way, or as none."""

    code = "PRICE_UNCLEAR"


class CurrencyUnknown(NotUnderstood):
    """A price whose currency is not told, or is none of ISO 4217."""

    code = "CURRENCY_UNKNOWN"
