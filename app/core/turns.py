"""Sharing the event loop between many tasks that have something to do at the same time."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets one task at a time go on, one per iteration of the event loop, in the order in which they asked.

    In each iteration the loop also serves its sockets. So the work of these tasks delays a request by the work of one
    turn per iteration, however many tasks there are.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_scheduled = False

    async def next(self) -> None:
        """Wait for the turn of this task. It lasts until the task waits for something else."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._give_turn, loop)
        await turn

    def _give_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # done: its task was cancelled
                turn.set_result(None)
                break
        self._is_scheduled = bool(self._waiting)
        if self._is_scheduled:
            loop.call_soon(self._give_turn, loop)
