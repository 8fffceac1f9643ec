"""Media types and status codes: what HTTP says beside the body, by the profile of the settings."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Literal

from app.core.errors import AppError, BadRequest, Unauthenticated, Unavailable
from app.engine.document import InvalidDocument
from app.engine.executor import Ran
from app.server.rate_limits import RateLimited
from app.server.request_parsing import BodyTooLarge, BodyTooSlow, UnsupportedMediaType

# Longer Accept headers are not remembered.
MAX_USUAL = 300

Profile = Literal["audit", "2026-09"]


class MediaType(StrEnum):
    """What an answer can be sent as."""

    GRAPHQL = "application/graphql-response+json"
    JSON = "application/json"

    @property
    def header(self) -> bytes:
        """The Content-Type."""
        return _HEADERS[self]


_HEADERS = {media: f"{media.value}; charset=utf-8".encode() for media in MediaType}


class NotAcceptable(BadRequest):
    """An Accept header that excludes both media types."""

    code = "NOT_ACCEPTABLE"


class MethodNotAllowed(BadRequest):
    """A mutation by GET, or a method that is neither GET nor POST."""

    code = "METHOD_NOT_ALLOWED"


def media_type(accept: str) -> MediaType | None:
    """The best of the two for an Accept header; None when it excludes both.

    GRAPHQL wins a tie, because only with it can a client tell an answer from a proxy's error page; but where the
    header names neither (*/*, or no header at all), JSON, which every client reads.
    """
    return _usual(accept) if len(accept) <= MAX_USUAL else _media_type(accept)


def _media_type(accept: str) -> MediaType | None:
    if not accept.strip():
        return MediaType.JSON
    weights = dict(_weighted(part) for part in accept.lower().split(","))
    anything = max(weights.get("*/*", 0.0), weights.get("application/*", 0.0))
    graphql, plain = weights.get(MediaType.GRAPHQL), weights.get(MediaType.JSON)
    if graphql and graphql >= (plain or 0.0):
        return MediaType.GRAPHQL
    if plain or (anything and plain is None):
        return MediaType.JSON
    return None


# Clients are few, and each sends the same header every time.
_usual = lru_cache(maxsize=500)(_media_type)


def _weighted(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def status_of_error(error: AppError, profile: Profile, media: MediaType) -> int:
    """The status of a response that is this one error."""
    fixed: list[tuple[type[AppError], int]] = [
        (RateLimited, 429),
        (Unauthenticated, 401),
        (Unavailable, 503),
        (MethodNotAllowed, 405),
        (NotAcceptable, 406),
        (UnsupportedMediaType, 415),
        (BodyTooLarge, 413),
        (BodyTooSlow, 408),
    ]
    by_code = {
        "PERSISTED_QUERY_NOT_FOUND": 200,
        "PERSISTED_QUERY_NOT_SUPPORTED": 200,
        "PERSISTED_QUERY_NOT_IN_LIST": 404,
        "INTERNAL": 500,
    }
    for kind, status in fixed:
        if isinstance(error, kind):
            return status
    if error.code in by_code:
        return by_code[error.code]
    if isinstance(error, InvalidDocument):
        return request_error_status(profile, media)
    return 422 if profile == "2026-09" and type(error) is BadRequest else 400


def status_of_answer(ran: Ran | None, profile: Profile, media: MediaType) -> int:
    """The status of an answer that was made; None stands for one from the cache, which is without errors."""
    if ran is None or ran.clean:
        return 200
    if not ran.began:
        return request_error_status(profile, media)
    return 294 if profile == "2026-09" else 200


def request_error_status(profile: Profile, media: MediaType) -> int:
    """Of documents that are not valid and variables that do not fit."""
    if profile == "2026-09":
        return 422
    # A client that reads application/json takes any other status for a fault of the transport.
    return 400 if media is MediaType.GRAPHQL else 200
