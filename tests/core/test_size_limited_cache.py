"""Cache that is limited by the size of its values."""

from __future__ import annotations

from app.core.size_limited_cache import SizeLimitedCache


def test_cache_evicts_the_least_recently_used_value() -> None:
    cache = SizeLimitedCache[int](max_size=10)
    for number in range(3):
        cache.put(str(number), number, 3)
    assert cache.get("0") == 0
    cache.put("3", 3, 3)
    assert [cache.get(str(number)) for number in range(4)] == [0, None, 2, 3]
    assert (cache.size, len(cache)) == (9, 3)


def test_cache_replaces_a_value_with_its_size() -> None:
    cache = SizeLimitedCache[int](max_size=10)
    cache.put("a", 1, 8)
    cache.put("a", 2, 5)
    cache.put("b", 3, 5)
    assert (cache.get("a"), cache.get("b"), cache.size) == (2, 3, 10)


def test_cache_drops_a_value_larger_than_itself() -> None:
    cache = SizeLimitedCache[int](max_size=10)
    cache.put("a", 1, 11)
    assert (cache.get("a"), cache.size) == (None, 0)
