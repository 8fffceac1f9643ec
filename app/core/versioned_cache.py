"""What a process keeps ready that it made of one version of the data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """Values by name, each of the newest version that was asked for. Whoever asks gives the version of its snapshot.

    So nobody gets a value of other data than it reads: who still reads an older snapshot has one made for itself.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, Any]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def at(self, name: str, version: int, make: Callable[[], Awaitable[T]]) -> T:
        """The value of this version; `make` is run when there is none, once for all who ask at the same time."""
        held = self._held.get(name)
        if held is not None and held[0] == version:
            return held[1]  # type: ignore[no-any-return]
        async with self._locks.setdefault(name, asyncio.Lock()):
            held = self._held.get(name)
            if held is not None and held[0] == version:
                return held[1]  # type: ignore[no-any-return]
            made = await make()
            if held is None or version > held[0]:
                self._held[name] = (version, made)
            return made
