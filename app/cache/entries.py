"""Answers as bytes, the questions they belong to, and where they are kept in memory."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Gauge

from app.core.metrics import ANSWERS
from app.db.tables import Domain
from app.engine.document import Document
from app.engine.executor import Ran

MEMORY = Gauge("dealmark_response_memory_bytes", "Bytes of answers kept in memory")

# Answers of documents that change with time alone (`fresh`) are kept this long at most.
TIMED_SECONDS = 60.0
COMPRESS_FROM = 2048
# What an entry costs beside its body: key, headers, bookkeeping.
OVERHEAD = 600

HEADER = struct.Struct("!?d")


class Source(StrEnum):
    """Where an answer came from: the value of X-Cache."""

    MEMORY = "HIT-L1"
    REDIS = "HIT-L2"
    MISS = "MISS"
    BYPASS = "BYPASS"
    STALE = "STALE"


# Answers given, by their source: looked up once.
GIVEN = {source: ANSWERS.labels(source) for source in Source}


class Answer(NamedTuple):
    """A response body. `key` is None when it is not kept (errors, the viewer's own)."""

    body: bytes
    ran: Ran | None = None
    key: bytes | None = None
    made_at: float = 0.0


class Question(NamedTuple):
    """What is asked: a document, the operation in it, and its variables as canonical JSON."""

    document: Document
    operation: str | None
    variables: bytes

    def digest(self) -> bytes:
        """The part of the key that no change of data changes."""
        hashed = hashlib.sha256(code())
        for part in (self.document.content.encode(), (self.operation or "").encode(), self.variables):
            hashed.update(b"\0" + part)
        return hashed.digest()


class Memory:
    """Answers by key, the least recently used leaving first, bounded in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[bytes, Answer] = OrderedDict()

    def get(self, key: bytes) -> Answer | None:
        """The answer, now the most recently used."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: bytes, answer: Answer) -> None:
        """Keeps an answer, unless it alone would take a quarter of the room."""
        cost = len(answer.body) + OVERHEAD
        if cost > self.limit // 4:
            return
        old = self._kept.pop(key, None)
        self.size += cost - (len(old.body) + OVERHEAD if old else 0)
        self._kept[key] = answer
        while self.size > self.limit:
            _, dropped = self._kept.popitem(last=False)
            self.size -= len(dropped.body) + OVERHEAD
        MEMORY.set(self.size)


@cache
def code() -> bytes:
    """The hash of this program."""
    hashed = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        hashed.update(path.read_bytes())
    return hashed.digest()


def key_of(digest: bytes, reads: frozenset[Domain], versions: Mapping[str, int]) -> bytes:
    """The key of an answer: what was asked, and the versions of what it is made of."""
    named = ",".join(f"{domain}={versions.get(domain, 0)}" for domain in sorted(reads))
    return hashlib.sha256(digest + named.encode()).digest()


def pack(answer: Answer) -> bytes:
    """For Redis; compressed where it saves something."""
    if len(answer.body) < COMPRESS_FROM:
        return HEADER.pack(False, answer.made_at) + answer.body
    return HEADER.pack(True, answer.made_at) + zlib.compress(answer.body, 1)


def unpack(key: bytes, stored: bytes) -> Answer | None:
    """The inverse of `pack`; None for what is none of ours."""
    try:
        compressed, made_at = HEADER.unpack_from(stored)
        body = stored[HEADER.size :]
        return Answer(zlib.decompress(body) if compressed else body, None, key, made_at)
    except (struct.error, zlib.error):
        return None
