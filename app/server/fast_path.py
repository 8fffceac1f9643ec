"""Fast path: serves a repeated GET request by its path and query string alone.

A few dictionary lookups replace reading the request, finding the document, and building the headers. An entry is valid
while its epoch equals `NotificationListener.epoch`, which changes with the data versions and with each loss or return
of the connection. Bodies stay in the memory cache, which limits their size; an entry only refers to one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from starlette.types import Message, Scope

from app.cache.entries import (
    RESPONSES_BY_CACHE_STATUS,
    TIME_DEPENDENT_TTL,
    CachedResponse,
    CacheQuery,
    CacheStatus,
    MemoryCache,
)
from app.core.metrics import REQUEST_OUTCOMES
from app.db.notifications import NotificationListener
from app.server.cache_headers import Headers, common_headers, etag_for_response, etag_matches, freshness_headers
from app.server.content_negotiation import MediaType, negotiate_media_type
from app.server.request_id import NOSNIFF

# Maximum memory of the table, which is cleared when it is full, and of an entry with a short query string.
MAX_TABLE_BYTES = 64 * 2**20
ENTRY_BYTES = 8_000
# Bound the memory of an entry.
MAX_QUERY_STRING_LENGTH = 4_000
MAX_ACCEPT_LENGTH = 300
MAX_REPRESENTATIONS = 5

# The only headers that matter here. A request with `authorization` or `x-request-id`, or with a repeated header, takes
# the full path.
RELEVANT_HEADERS = frozenset({b"accept", b"if-none-match", b"authorization", b"x-request-id"})

# `http.response.start` and `http.response.body`.
ResponseMessages = tuple[Message, Message]

EMPTY_BODY: Message = {"type": "http.response.body", "body": b""}


@dataclass(slots=True)
class Representation:
    """A response in one media type. Accept headers that select the same type share it.

    `full` and `not_modified` are its start messages with the current Age. They are valid until `valid_until`
    (`time.monotonic()`).
    """

    media: MediaType
    etag: bytes
    full_headers: Headers
    not_modified_headers: Headers
    valid_until: float = 0.0
    full: Message = field(default_factory=dict)
    not_modified: Message = field(default_factory=dict)


@dataclass(slots=True)
class FastPathEntry:
    """The response to one path and query string. Times are those of `time.monotonic()`."""

    epoch: int
    query: CacheQuery
    key: bytes
    created_at: float
    expires_at: float
    uses: int = 0
    # Accept header -> representation.
    representations: dict[bytes, Representation] = field(default_factory=dict)

    def response_messages(self, headers: Iterable[tuple[bytes, bytes]], memory: MemoryCache) -> ResponseMessages | None:
        """Return the two ASGI messages of the response, or None if the request must take the full path."""
        accept, if_none_match = b"", None
        for name, value in headers:
            if name in RELEVANT_HEADERS:
                if name == b"accept" and not accept:
                    accept = value
                elif name == b"if-none-match" and if_none_match is None:
                    if_none_match = value
                else:
                    return None
        response = memory.get(self.key)
        if response is None or response.created_at_monotonic != self.created_at:
            return None
        representation = self.representations.get(accept) or self._add_representation(accept, response)
        if representation is None:
            return None
        if (now := time.monotonic()) >= representation.valid_until and not self._refresh_age(representation, now):
            return None
        self.uses += 1
        if if_none_match is not None and etag_matches(if_none_match, representation.etag):
            return representation.not_modified, EMPTY_BODY
        return representation.full, {"type": "http.response.body", "body": response.body}

    def _refresh_age(self, representation: Representation, now: float) -> bool:
        """Update the start messages to the current Age. Return False if the response has expired."""
        if now >= self.expires_at:
            return False
        age = max(0, int(now - self.created_at))
        freshness = freshness_headers(self.query.document, age)
        representation.valid_until = min(self.created_at + age + 1, self.expires_at)
        representation.full = {
            "type": "http.response.start",
            "status": 200,
            "headers": representation.full_headers + freshness,
        }
        representation.not_modified = {
            "type": "http.response.start",
            "status": 304,
            "headers": representation.not_modified_headers + freshness,
        }
        return True

    def _add_representation(self, accept: bytes, response: CachedResponse) -> Representation | None:
        media = negotiate_media_type(accept.decode("latin-1"))
        if media is None or len(accept) > MAX_ACCEPT_LENGTH or len(self.representations) >= MAX_REPRESENTATIONS:
            return None
        for representation in self.representations.values():
            if representation.media is media:
                self.representations[accept] = representation
                return representation
        etag = etag_for_response(self.query.document, response, media)
        assert etag is not None
        not_modified_headers: Headers = [*common_headers(CacheStatus.MEMORY), (b"etag", etag)]
        content_length = (b"content-length", b"%d" % len(response.body))
        full_headers: Headers = [(b"content-type", media.header), content_length, NOSNIFF, *not_modified_headers]
        representation = Representation(media, etag, full_headers, not_modified_headers)
        self.representations[accept] = representation
        return representation


class FastPathCache:
    """Table of entries by path and query string.

    Entries count their uses themselves, because that is faster than a call per request. `report_usage` passes the
    counts on to `count_query(query, times)` and to the metrics.
    """

    def __init__(
        self, notifications: NotificationListener, memory: MemoryCache, count_query: Callable[[CacheQuery, int], None]
    ) -> None:
        self.notifications, self.memory = notifications, memory
        self._count_query = count_query
        self._entries: dict[tuple[str, bytes], FastPathEntry] = {}
        self._size = 0

    def lookup(self, scope: Scope) -> ResponseMessages | None:
        """Return the response to an HTTP request, or None if the request must take the full path."""
        entry = self._entries.get((scope["path"], scope["query_string"]))
        if entry is None or entry.epoch != self.notifications.epoch or scope["method"] != "GET":
            return None
        return entry.response_messages(scope["headers"], self.memory)

    def store(self, scope: Scope, query: CacheQuery, response: CachedResponse, epoch: int) -> None:
        """Serve the next GET request with this path and query string from the cache.

        `epoch` is the epoch before the response was looked up. If it has changed since, the response may be outdated
        and is not stored.
        """
        if epoch != self.notifications.epoch or response.key is None:
            return
        if len(scope["query_string"]) > MAX_QUERY_STRING_LENGTH:
            return
        created_at = response.created_at_monotonic
        expires_at = created_at + TIME_DEPENDENT_TTL if query.document.time_dependent else float("inf")
        key = (scope["path"], scope["query_string"])
        if (replaced := self._entries.get(key)) is not None:
            self._report_entry(replaced)
        else:
            # The variables are a part of the query string.
            size = ENTRY_BYTES + 2 * len(scope["query_string"])
            if self._size + size > MAX_TABLE_BYTES:
                self.clear()
            self._size += size
        self._entries[key] = FastPathEntry(epoch, query, response.key, created_at, expires_at)

    def report_usage(self) -> None:
        """Report how often the entries were used since the last report."""
        for entry in self._entries.values():
            self._report_entry(entry)

    def clear(self) -> None:
        """Report usage and remove all entries."""
        self.report_usage()
        self._entries.clear()
        self._size = 0

    def _report_entry(self, entry: FastPathEntry) -> None:
        self._count_query(entry.query, entry.uses)
        REQUEST_OUTCOMES["ok"].inc(entry.uses)
        RESPONSES_BY_CACHE_STATUS[CacheStatus.MEMORY].inc(entry.uses)
        entry.uses = 0
