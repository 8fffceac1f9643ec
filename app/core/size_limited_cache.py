"""Least-recently-used cache that is limited by the size of its values."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class SizeLimitedCache(Generic[T]):
    """Least-recently-used cache, limited by the total size of its values as the caller estimates it."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.size = 0
        self._entries: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> T | None:
        """Return the value under this key and mark it as the most recently used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: str, value: T, size: int) -> None:
        """Store a value, and evict others until the cache has its maximum size."""
        replaced = self._entries.pop(key, None)
        self.size += size - (replaced[1] if replaced else 0)
        self._entries[key] = (value, size)
        while self.size > self.max_size:
            _, (_, evicted_size) = self._entries.popitem(last=False)
            self.size -= evicted_size
