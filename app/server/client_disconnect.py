"""Cancels the work for a request when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

from app.core.timer_wheel import TimerWheel

T = TypeVar("T")


class ClientDisconnected(Exception):
    """The client closed the connection before it received the response."""


class DisconnectWatcher:
    """Watches the connections of requests that take longer than `delay_seconds`.

    Most requests end sooner, and watching a connection needs a task.
    """

    def __init__(self, delay_seconds: float) -> None:
        self._timers = TimerWheel(delay_seconds)

    async def cancel_on_disconnect(self, work: Awaitable[T], receive: Receive) -> T:
        """Await `work` and return its result.

        Raises ClientDisconnected, after cancelling `work`, if the client disconnects first. `receive` is the ASGI
        callable of the request. Its body must have been read.
        """
        request_task = asyncio.current_task()
        assert request_task is not None
        disconnected = False
        watch_task: asyncio.Task[None] | None = None

        def start_watching() -> None:
            nonlocal watch_task
            watch_task = asyncio.create_task(watch())

        async def watch() -> None:
            nonlocal disconnected
            while (await receive())["type"] != "http.disconnect":
                pass
            disconnected = True
            request_task.cancel()

        timer_id = self._timers.schedule(start_watching)
        try:
            return await work
        except asyncio.CancelledError:
            if disconnected and request_task.uncancel() == 0:
                raise ClientDisconnected from None
            raise
        finally:
            self._timers.cancel(timer_id)
            if watch_task is not None:
                watch_task.cancel()
