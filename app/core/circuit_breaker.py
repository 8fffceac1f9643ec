"""Circuit breaker: after a failure, stop calling a service until it responds to a ping again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger()

T = TypeVar("T")

# Pause between a failure and the next ping.
RETRY_INTERVAL_SECONDS = 1.0
CALL_TIMEOUT_SECONDS = 0.25
FAILURES = (RedisError, OSError, TimeoutError)


class CircuitBreaker:
    """Guard for calls to an optional service: a failed call returns None, and the next calls fail without waiting.

    After the first failure the breaker is open and no call reaches the service. A background task pings the service
    and closes the breaker when a ping succeeds, so only the request that met the failure waits for a timeout.
    """

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]]) -> None:
        self.name = name
        self._ping = ping
        self._retry_at: float | None = None
        self._probe: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are being skipped."""
        return self._retry_at is not None

    async def call(self, function: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of `function`, or None if the breaker is open or the call fails."""
        if self._retry_at is not None:
            if time.monotonic() >= self._retry_at and self._probe is None:
                self._probe = asyncio.create_task(self._ping_service())
            return None
        try:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
                return await function()
        except FAILURES as error:
            if not self.is_open:
                log.warning("breaker.opened", service=self.name, error=str(error) or type(error).__name__)
            self._retry_at = time.monotonic() + RETRY_INTERVAL_SECONDS
            return None

    async def _ping_service(self) -> None:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
                await self._ping()
        except FAILURES:
            self._retry_at = time.monotonic() + RETRY_INTERVAL_SECONDS
        else:
            self._retry_at = None
            log.info("breaker.closed", service=self.name)
        finally:
            self._probe = None
