"""Cache of values that several tasks need at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.core.shared_cache import SharedCache


class Squares:
    """Computes squares when `gate` is open, and records the computations."""

    def __init__(self) -> None:
        self.cache: SharedCache[int, int] = SharedCache(1_000, lambda value: 10 if value % 2 == 0 else None)
        self.computed: list[list[int]] = []
        self.gate = asyncio.Event()
        self.cancelled = 0

    async def get(self, *numbers: int) -> list[int]:
        """Return the squares of these numbers."""

        async def compute(indices: list[int]) -> list[int]:
            missing = [numbers[index] for index in indices]
            self.computed.append(missing)
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            if -1 in missing:
                raise ValueError("negative")
            return [number * number for number in missing]

        return await self.cache.get_or_compute(numbers, compute)


async def start(*calls: Callable[[], Awaitable[list[int]]]) -> list[asyncio.Task[list[int]]]:
    """Start the calls one after another, and let each run until it waits."""
    tasks = []
    for call in calls:
        tasks.append(asyncio.ensure_future(call()))
        for _ in range(3):
            await asyncio.sleep(0)
    return tasks


async def test_shared_cache_computes_each_missing_key_once() -> None:
    squares = Squares()
    tasks = await start(lambda: squares.get(2, 4), lambda: squares.get(4, 6, 2), lambda: squares.get(6))
    squares.gate.set()
    assert await asyncio.gather(*tasks) == [[4, 16], [16, 36, 4], [36]]
    assert squares.computed == [[2, 4], [6]]
    assert squares.cache.get_all([6, 2]) == [36, 4]
    assert squares.cache.get_all([6, 8]) is None
    assert await squares.get(8, 6) == [64, 36]
    assert squares.computed[2:] == [[8]]


async def test_shared_cache_keeps_only_values_with_a_weight() -> None:
    squares = Squares()
    squares.gate.set()
    assert await squares.get(3, 2) == [9, 4]
    assert squares.cache.get_all([3]) is None
    assert await squares.get(3) == [9]
    assert squares.computed == [[3, 2], [3]]


async def test_shared_cache_evicts_the_oldest_values() -> None:
    squares = Squares()
    squares.gate.set()
    numbers = [2 * number for number in range(100)]
    await squares.get(*numbers)
    assert squares.cache.get_all([0]) == [0]
    await squares.get(2_000)
    assert len(squares.cache) == 100
    assert squares.cache.weight == 1_000
    assert squares.cache.get_all([0]) is None
    assert squares.cache.get_all([2, 2_000]) == [4, 4_000_000]


async def test_shared_cache_error_reaches_all_waiters_and_is_not_kept() -> None:
    squares = Squares()
    tasks = await start(lambda: squares.get(-1), lambda: squares.get(-1))
    squares.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in results] == ["negative"] * 2
    with pytest.raises(ValueError, match="negative"):
        await squares.get(-1)
    assert squares.computed == [[-1], [-1]]


async def test_shared_cache_computation_ends_with_its_last_waiter() -> None:
    squares = Squares()
    one, two = await start(lambda: squares.get(2), lambda: squares.get(2))
    one.cancel()
    await asyncio.wait([one])
    assert squares.cancelled == 0
    two.cancel()
    await asyncio.wait([two])
    (three,) = await start(lambda: squares.get(2))
    squares.gate.set()
    assert await three == [4]
    assert (squares.cancelled, squares.computed) == (1, [[2], [2]])
