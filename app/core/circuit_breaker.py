"""A circuit breaker: after one failure a service is left alone until it answers again, so only one request waited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

T = TypeVar("T")

OPEN_SECONDS = 1.0
TIMEOUT_SECONDS = 0.25
FAILURES = (RedisError, OSError, TimeoutError)


class Breaker:
    """Calls a service that may be missing: None instead of an error, and no second time-out.

    Whether it is back is found out by `ping`, in the background: no request waits for that either.
    """

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]]) -> None:
        self.name = name
        self._ping = ping
        self._try_at: float | None = None
        self._trying: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether the service is being left alone now."""
        return self._try_at is not None

    async def call(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """The result; None while open, and when the call fails."""
        if self._try_at is not None:
            if time.monotonic() >= self._try_at and self._trying is None:
                self._trying = asyncio.create_task(self._try_again())
            return None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await work()
        except FAILURES as error:
            if not self.open:
                log.warning("breaker.opened", service=self.name, error=str(error) or type(error).__name__)
            self._try_at = time.monotonic() + OPEN_SECONDS
            return None

    async def _try_again(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._ping()
        except FAILURES:
            self._try_at = time.monotonic() + OPEN_SECONDS
        else:
            self._try_at = None
            log.info("breaker.closed", service=self.name)
        finally:
            self._trying = None
