"""Progress of long-running work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# Called with the number of items processed so far and their total; awaited, so it may write to the database.
ProgressCallback = Callable[[int, int], Awaitable[None]]
