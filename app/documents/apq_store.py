"""Store of automatic persisted queries (APQ): texts that clients registered under their SHA-256, in Redis."""

from __future__ import annotations

import hashlib
import time

from redis.asyncio import Redis

from app.core.circuit_breaker import CircuitBreaker
from app.core.redis_values import report_damaged

# Entries are kept for this long after their last use; beyond the maximum number, the least recently used are deleted.
APQ_TTL_SECONDS = 7 * 24 * 3600
MAX_APQ_ENTRIES = 5_000
# Beyond, a client that registers more loses its own oldest entries. It cannot displace those of the others.
MAX_APQ_ENTRIES_PER_CLIENT = 500
APQ_PREFIX = "dealmark:apq:"
# Sorted set: SHA-256 -> time of last use.
APQ_INDEX = "dealmark:apq"
# Sorted set for each client: SHA-256 -> time of registration, for the entries that it was the first to register.
APQ_CLIENT_PREFIX = "dealmark:apq-client:"


class ApqStore:
    """Texts by SHA-256 (64 hex digits), shared by all processes. Without Redis it is empty."""

    def __init__(self, redis: Redis, breaker: CircuitBreaker) -> None:
        self.redis = redis
        self.breaker = breaker

    async def get(self, digest: str) -> str | None:
        """Return a text and extend its lifetime."""
        text = await self.breaker.call(lambda: self._get(digest))
        if text is None:
            return None
        if hashlib.sha256(text).hexdigest() != digest:
            report_damaged("automatic persisted query")
            return None
        return text.decode()

    async def put(self, digest: str, text: str, client: str) -> None:
        """Store a text that a client registers."""
        await self.breaker.call(lambda: self._put(digest, text, client))

    async def _get(self, digest: str) -> bytes | None:
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.getex(APQ_PREFIX + digest, ex=APQ_TTL_SECONDS)
            pipe.zadd(APQ_INDEX, {digest: time.time()}, xx=True)
            results = await pipe.execute()
        text: bytes | None = results[0]
        return text

    async def _put(self, digest: str, text: str, client: str) -> None:
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.set(APQ_PREFIX + digest, text.encode(), ex=APQ_TTL_SECONDS)
            pipe.zadd(APQ_INDEX, {digest: time.time()})
            pipe.expire(APQ_INDEX, APQ_TTL_SECONDS)
            _stored, is_new, _expires = await pipe.execute()
        if is_new:
            await self._delete(await self._add_to_client(client, digest))
        await self._delete(await self.redis.zrange(APQ_INDEX, 0, -MAX_APQ_ENTRIES - 1))

    async def _add_to_client(self, client: str, digest: str) -> list[bytes]:
        """Add an entry to those of a client, and return those of them that the client has too many."""
        name = APQ_CLIENT_PREFIX + client
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.zadd(name, {digest: time.time()})
            pipe.expire(name, APQ_TTL_SECONDS)
            pipe.zrange(name, 0, -MAX_APQ_ENTRIES_PER_CLIENT - 1)
            pipe.zremrangebyrank(name, 0, -MAX_APQ_ENTRIES_PER_CLIENT - 1)
            *_, evicted, _removed_count = await pipe.execute()
        excess: list[bytes] = evicted
        return excess

    async def _delete(self, digests: list[bytes]) -> None:
        if digests:
            async with self.redis.pipeline(transaction=True) as pipe:
                pipe.delete(*(APQ_PREFIX + digest.decode() for digest in digests))
                pipe.zrem(APQ_INDEX, *digests)
                await pipe.execute()
