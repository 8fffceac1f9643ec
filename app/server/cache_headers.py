"""What HTTP is told about how long an answer is good: validators, ages, Cache-Control."""

from __future__ import annotations

import hashlib
import struct

from app.cache.entries import TIMED_SECONDS, Answer, Source
from app.engine.document import Document
from app.server.content_negotiation import MediaType

Headers = list[tuple[bytes, bytes]]

PRIVATE: Headers = [(b"cache-control", b"private, no-store")]
STALE: Headers = [(b"cache-control", b"private, no-store"), (b"warning", b'110 - "Response is Stale"')]


def etag_of_key(key: bytes, media: MediaType, made_at: float | None = None) -> bytes:
    """A strong validator, the same at every process: one key, one body; another media type, another representation."""
    time_part = b"" if made_at is None else struct.pack("!d", made_at)
    return b'"%s"' % hashlib.sha256(key + time_part + media.encode()).hexdigest()[:32].encode()


def etag_of(document: Document, answer: Answer, media: MediaType) -> bytes | None:
    """Of an answer that is kept. Where a body changes as time goes by, the time it was made counts, too."""
    if answer.key is None:
        return None
    return etag_of_key(answer.key, media, answer.made_at if document.timed else None)


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """RFC 9110, 13.1.2: weak comparison with each of the list, or `*`."""
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    return any(each.strip().removeprefix(b"W/") == etag for each in if_none_match.split(b","))


def lifetime(document: Document, age: int) -> Headers:
    """Age and Cache-Control of an answer that was made `age` seconds ago, and is right now.

    Caches count max-age from when the answer was made (RFC 9111, 4.2), so what it is old already comes on top. One that
    changes with time is given by nobody once it is TIMED_SECONDS old.
    """
    seconds = document.max_age
    until = age + seconds
    if document.timed:
        until = min(until, int(TIMED_SECONDS) - seconds)
    control = f"public, max-age={until}, stale-while-revalidate={seconds}" if seconds else "public, no-cache"
    return [(b"age", b"%d" % age), (b"cache-control", control.encode())]


def about(source: Source) -> Headers:
    """What every answer says."""
    return [(b"vary", b"accept"), (b"x-cache", source.encode())]
