"""A task whose result several other tasks wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedTask(Generic[T]):
    """A task that is cancelled when the last one that waits for it is."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.task = asyncio.create_task(work)
        self.waiters = 0
        # Not `task.cancelling()`, which is also true for a moment when a timeout inside the task ends.
        self.cancelled = False

    async def wait(self) -> T:
        """Return the result of the task, or raise what it raised."""
        self.waiters += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self.waiters -= 1
            if not self.waiters and not self.task.done():
                self.cancelled = True
                self.task.cancel()
