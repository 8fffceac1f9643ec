"""Waiting for an event with a time limit."""

from __future__ import annotations

import asyncio

import pytest

from app.core.waiting import wait_for_event


async def test_wait_for_event_that_is_set_returns_true() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await wait_for_event(event, 60)
    assert await wait_for_event(event, 60)


async def test_wait_for_event_that_is_not_set_returns_false() -> None:
    assert not await wait_for_event(asyncio.Event(), 0.01)


async def test_wait_for_event_cancelled_together_with_the_event_is_cancelled() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(wait_for_event(event, 60))
    await asyncio.sleep(0.01)
    event.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
