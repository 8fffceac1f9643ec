"""What a process keeps of a version of the data: made once, and never given to who reads another version."""

from __future__ import annotations

import asyncio

import pytest

from app.core.versioned_cache import VersionedCache


class Maker:
    """Counts what it makes; waits while `gate` is closed."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> str:
        """Another value each time."""
        await self.gate.wait()
        self.made.append(f"value {len(self.made)}")
        return self.made[-1]


async def test_one_value_per_version() -> None:
    kept, make = VersionedCache(), Maker()
    assert [await kept.get_or_create("x", 1, make) for _ in range(3)] == ["value 0"] * 3
    assert await kept.get_or_create("y", 1, make) == "value 1", "another name"
    assert await kept.get_or_create("x", 2, make) == "value 2"
    assert await kept.get_or_create("x", 2, make) == "value 2"


async def test_an_older_snapshot_gets_its_own_and_replaces_nothing() -> None:
    kept, make = VersionedCache(), Maker()
    assert await kept.get_or_create("x", 5, make) == "value 0"
    assert await kept.get_or_create("x", 4, make) == "value 1"
    assert await kept.get_or_create("x", 4, make) == "value 2"
    assert await kept.get_or_create("x", 5, make) == "value 0"


async def test_made_once_for_all_who_ask_at_the_same_time() -> None:
    kept, make = VersionedCache(), Maker()
    make.gate.clear()
    asking = [asyncio.create_task(kept.get_or_create("x", 1, make)) for _ in range(5)]
    await asyncio.sleep(0)
    make.gate.set()
    assert await asyncio.gather(*asking) == ["value 0"] * 5


async def test_what_fails_is_tried_again() -> None:
    kept, make = VersionedCache(), Maker()

    async def fail() -> str:
        raise OSError

    with pytest.raises(OSError):
        await kept.get_or_create("x", 1, fail)
    assert await kept.get_or_create("x", 1, make) == "value 0"
