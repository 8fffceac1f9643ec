"""Rate limits per client. Responses from memory are not counted, because they cost nothing.

Each process counts in memory and adds its counts to Redis in batches, so that a client far below its limit causes no
round trip. A process learns of the others' requests with each batch: N processes together admit at most N batches more
than the limit. Without Redis, each process applies the limits to its own requests.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import AppError
from app.core.setting_values import NO_LIMIT, SECONDS_PER_UNIT
from app.settings import Settings

RATE_PREFIX = "dealmark:rate:"
# A batch is the limit divided by this number. Limits below it are counted in Redis with each request.
BATCHES_PER_LIMIT = 20
# Pairs of client and class that a process counts, with 0.5 KiB each. Beyond, the least recently seen is forgotten.
MAX_TRACKED_CLIENTS = 20_000


class RateLimitClass(StrEnum):
    """Kinds of requests with limits of their own."""

    PERSISTED = "persisted"
    AD_HOC = "ad_hoc"
    NEW_DOCUMENT = "new_document"
    MUTATION = "mutation"
    UPLOAD = "upload"
    SUBSCRIPTION = "subscription"


class RateLimited(AppError):
    """The client sent too many requests; `retry_after` is in whole seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} s.")
        self.retry_after = retry_after


class RateLimit(NamedTuple):
    """A number of requests per window of this many seconds."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limit that a setting such as `600/minute` means."""
        amount, _, unit = text.partition("/")
        return cls(int(amount), SECONDS_PER_UNIT[unit])

    @property
    def batch(self) -> int:
        """The number of requests after which a process adds its count to Redis."""
        return max(1, self.amount // BATCHES_PER_LIMIT)


@dataclass(slots=True)
class RequestCount:
    """Requests of one client in one class, of all processes as far as this one knows.

    `current` and `previous` are the counts of the window with this number and of the one before, `unreported` is the
    part of `current` that Redis does not have.
    """

    window: int
    current: int = 0
    previous: int = 0
    unreported: int = 0

    def advance(self, window: int) -> None:
        """Start a new window if this one has ended."""
        if window != self.window:
            self.previous = self.current if window == self.window + 1 else 0
            self.window, self.current, self.unreported = window, 0, 0

    def check(self, limit: RateLimit, now: float, counted: int = 0) -> None:
        """Check whether one more request is admitted. `counted` is 1 if `current` includes it. Raises RateLimited.

        The previous window counts in the proportion in which a window that ends now overlaps it.
        """
        elapsed, current = now - self.window * limit.seconds, self.current - counted
        previous = min(self.previous, limit.amount)
        if current >= limit.amount:
            wait_seconds = limit.seconds - elapsed
        elif previous:
            wait_seconds = limit.seconds * (1 - (limit.amount - current) / previous) - elapsed
        else:
            return
        if wait_seconds > 0:
            raise RateLimited(max(1, math.ceil(wait_seconds)))


class RateLimits:
    """Rate limits of the settings, for all clients of this process."""

    def __init__(self, settings: Settings, redis: Redis, breaker: CircuitBreaker) -> None:
        configured = {
            RateLimitClass.PERSISTED: settings.rate_limit_persisted,
            RateLimitClass.AD_HOC: settings.rate_limit_ad_hoc,
            RateLimitClass.NEW_DOCUMENT: settings.rate_limit_new_document,
            RateLimitClass.MUTATION: settings.rate_limit_mutation,
            RateLimitClass.UPLOAD: settings.rate_limit_upload,
            RateLimitClass.SUBSCRIPTION: settings.rate_limit_subscription,
        }
        self.limits: Mapping[RateLimitClass, RateLimit] = {
            limit_class: RateLimit.parse(text)
            for limit_class, text in configured.items()
            if settings.client_limits_apply and text != NO_LIMIT
        }
        self.redis = redis
        self.breaker = breaker
        self._counts: OrderedDict[tuple[RateLimitClass, str], RequestCount] = OrderedDict()

    async def check(self, limit_class: RateLimitClass, client: str) -> None:
        """Count one request of a client. Raises RateLimited."""
        limit = self.limits.get(limit_class)
        if limit is None:
            return
        now = time.time()
        count = self._count_of(limit_class, client, window=int(now // limit.seconds))
        count.check(limit, now)
        count.current += 1
        count.unreported += 1
        if count.unreported >= limit.batch:
            await self._report(limit_class, client, count, limit)
            count.check(limit, now, counted=1)

    def _count_of(self, limit_class: RateLimitClass, client: str, window: int) -> RequestCount:
        key = (limit_class, client)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = RequestCount(window)
            if len(self._counts) > MAX_TRACKED_CLIENTS:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(key)
            count.advance(window)
        return count

    async def _report(self, limit_class: RateLimitClass, client: str, count: RequestCount, limit: RateLimit) -> None:
        """Add the unreported requests to Redis, and learn how many all processes have counted."""
        window, unreported, count.unreported = count.window, count.unreported, 0
        name, previous_name = (f"{RATE_PREFIX}{limit_class}:{client}:{number}" for number in (window, window - 1))
        totals = await self.breaker.call(lambda: self._add(name, previous_name, unreported, 2 * limit.seconds))
        if totals is not None and count.window == window:
            count.current, count.previous = max(count.current, totals[0]), max(count.previous, totals[1])

    async def _add(self, name: str, previous_name: str, number: int, ttl: int) -> tuple[int, int]:
        try:
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.incrby(name, number)
                pipe.expire(name, ttl)
                pipe.get(previous_name)
                current, _, previous = await pipe.execute()
            return current, int(previous or 0)
        except (ResponseError, ValueError):  # what is stored is not a number
            await self.redis.set(name, number, ex=ttl)
            return number, 0
