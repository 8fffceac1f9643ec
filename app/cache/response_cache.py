"""Answers as bytes, kept in memory and in Redis, never wrong.

An answer is kept under its document, its variables, and the versions of the data domains it was made of. The versions
are read in the snapshot that the answer is made from, so equal keys mean equal bytes; a change makes new keys, and
nothing is ever purged. Which versions are current is known from LISTEN/NOTIFY; while that connection is lost, nothing
kept is used but in an emergency (PostgreSQL is down, too), and then it says so.

The code that makes answers is part of the key as well: a new release makes answers of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from app.cache.entries import TIMED_SECONDS, Answer, Memory, Question, Source, key_of, pack, unpack
from app.core.circuit_breaker import Breaker
from app.core.errors import Unavailable
from app.engine.document import Document
from app.engine.executor import Ran
from app.resources import Resources

log = structlog.get_logger()


# Old versions are never asked for again; Redis, which the queue needs too, must not fill up with them.
REDIS_SECONDS = 600
LOCK_MILLISECONDS = 5_000
LOCK_POLL_SECONDS = 0.01
LOCK_WAIT_SECONDS = 1.0
# While PostgreSQL seems to be down and there is an old answer: so long one request tries all the same, so often.
PATIENCE_SECONDS = 2.0
AWAY_SECONDS = 1.0
REDIS_PREFIX = b"dealmark:answer:"
LOCK_PREFIX = b"dealmark:flight:"
MAX_LATEST = 50_000


Run = Callable[[], Awaitable[Ran]]


@dataclass
class Flight:
    """A run that several requests wait for; it ends when the last of them has gone."""

    task: asyncio.Task[tuple[Answer, Source]]
    waiting: int = 0
    # Not `task.cancelling()`, which is true for a moment whenever a time-out within the task ends.
    ended: bool = False


class Responses:
    """The cache of one process."""

    def __init__(self, resources: Resources, breaker: Breaker) -> None:
        settings = resources.settings
        self.changes = resources.changes
        self.redis = resources.queue.redis
        self.enabled = settings.response_cache == "on"
        self.grace = settings.stale_grace_seconds
        self.memory = Memory(settings.response_memory_mib * 2**20)
        self.breaker = breaker
        self._flights: dict[bytes, Flight] = {}
        self._latest: OrderedDict[bytes, bytes] = OrderedDict()
        self._away_until = 0.0

    def key(self, question: Question) -> bytes | None:
        """The key that the right answer has now; None while nobody knows, and with the cache off."""
        versions = self.changes.current() if self.enabled else None
        return None if versions is None else key_of(question.digest(), question.document.reads, versions)

    def in_memory(self, question: Question, key: bytes) -> Answer | None:
        """The answer, if it is here."""
        kept = self.memory.get(key)
        return kept if kept is not None and _holds(question.document, kept) else None

    async def answer(self, question: Question, run: Run) -> tuple[Answer, Source]:
        """The answer: from memory, from Redis, or by running it, once however many ask at the same time."""
        if not self.enabled:
            return await _fresh(run), Source.BYPASS
        key = self.key(question)
        if key is None:
            return await self._blind(question.digest(), run)
        kept = self.in_memory(question, key)
        if kept is not None:
            return kept, Source.MEMORY
        return await self._join(question, key, run)

    async def _blind(self, digest: bytes, run: Run) -> tuple[Answer, Source]:
        """Without news of changes nothing kept may be used, unless the database is down and grace lasts."""
        stale = self._last_known(digest)
        if stale is None:
            return await _fresh(run), Source.BYPASS
        if time.monotonic() < self._away_until:
            return stale, Source.STALE
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await _fresh(run), Source.BYPASS
        except (Unavailable, TimeoutError):
            self._away_until = time.monotonic() + AWAY_SECONDS
            return stale, Source.STALE

    def _last_known(self, digest: bytes) -> Answer | None:
        """The newest answer that is kept, while there is no news and grace lasts."""
        if self.changes.connected or self.changes.seconds_lost() > self.grace:
            return None
        key = self._latest.get(digest)
        return None if key is None else self.memory.get(key)

    async def _join(self, question: Question, key: bytes, run: Run) -> tuple[Answer, Source]:
        flight = self._flights.get(key)
        if flight is None or flight.ended:
            flight = Flight(asyncio.create_task(self._fly(question, key, run)))
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        except Unavailable:
            # The connection for news may have been lost with that of the run.
            stale = self._last_known(question.digest())
            if stale is None:
                raise
            return stale, Source.STALE
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flight.ended = True
                flight.task.cancel()

    def _landed(self, key: bytes, task: asyncio.Task[tuple[Answer, Source]]) -> None:
        if key in self._flights and self._flights[key].task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()  # those who waited have it; without them nobody would look

    async def _fly(self, question: Question, key: bytes, run: Run) -> tuple[Answer, Source]:
        digest = question.digest()
        found = await self._from_redis(question.document, key)
        if found is not None:
            self._remember(digest, found)
            return found, Source.REDIS
        locked = await self._lock(key)
        if not locked and (found := await self._wait_for_other(question.document, key)) is not None:
            self._remember(digest, found)
            return found, Source.REDIS
        try:
            made_at = time.time()
            ran = await run()
            if not ran.clean:
                return Answer(ran.body, ran), Source.MISS
            # The snapshot may be newer than the versions known when it was asked for: kept under its own.
            answer = Answer(ran.body, None, key_of(digest, question.document.reads, ran.versions), made_at)
            self._remember(digest, answer)
            await self._to_redis(answer)
            return answer, Source.MISS
        finally:
            if locked:
                await self._unlock(key)

    def _remember(self, digest: bytes, answer: Answer) -> None:
        assert answer.key is not None
        self.memory.put(answer.key, answer)
        self._latest[digest] = answer.key
        self._latest.move_to_end(digest)
        if len(self._latest) > MAX_LATEST:
            self._latest.popitem(last=False)

    async def _from_redis(self, document: Document, key: bytes) -> Answer | None:
        stored = await self.breaker.call(lambda: self.redis.get(REDIS_PREFIX + key))
        if stored is None:
            return None
        answer = unpack(key, stored)
        return answer if answer is not None and _holds(document, answer) else None

    async def _to_redis(self, answer: Answer) -> None:
        assert answer.key is not None
        name, packed = REDIS_PREFIX + answer.key, pack(answer)
        await self.breaker.call(lambda: self.redis.set(name, packed, ex=REDIS_SECONDS))

    async def _lock(self, key: bytes) -> bool:
        """Whether this process is the one that runs it. Without Redis every process does."""
        name = LOCK_PREFIX + key
        taken = await self.breaker.call(lambda: self.redis.set(name, b"1", nx=True, px=LOCK_MILLISECONDS))
        return bool(taken)

    async def _unlock(self, key: bytes) -> None:
        await self.breaker.call(lambda: self.redis.delete(LOCK_PREFIX + key))

    async def _wait_for_other(self, document: Document, key: bytes) -> Answer | None:
        """What the process that holds the lock makes of it; None when it gives up, or takes too long."""
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while not self.breaker.open and time.monotonic() < deadline:
            if (found := await self._from_redis(document, key)) is not None:
                return found
            if not await self.breaker.call(lambda: self.redis.exists(LOCK_PREFIX + key)):
                return await self._from_redis(document, key)
            await asyncio.sleep(LOCK_POLL_SECONDS)
        return None


def _holds(document: Document, answer: Answer) -> bool:
    """Whether time alone has not made it wrong."""
    return not document.timed or time.time() - answer.made_at < TIMED_SECONDS


async def _fresh(run: Run) -> Answer:
    ran = await run()
    return Answer(ran.body, ran)
