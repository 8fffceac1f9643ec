"""Loader: the contract that it shares with aiodataloader, part of which it replaces."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aiodataloader import DataLoader

from app.graphql.context import Context, Loader
from app.resources import Reader, Resources


class Doubler(Loader[int, int]):
    """Doubles its keys, and records its batches. A key of 13 fails alone, a key of -1 fails its batch."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.batches: list[list[int]] = []

    async def values(self, session: Reader, keys: list[int]) -> list[int]:
        """Record the batch and double its keys."""
        self.batches.append(keys)
        if -1 in keys:
            raise OSError("the batch failed")
        return [cast("int", ValueError("the key failed")) if key == 13 else 2 * key for key in keys]


class LibraryDoubler(DataLoader[int, int]):
    """The same with aiodataloader as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[int]] = []

    async def batch_load_fn(self, keys: list[int]) -> list[int]:
        """Record the batch and double its keys."""
        self.batches.append(keys)
        return [2 * key for key in keys]


@pytest.fixture
async def loader(resources: Resources) -> Doubler:
    return Context(resources).loader(Doubler)


async def test_loader_loads_in_one_tick_are_one_batch_in_order(loader: Doubler) -> None:
    assert await asyncio.gather(*map(loader.load, (3, 1, 2))) == [6, 2, 4]
    assert loader.batches == [[3, 1, 2]]


async def test_loader_equal_keys_share_one_future_and_one_key(loader: Doubler) -> None:
    first, second = loader.load(3), loader.load(3)
    assert first is second
    assert list(await asyncio.gather(first, second, loader.load(4))) == [6, 6, 8]
    assert loader.batches == [[3, 4]]


async def test_loader_caches_values_for_the_request(loader: Doubler) -> None:
    assert [await loader.load(3), await loader.load(3)] == [6, 6]
    assert loader.batches == [[3]]


async def test_loader_primed_value_is_not_loaded(loader: Doubler) -> None:
    loader.prime(3, 7)
    assert await loader.load_many([3, 4]) == [7, 8]
    assert loader.batches == [[4]]


async def test_loader_error_of_one_key_leaves_the_others(loader: Doubler) -> None:
    results = await asyncio.gather(loader.load(1), loader.load(13), return_exceptions=True)
    assert results[0] == 2
    assert str(results[1]) == "the key failed"


async def test_loader_error_of_a_batch_reaches_all_keys_and_is_not_cached(loader: Doubler) -> None:
    results = await asyncio.gather(loader.load(1), loader.load(-1), return_exceptions=True)
    assert [str(result) for result in results] == ["the batch failed"] * 2
    assert await loader.load(1) == 2
    assert loader.batches == [[1, -1], [1]]


async def test_loader_dispatches_in_the_same_iteration_as_the_library(resources: Resources) -> None:
    """Keys loaded by tasks that start later join the batch, or do not, exactly as with aiodataloader."""

    async def batches(loader: Any, delay: int) -> list[list[int]]:
        async def load_later() -> int:
            for _ in range(delay):
                await asyncio.sleep(0)
            result: int = await loader.load(2)
            return result

        await asyncio.gather(loader.load(1), load_later())
        return list(loader.batches)

    for delay in range(5):
        own = await batches(Context(resources).loader(Doubler), delay)
        assert own == await batches(LibraryDoubler(), delay), f"after {delay} iterations"
