"""A result that concurrent callers share."""

from __future__ import annotations

import asyncio

import pytest

from app.server.recent_result import RecentResult


class Counter:
    """Function that returns how often it was called, once `gate` is open."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.calls += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.calls


async def test_recent_result_within_its_ttl_is_reused() -> None:
    counter = Counter()
    result = RecentResult(counter, ttl_seconds=3600)
    assert [await result.get() for _ in range(5)] == [1] * 5
    result.ttl_seconds = 0
    assert [await result.get() for _ in range(3)] == [2, 3, 4]


async def test_recent_result_with_concurrent_callers_is_computed_once() -> None:
    counter = Counter()
    counter.gate.clear()
    result = RecentResult(counter, ttl_seconds=0)
    callers = [asyncio.create_task(result.get()) for _ in range(100)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.wait(callers[:1])
    counter.gate.set()
    assert await asyncio.gather(*callers[1:]) == [1] * 99
    assert callers[0].cancelled()
    assert counter.calls == 1


async def test_recent_result_after_an_exception_is_computed_again() -> None:
    counter = Counter()
    counter.error = RuntimeError("broken")
    result = RecentResult(counter, ttl_seconds=3600)
    with pytest.raises(RuntimeError, match="broken"):
        await result.get()
    counter.error = None
    assert await result.get() == 2
