"""HTTP caching headers: ETag, Age, Cache-Control, Vary and X-Cache."""

from __future__ import annotations

import hashlib
import struct

from app.cache.entries import TIME_DEPENDENT_TTL, CachedResponse, CacheStatus
from app.engine.document import DocumentSummary
from app.server.content_negotiation import MediaType

Headers = list[tuple[bytes, bytes]]

PRIVATE: Headers = [(b"cache-control", b"private, no-store")]
STALE: Headers = [(b"cache-control", b"private, no-store"), (b"warning", b'110 - "Response is Stale"')]


def etag_for_key(key: bytes, media: MediaType, created_at: float | None = None) -> bytes:
    """Return a strong validator, equal in all processes, for the body under a cache key in one media type."""
    time_part = b"" if created_at is None else struct.pack("!d", created_at)
    return b'"%s"' % hashlib.sha256(key + time_part + media.encode()).hexdigest()[:32].encode()


def etag_for_response(document: DocumentSummary, response: CachedResponse, media: MediaType) -> bytes | None:
    """Return the validator of a response, None if it is not cached.

    The body of a time-dependent document changes under one key, so its validator includes the creation time.
    """
    if response.key is None:
        return None
    return etag_for_key(response.key, media, response.created_at if document.time_dependent else None)


def etag_matches(if_none_match: bytes, etag: bytes) -> bool:
    """Compare weakly with each validator of an If-None-Match header, or `*` (RFC 9110, section 13.1.2)."""
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    return any(validator.strip().removeprefix(b"W/") == etag for validator in if_none_match.split(b","))


def freshness_headers(document: DocumentSummary, age: int) -> Headers:
    """Return Age and Cache-Control of a response that was created `age` seconds ago and is current.

    HTTP caches measure max-age from the creation of a response (RFC 9111, section 4.2), so max-age is the document's
    own plus `age`. A time-dependent response must not be served once it is TIME_DEPENDENT_TTL seconds old, including
    the time that `stale-while-revalidate` allows.
    """
    seconds = document.max_age
    max_age = age + seconds
    if document.time_dependent:
        max_age = min(max_age, int(TIME_DEPENDENT_TTL) - seconds)
    control = f"public, max-age={max_age}, stale-while-revalidate={seconds}" if seconds else "public, no-cache"
    return [(b"age", b"%d" % age), (b"cache-control", control.encode())]


def common_headers(status: CacheStatus) -> Headers:
    """Return the headers of every response."""
    return [(b"vary", b"accept"), (b"x-cache", status.encode())]
