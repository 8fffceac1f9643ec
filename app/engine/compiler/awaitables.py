"""Awaiting the values that resolvers return."""

from __future__ import annotations

import asyncio
from typing import Any


async def collect_async(items: Any) -> list[Any]:
    """Return the items of an asynchronous iterable."""
    return [item async for item in items]


async def await_sequentially(awaitables: list[Any]) -> list[Any]:
    """Return the results, or the exceptions raised. No tasks are created."""
    results: list[Any] = []
    for awaitable in awaitables:
        try:
            results.append(await awaitable)
        except Exception as error:
            results.append(error)
    return results


async def await_concurrently(awaitables: list[Any]) -> list[Any]:
    """Return the results, or the exceptions raised. Each awaitable runs in a task."""
    results = await asyncio.gather(*awaitables, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
    return list(results)
