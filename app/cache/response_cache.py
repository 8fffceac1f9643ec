"""Response cache in memory and Redis that never returns outdated data.

The key of a response is made of its document, its variables, and the versions of the data domains it reads. The
versions come from the snapshot that the response was computed from. Equal keys therefore mean equal bytes: a data
change produces new keys, and no entry is ever invalidated explicitly. LISTEN/NOTIFY keeps the current versions known.
While that connection is lost, cached responses are only used if PostgreSQL is down too, and then marked as stale.

The program code is part of the key as well, so a new release does not read the entries of an old one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockNotOwnedError

from app.cache.entries import (
    TIME_DEPENDENT_TTL,
    CachedResponse,
    CacheQuery,
    CacheStatus,
    MemoryCache,
    cache_key,
    pack,
    unpack,
)
from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import Unavailable
from app.core.shared_task import SharedTask
from app.engine.document import DocumentSummary
from app.engine.executor import ExecutionOutcome
from app.resources import Resources

log = structlog.get_logger()

# Entries of old versions are never read again, and must not fill the Redis that also holds the job queue.
REDIS_TTL_SECONDS = 600
# A lock expires if its process dies. A run that takes longer no longer owns its lock.
LOCK_TTL_SECONDS = 5.0
LOCK_POLL_INTERVAL_SECONDS = 0.01
LOCK_WAIT_TIMEOUT_SECONDS = 1.0
# While a stale response is available: how long a request tries PostgreSQL, and how long the next attempt is delayed
# after a failure.
STALE_ATTEMPT_TIMEOUT_SECONDS = 2.0
STALE_RETRY_INTERVAL_SECONDS = 1.0
REDIS_PREFIX = b"dealmark:response:"
LOCK_PREFIX = b"dealmark:response-lock:"
MAX_LATEST_KEYS = 50_000


Execute = Callable[[], Awaitable[ExecutionOutcome]]


class ResponseCache:
    """Response cache of one process; processes share entries through Redis."""

    def __init__(self, resources: Resources, breaker: CircuitBreaker) -> None:
        settings = resources.settings
        self.notifications = resources.notifications
        self.redis = resources.broker.redis
        self.enabled = settings.response_cache == "on"
        self.stale_grace_seconds = settings.stale_grace_seconds
        self.memory = MemoryCache(settings.response_memory_mib * 2**20)
        self.breaker = breaker
        self._inflight: dict[bytes, SharedTask[tuple[CachedResponse, CacheStatus]]] = {}
        # Query digest -> key of its newest response.
        self._latest: OrderedDict[bytes, bytes] = OrderedDict()
        self._database_retry_at = 0.0

    def current_key(self, query: CacheQuery) -> bytes | None:
        """Return the key at the current data versions; None if they are unknown or the cache is off."""
        versions = self.notifications.current_versions() if self.enabled else None
        return None if versions is None else cache_key(query.digest(), query.document.domains, versions)

    def get_from_memory(self, query: CacheQuery, key: bytes) -> CachedResponse | None:
        """Return the response if this process has it in memory."""
        response = self.memory.get(key)
        return response if response is not None and _is_fresh(query.document, response) else None

    async def get_or_execute(self, query: CacheQuery, execute: Execute) -> tuple[CachedResponse, CacheStatus]:
        """Return the response from memory, from Redis, or by executing the query once for all concurrent requests."""
        if not self.enabled:
            return await _execute_uncached(execute), CacheStatus.BYPASS
        key = self.current_key(query)
        if key is None:
            return await self._without_notifications(query.digest(), execute)
        response = self.get_from_memory(query, key)
        if response is not None:
            return response, CacheStatus.MEMORY
        return await self._coalesce(query, key, execute)

    async def _without_notifications(self, digest: bytes, execute: Execute) -> tuple[CachedResponse, CacheStatus]:
        """Execute, or return a stale response if PostgreSQL is down and the grace period lasts."""
        stale = self._stale_response(digest)
        if stale is None:
            return await _execute_uncached(execute), CacheStatus.BYPASS
        if time.monotonic() < self._database_retry_at:
            return stale, CacheStatus.STALE
        try:
            async with asyncio.timeout(STALE_ATTEMPT_TIMEOUT_SECONDS):
                return await _execute_uncached(execute), CacheStatus.BYPASS
        except (Unavailable, TimeoutError):
            self._database_retry_at = time.monotonic() + STALE_RETRY_INTERVAL_SECONDS
            return stale, CacheStatus.STALE

    def _stale_response(self, digest: bytes) -> CachedResponse | None:
        """Return the newest cached response while notifications are lost and the grace period lasts."""
        if self.notifications.connected or self.notifications.seconds_disconnected() > self.stale_grace_seconds:
            return None
        key = self._latest.get(digest)
        return None if key is None else self.memory.get(key)

    async def _coalesce(self, query: CacheQuery, key: bytes, execute: Execute) -> tuple[CachedResponse, CacheStatus]:
        """Wait for the execution that other requests of this process already wait for, or start one."""
        inflight = self._inflight.get(key)
        if inflight is None or inflight.cancelled:
            inflight = SharedTask(self._execute_once(query, key, execute))
            self._inflight[key] = inflight
            inflight.task.add_done_callback(lambda task: self._on_done(key, task))
        try:
            return await inflight.wait()
        except Unavailable:
            # The notification connection may have been lost together with the one that ran the query.
            stale = self._stale_response(query.digest())
            if stale is None:
                raise
            return stale, CacheStatus.STALE

    def _on_done(self, key: bytes, task: asyncio.Task[tuple[CachedResponse, CacheStatus]]) -> None:
        if key in self._inflight and self._inflight[key].task is task:
            del self._inflight[key]
        if not task.cancelled():
            task.exception()  # the waiters received it; without any, asyncio would log it as never retrieved

    async def _execute_once(
        self, query: CacheQuery, key: bytes, execute: Execute
    ) -> tuple[CachedResponse, CacheStatus]:
        """Read the response from Redis, or execute the query in one process while the others wait for its result."""
        digest = query.digest()
        response = await self._get_from_redis(query.document, key)
        if response is not None:
            self._put_in_memory(digest, response)
            return response, CacheStatus.REDIS
        lock = await self._acquire_lock(key)
        if lock is None and (response := await self._wait_for_other_process(query.document, key)) is not None:
            self._put_in_memory(digest, response)
            return response, CacheStatus.REDIS
        try:
            created_at, created_at_monotonic = time.time(), time.monotonic()
            outcome = await execute()
            if not outcome.has_no_errors:
                return CachedResponse(outcome.body, outcome), CacheStatus.MISS
            # The snapshot may be newer than the versions in `key`: the response is stored under its own versions.
            stored_key = cache_key(digest, query.document.domains, outcome.versions)
            response = CachedResponse(outcome.body, None, stored_key, created_at, created_at_monotonic)
            self._put_in_memory(digest, response)
            await self._put_in_redis(response)
            return response, CacheStatus.MISS
        finally:
            if lock is not None:
                await self.breaker.call(lambda: _release(lock))

    def _put_in_memory(self, digest: bytes, response: CachedResponse) -> None:
        assert response.key is not None
        self.memory.put(response.key, response)
        self._latest[digest] = response.key
        self._latest.move_to_end(digest)
        if len(self._latest) > MAX_LATEST_KEYS:
            self._latest.popitem(last=False)

    async def _get_from_redis(self, document: DocumentSummary, key: bytes) -> CachedResponse | None:
        """Return the response, with the age that the expiry of its key shows: the clocks of processes differ."""
        stored, remaining_ms = await self.breaker.call(lambda: self._read(REDIS_PREFIX + key)) or (None, 0)
        age = REDIS_TTL_SECONDS - remaining_ms / 1000
        if stored is None or age < 0:  # negative if the clock of Redis was set back
            return None
        response = unpack(key, stored, time.monotonic() - age)
        return response if response is not None and _is_fresh(document, response) else None

    async def _read(self, name: bytes) -> tuple[bytes | None, int]:
        """Return the value of a key, and the milliseconds until it expires."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.get(name)
            pipe.pttl(name)
            stored, remaining_ms = await pipe.execute()
        return stored, remaining_ms

    async def _put_in_redis(self, response: CachedResponse) -> None:
        assert response.key is not None
        name, packed = REDIS_PREFIX + response.key, pack(response)
        await self.breaker.call(lambda: self.redis.set(name, packed, ex=REDIS_TTL_SECONDS))

    async def _acquire_lock(self, key: bytes) -> Lock | None:
        """Return the acquired lock, or None if another process holds it or Redis is down."""
        lock = self.redis.lock(LOCK_PREFIX + key, timeout=LOCK_TTL_SECONDS, thread_local=False)
        return lock if await self.breaker.call(lambda: lock.acquire(blocking=False)) else None

    async def _wait_for_other_process(self, document: DocumentSummary, key: bytes) -> CachedResponse | None:
        """Return the response of the process that holds the lock; None if it fails or takes too long."""
        deadline = time.monotonic() + LOCK_WAIT_TIMEOUT_SECONDS
        while not self.breaker.is_open and time.monotonic() < deadline:
            if (response := await self._get_from_redis(document, key)) is not None:
                return response
            if not await self.breaker.call(lambda: self.redis.exists(LOCK_PREFIX + key)):
                return await self._get_from_redis(document, key)
            await asyncio.sleep(LOCK_POLL_INTERVAL_SECONDS)
        return None


async def _release(lock: Lock) -> None:
    """Release a lock unless it has expired: another process may have acquired it since then."""
    with suppress(LockNotOwnedError):  # a RedisError, which would open the circuit breaker
        await lock.release()


def _is_fresh(document: DocumentSummary, response: CachedResponse) -> bool:
    """Return whether the passage of time has not yet outdated a response."""
    return not document.time_dependent or time.monotonic() - response.created_at_monotonic < TIME_DEPENDENT_TTL


async def _execute_uncached(execute: Execute) -> CachedResponse:
    outcome = await execute()
    return CachedResponse(outcome.body, outcome)
