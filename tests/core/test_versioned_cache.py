"""VersionedCache: one value per key and data version, made once."""

from __future__ import annotations

import asyncio

import pytest

from app.core.versioned_cache import VersionedCache


class Factory:
    """Makes numbered values, and records them; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> str:
        """Make the next value."""
        await self.gate.wait()
        self.values.append(f"value {len(self.values)}")
        return self.values[-1]


async def test_versioned_cache_creates_one_value_per_version() -> None:
    cache, factory = VersionedCache(), Factory()
    assert [await cache.get_or_create("x", 1, factory) for _ in range(3)] == ["value 0"] * 3
    assert await cache.get_or_create("y", 1, factory) == "value 1", "another key"
    assert await cache.get_or_create("x", 2, factory) == "value 2"
    assert await cache.get_or_create("x", 2, factory) == "value 2"


async def test_versioned_cache_older_version_is_not_cached() -> None:
    cache, factory = VersionedCache(), Factory()
    assert await cache.get_or_create("x", 5, factory) == "value 0"
    assert await cache.get_or_create("x", 4, factory) == "value 1"
    assert await cache.get_or_create("x", 4, factory) == "value 2"
    assert await cache.get_or_create("x", 5, factory) == "value 0"


async def test_versioned_cache_concurrent_callers_share_one_factory_call() -> None:
    cache, factory = VersionedCache(), Factory()
    factory.gate.clear()
    tasks = [asyncio.create_task(cache.get_or_create("x", 1, factory)) for _ in range(5)]
    await asyncio.sleep(0)
    factory.gate.set()
    assert await asyncio.gather(*tasks) == ["value 0"] * 5


async def test_versioned_cache_failed_factory_is_retried() -> None:
    cache, factory = VersionedCache(), Factory()

    async def fail() -> str:
        raise OSError

    with pytest.raises(OSError):
        await cache.get_or_create("x", 1, fail)
    assert await cache.get_or_create("x", 1, factory) == "value 0"
