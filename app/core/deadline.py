"""Calls that are seldom made: what is to be done should a request take long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from types import TracebackType


class Delay:
    """Calls functions `seconds` after they are given, unless they are taken back before. They must not raise.

    All have the same delay, so they are due in the order in which they came, and one timer of the loop serves them
    all. One for each would be set and cancelled by every request, which takes longer than reading its URL.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._numbers = count()
        self._waiting: dict[int, tuple[float, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def give(self, function: Callable[[], None]) -> int:
        """Has a function called; what is returned takes it back."""
        number = next(self._numbers)
        loop = asyncio.get_running_loop()
        self._waiting[number] = (loop.time() + self.seconds, function)
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._ring, loop)
        return number

    def take_back(self, number: int) -> None:
        """Has it not called any more, if it was not yet."""
        self._waiting.pop(number, None)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while (number := next(iter(self._waiting), None)) is not None:
            when, function = self._waiting[number]
            if when > now:
                self._timer = loop.call_at(when, self._ring, loop)
                return
            del self._waiting[number]
            function()
        self._timer = None


class Deadline:
    """`asyncio.timeout` of a delay: what runs in the block for longer is cancelled, and TimeoutError raised."""

    __slots__ = ("_cancelling", "_delay", "_number", "_passed", "_task")

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self._passed = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._number = self._delay.give(self._pass)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._delay.take_back(self._number)
        # Should anybody else want the task cancelled, it is.
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _pass(self) -> None:
        self._passed = True
        self._task.cancel()
