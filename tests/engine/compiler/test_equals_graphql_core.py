"""Plans answer as graphql-core does: random documents, the same data, the same errors.

`result_comparison` says what is the same. `--effort` and `--seed` choose how many documents, and which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from graphql import DocumentNode, ExecutionResult, GraphQLSchema, OperationDefinitionNode, parse

from app.db.session import SingleStatementReader
from app.devserver.sample_data import load_into
from app.engine.compiler.column_projection import project_columns
from app.engine.compiler.compiler import NotCompilable, compile_plan
from app.graphql.context import Context
from app.resources import Resources
from app.schema.build import build_schema
from tests.engine.compiler import synthetic_schema
from tests.engine.compiler.differential_fuzzer import Fuzz, Run, operation_of
from tests.engine.compiler.equality import IGNORE_ABANDONED_COROUTINES, compare_worlds, world_for
from tests.engine.compiler.random_documents import Case, Documents
from tests.engine.compiler.random_values import Pools
from tests.engine.compiler.result_comparison import Everything, difference, everything, reference
from tests.engine.compiler.synthetic_schema import World
from tests.support.effort import size_of

# Of all documents these many are for our own schema, where each takes statements.
DOCUMENT_COUNT = size_of(short=4_000, long=60_000, soak=1_000_000)
OWN_SHARE = 0.075
HANDLERS_SHARE = 0.05
# The long tests are cut, so that processes can share them.
PARTS = 10
OWN_PARTS = 3
# Tracing lines would double their time, and other tests reach the same ones.
without_tracing = pytest.mark.no_cover
pytestmark = IGNORE_ABANDONED_COROUTINES
SYNTHETIC = synthetic_schema.build()
DOCUMENTS = Documents(SYNTHETIC, synthetic_schema.POOLS, mutations=0.1)


@without_tracing
@pytest.mark.sized
@pytest.mark.parametrize("part", range(PARTS))
async def test_every_construct(request: pytest.FixtureRequest, part: int) -> None:
    numbers = _numbers(1 - OWN_SHARE - HANDLERS_SHARE)[part::PARTS]
    await Fuzz(SYNTHETIC, world_for, agreement=compare_worlds).check_all(DOCUMENTS.case, _seed(request), numbers)


@without_tracing
@pytest.mark.sized
async def test_exceptions_that_become_values(request: pytest.FixtureRequest) -> None:
    """With handlers in the schema Strawberry wraps every resolver in another way."""
    fuzz = Fuzz(synthetic_schema.build(handlers=True), world_for, agreement=compare_worlds)
    await fuzz.check_all(DOCUMENTS.case, f"{_seed(request)}:handlers", _numbers(HANDLERS_SHARE))


async def test_executions_share_nothing(request: pytest.FixtureRequest) -> None:
    """One plan, executed several times at once: each execution gives what it gives alone."""
    for n in range(200):
        case = DOCUMENTS.case(f"{_seed(request)}:at once:{n}")
        document = parse(case.text)
        try:
            plan = compile_plan(SYNTHETIC, document, operation_of(document, case.operation_name))
        except NotCompilable:
            continue
        asked = [(World(number, 10), variables) for number in range(3) for variables in case.variables]
        at_once = await asyncio.gather(*(plan.execute(world, deepcopy(variables)) for world, variables in asked))
        for (world, variables), actual in zip(asked, at_once, strict=True):
            again = World(world.seed, world.trouble)
            expected = await reference(SYNTHETIC, document, case.operation_name, again, deepcopy(variables))
            found = await difference(expected, actual, partial(_everything, document, case, world, variables))
            assert found is None, f"{found}\n{case}"


async def _everything(document: DocumentNode, case: Case, world: World, variables: dict[str, Any]) -> Everything:
    again = World(world.seed, world.trouble)
    return await everything(SYNTHETIC, document, case.operation_name, again, deepcopy(variables))


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        '{ noInfo ...F } fragment F on Query { __type(name: "Cat") { name } }',
        "subscription { ticks }",
    ],
)
def test_what_has_no_plan(text: str) -> None:
    document = parse(text)
    with pytest.raises(NotCompilable, match=r"\w+"):
        compile_plan(SYNTHETIC, document, operation_of(document, None))


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """The sample catalogue."""
    await load_into(resources)
    return resources


@without_tracing
@pytest.mark.sized
@pytest.mark.parametrize("part", range(OWN_PARTS))
async def test_our_own_schema(request: pytest.FixtureRequest, catalogue: Resources, part: int) -> None:
    """Whoever asks has no role, so mutations are refused."""
    schema = build_schema()._schema
    documents = Documents(schema, await pools(catalogue), mutations=0.02)
    fuzz = Fuzz(schema, lambda _: Context(catalogue))
    await fuzz.check_all(documents.case, _seed(request), _numbers(OWN_SHARE)[part::OWN_PARTS])


@pytest.mark.sized
async def test_our_own_schema_in_one_statement(request: pytest.FixtureRequest, catalogue: Resources) -> None:
    """Plans that read the columns that they need, without a transaction where that does."""
    schema = build_schema()._schema
    documents = Documents(schema, await pools(catalogue), mutations=0.02)
    kept, again = 0, 0

    def subject(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
        plan, columns = compile_plan(schema, document, operation), project_columns(schema, document, operation)

        async def run(_: Any, variables: Mapping[str, Any]) -> ExecutionResult:
            nonlocal kept, again
            async with Context(catalogue, columns=columns, single_statement=True) as context:
                result = await plan.execute(context, deepcopy(variables))
                if isinstance(context.reader, SingleStatementReader) and not context.reader.needs_snapshot:
                    kept += 1
                    return result
            again += 1
            async with Context(catalogue, columns=columns) as context:
                return await plan.execute(context, variables)

        return run

    fuzz = Fuzz(schema, lambda _: Context(catalogue), subject)
    await fuzz.check_all(documents.case, f"{_seed(request)}:one", _numbers(OWN_SHARE / 3))
    assert kept > fuzz.runs * 0.1
    assert again > fuzz.runs * 0.1


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


def _numbers(share: float) -> range:
    return range(round(DOCUMENT_COUNT * share))


def _seed(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--seed"))
