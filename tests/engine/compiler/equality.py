"""Worlds for the two executors, and the comparison of their side effects."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest
from graphql import ExecutionResult

from tests.engine.compiler.result_comparison import has_propagated_null
from tests.engine.compiler.synthetic_schema import World

TROUBLES = (0, 5, 0, 30, 2)
# When null propagates, graphql-core cancels tasks before their first step, so their coroutines are never awaited.
# If one is collected while a namedtuple class is created, which runs without builtins, even that warning fails.
IGNORE_ABANDONED_COROUTINES = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def world_for(number: int) -> AbstractAsyncContextManager[World]:
    """Return the world of a run."""
    return nullcontext(World(number, TROUBLES[number % len(TROUBLES)]))


def compare_worlds(
    expected: ExecutionResult, expected_world: World, actual: ExecutionResult, actual_world: World
) -> str | None:
    """Return a difference: resolvers are called equally often unless cancelled, mutations run in the same order."""
    if [each for each in expected_world.log if each[0] != "below"] != [
        each for each in actual_world.log if each[0] != "below"
    ]:
        return f"mutations were executed in another order: {expected_world.log} and {actual_world.log}"
    if not _in_series(actual_world.log):
        return f"a mutation began before the previous one ended: {actual_world.log}"
    repeated = [
        where
        for where, count in actual_world.calls.items()
        if count > expected_world.calls[where] and expected_world.calls[where]
    ]
    if repeated:
        return f"a resolver was called too often: {repeated}"
    if not has_propagated_null(expected) and expected_world.calls != actual_world.calls:
        return f"other resolvers were called: {expected_world.calls} and {actual_world.calls}"
    return None


def _in_series(log: list[tuple[str, str]]) -> bool:
    keys = [key for _, key in log]
    runs = [key for n, key in enumerate(keys) if n == 0 or keys[n - 1] != key]
    return max(Counter(runs).values(), default=1) == 1
