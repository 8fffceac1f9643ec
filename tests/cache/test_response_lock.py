"""The Redis lock that makes one of several processes execute a query."""

from __future__ import annotations

import asyncio

import pytest

from app.cache import response_cache
from app.cache.response_cache import LOCK_PREFIX, ResponseCache
from app.core.circuit_breaker import CircuitBreaker
from app.resources import Resources

KEY = b"key"


def create_cache(resources: Resources) -> ResponseCache:
    """Create the cache of a process of its own."""
    return ResponseCache(resources, CircuitBreaker("redis", resources.broker.redis.ping))


async def test_lock_is_exclusive_until_released(resources: Resources) -> None:
    one, other = create_cache(resources), create_cache(resources)
    lock = await one._acquire_lock(KEY)
    assert lock is not None
    assert await other._acquire_lock(KEY) is None
    await response_cache._release(lock)
    assert await other._acquire_lock(KEY) is not None


async def test_slow_run_does_not_release_the_lock_of_another_process(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the slow run expires, and another process acquires it before the slow run ends."""
    slow, fast, third = (create_cache(resources) for _ in range(3))
    monkeypatch.setattr(response_cache, "LOCK_TTL_SECONDS", 0.05)
    expired = await slow._acquire_lock(KEY)
    assert expired is not None
    await asyncio.sleep(0.1)
    monkeypatch.setattr(response_cache, "LOCK_TTL_SECONDS", 5.0)
    held = await fast._acquire_lock(KEY)
    assert held is not None

    await slow.breaker.call(lambda: response_cache._release(expired))

    assert await resources.broker.redis.exists(LOCK_PREFIX + KEY)
    assert await third._acquire_lock(KEY) is None
    assert not slow.breaker.is_open, "an expired lock is no failure of Redis"
    await response_cache._release(held)
    assert not await resources.broker.redis.exists(LOCK_PREFIX + KEY)
