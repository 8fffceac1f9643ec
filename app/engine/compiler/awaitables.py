"""Waiting for what resolvers give."""

from __future__ import annotations

import asyncio
from typing import Any


async def collect(items: Any) -> list[Any]:
    """All that an asynchronous iterable gives."""
    return [item async for item in items]


async def one_by_one(awaitables: list[Any]) -> list[Any]:
    """What they give, or the exceptions that they raise, one after the other and without tasks."""
    results: list[Any] = []
    for each in awaitables:
        try:
            results.append(await each)
        except Exception as error:
            results.append(error)
    return results


async def all_of(awaitables: list[Any]) -> list[Any]:
    """What they give, or the exceptions that they raise. They run at the same time; one alone needs no task."""
    if len(awaitables) == 1:
        try:
            return [await awaitables[0]]
        except Exception as error:
            return [error]
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
    return list(results)
