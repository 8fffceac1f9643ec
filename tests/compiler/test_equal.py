"""Plans answer as graphql-core does: random documents, the same data, the same errors.

`comparison` says what is the same. `pytest tests/compiler --documents 1000000 --documents-seed tonight` looks longer.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest
from graphql import ExecutionResult, parse

from app.context import Context
from app.resources import Resources
from app.sample import load_into
from app.schema import build_schema
from tests.compiler import synthetic
from tests.compiler.comparison import propagated, reference
from tests.compiler.documents import Documents
from tests.compiler.fuzzing import Fuzz
from tests.compiler.synthetic import World
from tests.compiler.values import Pools

# Of all documents these many are for our own schema, where each takes statements.
OWN_SHARE = 0.075
TROUBLES = (0, 5, 0, 30, 2)
# When null propagates, graphql-core cancels tasks before their first step: what they would await is never awaited.
# Where one is collected in the middle of making a namedtuple, which has no builtins, even that warning fails.
abandons = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
pytestmark = abandons


def worlds(number: int) -> AbstractAsyncContextManager[World]:
    """The world of this run."""
    return nullcontext(World(number, TROUBLES[number % len(TROUBLES)]))


def agree(expected: ExecutionResult, told: World, actual: ExecutionResult, given: World) -> str | None:
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


async def test_every_construct(request: pytest.FixtureRequest) -> None:
    schema = synthetic.build()
    count = round(request.config.getoption("--documents") * (1 - OWN_SHARE))
    documents = Documents(schema, synthetic.POOLS, mutations=0.1)
    await Fuzz(schema, worlds, agreement=agree).check_all(documents.case, _seed(request), count)


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """The sample catalogue."""
    await load_into(resources)
    return resources


async def test_our_own_schema(request: pytest.FixtureRequest, catalogue: Resources) -> None:
    """Whoever asks has no role, so mutations are refused."""
    schema = build_schema()._schema
    count = round(request.config.getoption("--documents") * OWN_SHARE)
    documents = Documents(schema, await pools(catalogue), mutations=0.02)
    fuzz = Fuzz(schema, lambda _: Context(catalogue))
    await fuzz.check_all(documents.case, _seed(request), count)


async def pools(resources: Resources) -> Pools:
    """Ids, slugs and cursors that exist, and some that do not; pages that are short."""
    schema = build_schema()._schema
    text = """{ cpus(first: 4) { nodes { id slug socket listings(first: 2) { nodes { id } edges { cursor } } }
        edges { cursor } } }"""
    async with Context(resources) as context:
        result = await reference(schema, parse(text), None, context, {})
    assert result.data is not None
    assert not result.errors
    cpus = result.data["cpus"]["nodes"]
    listings = [each for cpu in cpus for each in cpu["listings"]["nodes"]]
    cursors = [edge["cursor"] for each in (result.data["cpus"], cpus[0]["listings"]) for edge in each["edges"]]
    ids = [each["id"] for each in (*cpus, *listings)]
    return Pools(
        named={
            "id": [*ids, "Sm9iOjE=", "Q1BVOjk5OTk5OTk=", "no id"],
            "ids": [*ids, "Sm9iOjE="],
            "slug": [*(each["slug"] for each in cpus), "no-such-cpu"],
            "first": [1, 2, 2, 3, 3, 0],
            "last": [1, 2],
            "after": [*cursors, "no cursor"],
            "before": cursors,
            "bins": [1, 2, 5, 0, 101],
            "search": ["i5", "ryzen 5", "%", ""],
            "socket": [each["socket"] for each in cpus if each["socket"]] + ["none"],
            "min": [0, 4, 1.5],
            "max": [8, 2000],
        },
        always=frozenset({"first"}),
    )


def _seed(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--documents-seed"))
