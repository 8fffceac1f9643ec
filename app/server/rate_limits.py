"""Rate limits per client, counted in Redis. Responses from memory are not counted, because they cost nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from enum import StrEnum

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import AppError, Unavailable
from app.settings import Settings


class RateLimitClass(StrEnum):
    """Kinds of requests with limits of their own."""

    PERSISTED = "persisted"
    AD_HOC = "ad_hoc"
    MUTATION = "mutation"
    UPLOAD = "upload"
    SUBSCRIPTION = "subscription"


class RateLimited(AppError):
    """The client sent too many requests; `retry_after` is in whole seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} s.")
        self.retry_after = retry_after


class RateLimits:
    """Rate limits of the settings. API processes share the counts through Redis."""

    def __init__(self, settings: Settings, redis: Redis, breaker: CircuitBreaker) -> None:
        configured = {
            RateLimitClass.PERSISTED: settings.rate_limit_persisted,
            RateLimitClass.AD_HOC: settings.rate_limit_ad_hoc,
            RateLimitClass.MUTATION: settings.rate_limit_mutation,
            RateLimitClass.UPLOAD: settings.rate_limit_upload,
            RateLimitClass.SUBSCRIPTION: settings.rate_limit_subscription,
        }
        self.limits: Mapping[RateLimitClass, RateLimitItem] = {
            limit_class: parse(limit)
            for limit_class, limit in configured.items()
            if settings.client_limits_apply and limit != "off"
        }
        pool = redis.connection_pool
        storage = RedisStorage("async+redis://", implementation="redispy", connection_pool=pool)  # type: ignore[arg-type]
        self.limiter = SlidingWindowCounterRateLimiter(storage)
        self.breaker = breaker

    async def check(self, limit_class: RateLimitClass, client: str) -> None:
        """Count one request of a client.

        Raises RateLimited. Without Redis, mutations are rejected (Unavailable) and queries are admitted.
        """
        limit = self.limits.get(limit_class)
        if limit is None:
            return
        admitted = await self.breaker.call(lambda: self.limiter.hit(limit, limit_class, client))
        if admitted:
            return
        if admitted is None:
            if limit_class is RateLimitClass.MUTATION:
                raise Unavailable("Changes are not accepted now: the rate limiter does not answer.")
            return
        window = await self.breaker.call(lambda: self.limiter.get_window_stats(limit, limit_class, client))
        wait_seconds = 1.0 if window is None else window.reset_time - time.time()
        raise RateLimited(max(1, math.ceil(wait_seconds)))
