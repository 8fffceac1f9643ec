"""Waiting for an event with a time limit."""

from __future__ import annotations

import asyncio


async def wait_for_event(event: asyncio.Event, timeout_seconds: float) -> bool:
    """Wait until the event is set, and return True, or return False after the timeout.

    `asyncio.wait_for` of Python 3.11 loses a cancellation that arrives together with the event: a task that waits in a
    loop would then go on, and the code that has cancelled it would wait for ever.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await event.wait()
    except TimeoutError:
        return False
