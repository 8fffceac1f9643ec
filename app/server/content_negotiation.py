"""Media type and status code of a response, by the HTTP profile of the settings."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Literal

from app.core.errors import AppError, BadRequest, Unauthenticated, Unavailable
from app.engine.document import InvalidDocument
from app.engine.executor import ExecutionOutcome
from app.engine.input_limits import InputTooLarge
from app.server.rate_limits import RateLimited
from app.server.request_parsing import BodyTooLarge, BodyTooSlow, UnsupportedMediaType
from app.server.subscription_limits import ServerSubscriptionsExhausted, SubscriptionLimitExceeded

# The results for longer Accept headers are not cached.
MAX_CACHED_ACCEPT_LENGTH = 300

HttpProfile = Literal["audit", "2026-09"]


class MediaType(StrEnum):
    """Media types that a response can have."""

    GRAPHQL = "application/graphql-response+json"
    JSON = "application/json"

    @property
    def header(self) -> bytes:
        """Value of the Content-Type header."""
        return _CONTENT_TYPES[self]


_CONTENT_TYPES = {media: f"{media.value}; charset=utf-8".encode() for media in MediaType}


class NotAcceptable(BadRequest):
    """The Accept header excludes both media types."""

    code = "NOT_ACCEPTABLE"


class MethodNotAllowed(BadRequest):
    """The request is a mutation by GET, or its method is neither GET nor POST."""

    code = "METHOD_NOT_ALLOWED"


def negotiate_media_type(accept: str) -> MediaType | None:
    """Return the preferred media type of an Accept header, or None if it excludes both.

    GRAPHQL wins a tie, because only its clients can distinguish a GraphQL response from a proxy's error page. JSON,
    which every client reads, is the default if the header names neither (*/* or no header at all).
    """
    return _negotiate_cached(accept) if len(accept) <= MAX_CACHED_ACCEPT_LENGTH else _negotiate(accept)


def _negotiate(accept: str) -> MediaType | None:
    if not accept.strip():
        return MediaType.JSON
    weights = dict(_weighted(part) for part in accept.lower().split(","))
    wildcard = max(weights.get("*/*", 0.0), weights.get("application/*", 0.0))
    graphql, plain = weights.get(MediaType.GRAPHQL), weights.get(MediaType.JSON)
    if graphql and graphql >= (plain or 0.0):
        return MediaType.GRAPHQL
    if plain or (wildcard and plain is None):
        return MediaType.JSON
    return None


# Each client sends the same header every time.
_negotiate_cached = lru_cache(maxsize=500)(_negotiate)


def _weighted(part: str) -> tuple[str, float]:
    """Return the media range of one part of an Accept header, and its quality."""
    name, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def error_status(error: AppError, profile: HttpProfile, media: MediaType) -> int:
    """Return the status of a response that consists of this error."""
    by_class: list[tuple[type[AppError], int]] = [
        (RateLimited, 429),
        (ServerSubscriptionsExhausted, 503),
        (SubscriptionLimitExceeded, 429),
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
        "OUTCOME_UNKNOWN": 500,
    }
    for error_class, status in by_class:
        if isinstance(error, error_class):
            return status
    if error.code in by_code:
        return by_code[error.code]
    if isinstance(error, (InvalidDocument, InputTooLarge)):
        return request_error_status(profile, media)
    return 422 if profile == "2026-09" and type(error) is BadRequest else 400


def response_status(outcome: ExecutionOutcome | None, profile: HttpProfile, media: MediaType) -> int:
    """Return the status of an executed operation; None stands for a cached response, which has no errors."""
    if outcome is None or outcome.has_no_errors:
        return 200
    if not outcome.executed:
        return request_error_status(profile, media)
    return 294 if profile == "2026-09" else 200


def request_error_status(profile: HttpProfile, media: MediaType) -> int:
    """Return the status for invalid documents and variables."""
    if profile == "2026-09":
        return 422
    # A client that reads application/json takes any other status for a transport error.
    return 400 if media is MediaType.GRAPHQL else 200
