"""Rate limits per client: `limits` with Redis. Answers kept in memory are not counted, because they cost nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from enum import StrEnum

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from app.core.circuit_breaker import Breaker
from app.core.errors import AppError, Unavailable
from app.settings import Settings


class DocumentClass(StrEnum):
    """What is limited apart: published documents are known to be harmless, texts are not, mutations change things."""

    PERSISTED = "persisted"
    TEXT = "text"
    MUTATION = "mutation"


class RateLimited(AppError):
    """Too many requests; `retry_after` is in whole seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} s.")
        self.retry_after = retry_after


class RateLimits:
    """The limits of one API process; counts are shared through Redis."""

    def __init__(self, settings: Settings, redis: Redis, breaker: Breaker) -> None:
        given = {
            DocumentClass.PERSISTED: settings.limit_persisted,
            DocumentClass.TEXT: settings.limit_text,
            DocumentClass.MUTATION: settings.limit_mutation,
        }
        self.items: Mapping[DocumentClass, RateLimitItem] = {
            kind: parse(limit) for kind, limit in given.items() if limit is not None
        }
        pool = redis.connection_pool
        storage = RedisStorage("async+redis://", implementation="redispy", connection_pool=pool)  # type: ignore[arg-type]
        self.limiter = SlidingWindowCounterRateLimiter(storage)
        self.breaker = breaker

    async def check(self, kind: DocumentClass, client: str) -> None:
        """Counts one request. Raises RateLimited.

        Without Redis mutations are refused (Unavailable), reads are let through.
        """
        item = self.items.get(kind)
        if item is None:
            return
        allowed = await self.breaker.call(lambda: self.limiter.hit(item, kind, client))
        if allowed:
            return
        if allowed is None:
            if kind is DocumentClass.MUTATION:
                raise Unavailable("Changes are not accepted now: the service that limits them does not answer.")
            return
        stats = await self.breaker.call(lambda: self.limiter.get_window_stats(item, kind, client))
        wait = 1.0 if stats is None else stats.reset_time - time.time()
        raise RateLimited(max(1, math.ceil(wait)))
