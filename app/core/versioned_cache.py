"""Per-process cache of values derived from one data version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class VersionedCache:
    """Cache of one value per key, made from the newest data version requested so far.

    Callers pass the version of their snapshot, so they always get a value that matches the data they read. If that
    version is older than the cached one, the caller gets a value of its own, which is not cached.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, Any]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get_or_create(self, key: str, version: int, factory: Callable[[], Awaitable[T]]) -> T:
        """Return the value for `key` at `version`; concurrent callers share one call of `factory`."""
        entry = self._entries.get(key)
        if entry is not None and entry[0] == version:
            return entry[1]  # type: ignore[no-any-return]
        async with self._locks.setdefault(key, asyncio.Lock()):
            entry = self._entries.get(key)
            if entry is not None and entry[0] == version:
                return entry[1]  # type: ignore[no-any-return]
            value = await factory()
            if entry is None or version > entry[0]:
                self._entries[key] = (version, value)
            return value
