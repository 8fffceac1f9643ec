"""A result that many callers want at the same time, computed once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class RecentResult(Generic[T]):
    """Result of a function without arguments, reused for `ttl_seconds` after it was computed.

    Concurrent callers share one call. It continues if its first caller is cancelled. An exception is not reused.
    """

    def __init__(self, compute: Callable[[], Awaitable[T]], ttl_seconds: float) -> None:
        self.compute, self.ttl_seconds = compute, ttl_seconds
        self._task: asyncio.Task[T] | None = None
        self._computed_at = float("-inf")

    async def get(self) -> T:
        """Return the result, which is at most `ttl_seconds` old."""
        task = self._task
        if task is None or (task.done() and time.monotonic() - self._computed_at >= self.ttl_seconds):
            task = self._task = asyncio.create_task(self._compute())
        return await asyncio.shield(task)

    async def _compute(self) -> T:
        result = await self.compute()
        self._computed_at = time.monotonic()
        return result
