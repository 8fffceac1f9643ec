"""Store of automatic persisted queries (APQ): texts that clients registered under their SHA-256, in Redis."""

from __future__ import annotations

import time

from redis.asyncio import Redis

from app.core.circuit_breaker import CircuitBreaker

# Entries are kept for this long after their last use; beyond the maximum number, the least recently used are deleted.
APQ_TTL_SECONDS = 7 * 24 * 3600
MAX_APQ_ENTRIES = 5_000
APQ_PREFIX = "dealmark:apq:"
# Sorted set: SHA-256 -> time of last use.
APQ_INDEX = "dealmark:apq"


class ApqStore:
    """Texts by SHA-256 (64 hex digits), shared by all processes. Without Redis it is empty."""

    def __init__(self, redis: Redis, breaker: CircuitBreaker) -> None:
        self.redis = redis
        self.breaker = breaker

    async def get(self, digest: str) -> str | None:
        """Return a text and extend its lifetime."""
        text = await self.breaker.call(lambda: self._get(digest))
        return None if text is None else text.decode()

    async def put(self, digest: str, text: str) -> None:
        """Store a text."""
        await self.breaker.call(lambda: self._put(digest, text))

    async def _get(self, digest: str) -> bytes | None:
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.getex(APQ_PREFIX + digest, ex=APQ_TTL_SECONDS)
            pipe.zadd(APQ_INDEX, {digest: time.time()}, xx=True)
            results = await pipe.execute()
        text: bytes | None = results[0]
        return text

    async def _put(self, digest: str, text: str) -> None:
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.set(APQ_PREFIX + digest, text.encode(), ex=APQ_TTL_SECONDS)
            pipe.zadd(APQ_INDEX, {digest: time.time()})
            pipe.expire(APQ_INDEX, APQ_TTL_SECONDS)
            pipe.zrange(APQ_INDEX, 0, -MAX_APQ_ENTRIES - 1)
            pipe.zremrangebyrank(APQ_INDEX, 0, -MAX_APQ_ENTRIES - 1)
            *_, evicted, _removed_count = await pipe.execute()
        if evicted:
            await self.redis.delete(*(APQ_PREFIX + old_digest.decode() for old_digest in evicted))
