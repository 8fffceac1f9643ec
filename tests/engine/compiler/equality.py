"""Worlds for the two executors, and the comparison of what they did in them."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest
from graphql import ExecutionResult

from tests.engine.compiler.result_comparison import propagated
from tests.engine.compiler.synthetic_schema import World

TROUBLES = (0, 5, 0, 30, 2)
# When null propagates, graphql-core cancels tasks before their first step: what they would await is never awaited.
# Where one is collected in the middle of making a namedtuple, which has no builtins, even that warning fails.
IGNORE_ABANDONED_COROUTINES = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def world_for(number: int) -> AbstractAsyncContextManager[World]:
    """The world of this run."""
    return nullcontext(World(number, TROUBLES[number % len(TROUBLES)]))


def compare_worlds(expected: ExecutionResult, told: World, actual: ExecutionResult, given: World) -> str | None:
    """Resolvers are called as often, unless something was cancelled; mutations are done in the same order."""
    if [each for each in told.log if each[0] != "below"] != [each for each in given.log if each[0] != "below"]:
        return f"mutations were done in another order: {told.log} and {given.log}"
    if not _in_series(given.log):
        return f"a mutation began before all of the last one was done: {given.log}"
    twice = [where for where, count in given.calls.items() if count > told.calls[where] and told.calls[where]]
    if twice:
        return f"a resolver was called too often: {twice}"
    if not propagated(expected) and told.calls != given.calls:
        return f"other resolvers were called: {told.calls} and {given.calls}"
    return None


def _in_series(log: list[tuple[str, str]]) -> bool:
    keys = [key for _, key in log]
    runs = [key for n, key in enumerate(keys) if n == 0 or keys[n - 1] != key]
    return max(Counter(runs).values(), default=1) == 1
