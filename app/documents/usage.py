"""How documents are used: hits for operators, and which questions are asked most for those who warm the cache."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
import structlog

from app.cache.entries import Question
from app.core.circuit_breaker import Breaker
from app.documents import sql
from app.engine.document import Document
from app.resources import Resources

log = structlog.get_logger()

FLUSH_SECONDS = 5.0

# A sorted set: asked -> how often, halved by each warming (see `fade`).
ASKED_KEY = "dealmark:asked"
ASKED_SECONDS = 7 * 24 * 3600
# So many are kept in Redis, and counted by a process between two flushes; longer ones are nobody's first page.
MAX_ASKED = 1_000
MAX_VARIABLES = 1_024


class Asked(NamedTuple):
    """A question by names alone, as it can be stored: `variables` is the canonical JSON."""

    document_id: str
    operation: str | None
    variables: bytes

    def pack(self) -> bytes:
        """For Redis."""
        return orjson.dumps([self.document_id, self.operation, self.variables.decode()])

    @classmethod
    def unpack(cls, stored: bytes) -> Asked:
        """The inverse of `pack`."""
        document_id, operation, variables = orjson.loads(stored)
        return cls(document_id, operation, variables.encode())


class Uses:
    """Counts in memory, and writes down every few seconds and at the end.

    `sources` are called before that: who counts for itself, because it is in a hurry, tells then.
    """

    def __init__(self, resources: Resources, breaker: Breaker) -> None:
        self.resources = resources
        self.breaker = breaker
        self.sources: list[Callable[[], None]] = []
        self._hits: dict[str, sql.Use] = {}
        self._asked: Counter[Asked] = Counter()
        self._task: asyncio.Task[None] | None = None

    def start(self, served: Callable[[], Container[str]]) -> None:
        """Begins to write down the uses of the documents that are `served`; nobody lists those of given texts."""
        self._task = asyncio.create_task(self._run(served), name="document uses")

    async def stop(self, served: Container[str]) -> None:
        """Writes down what is left."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush(served)

    def hit(self, document: Document, times: int = 1) -> None:
        """Counts uses of a document."""
        if times:
            now = datetime.now(UTC)
            before = self._hits.get(document.id)
            self._hits[document.id] = (
                sql.Use(times, now, now) if before is None else sql.Use(before.hits + times, before.first, now)
            )

    def asked(self, question: Question, times: int = 1) -> None:
        """Counts uses of a document with a cacheable operation and these variables."""
        self.hit(question.document, times)
        if times and len(question.variables) <= MAX_VARIABLES:
            asked = Asked(question.document.id, question.operation, question.variables)
            if asked in self._asked or len(self._asked) < MAX_ASKED:
                self._asked[asked] += times

    async def flush(self, served: Container[str]) -> None:
        """Writes down what was counted. Hits wait for a database that is away; what was asked is not worth that."""
        for tell in self.sources:
            tell()
        hits, self._hits = self._hits, {}
        asked, self._asked = self._asked, Counter()
        hits = {document_id: use for document_id, use in hits.items() if document_id in served}
        if asked:
            await self.breaker.call(lambda: self._add(asked))
        if hits:
            try:
                async with self.resources.write() as tx:
                    await sql.record_uses(tx, hits)
            except Exception as error:  # whatever it is, what was counted must not be lost
                log.warning("documents.uses_wait", error=str(error))
                self._give_back(hits)

    async def _run(self, served: Callable[[], Container[str]]) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush(served())

    def _give_back(self, hits: Mapping[str, sql.Use]) -> None:
        for document_id, use in hits.items():
            since = self._hits.get(document_id)
            self._hits[document_id] = use if since is None else sql.Use(use.hits + since.hits, use.first, since.last)

    async def _add(self, asked: Mapping[Asked, int]) -> None:
        async with self.resources.queue.redis.pipeline(transaction=True) as pipe:
            for each, times in asked.items():
                pipe.zincrby(ASKED_KEY, times, each.pack())
            pipe.zremrangebyrank(ASKED_KEY, 0, -MAX_ASKED - 1)
            pipe.expire(ASKED_KEY, ASKED_SECONDS)
            await pipe.execute()


async def most_asked(resources: Resources, number: int) -> Sequence[Asked]:
    """What was asked most of late, by all processes together. Raises RedisError."""
    found = await resources.queue.redis.zrevrange(ASKED_KEY, 0, number - 1)
    return [Asked.unpack(each) for each in found]


async def fade(resources: Resources) -> None:
    """Halves all counts and forgets those below one: what was asked yesterday gives way to what is asked today."""
    async with resources.queue.redis.pipeline(transaction=True) as pipe:
        pipe.zunionstore(ASKED_KEY, {ASKED_KEY: 0.5})
        pipe.zremrangebyscore(ASKED_KEY, "-inf", "(1")
        pipe.expire(ASKED_KEY, ASKED_SECONDS)
        await pipe.execute()
