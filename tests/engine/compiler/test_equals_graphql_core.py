"""Compiled plans give the results of graphql-core for random documents.

`result_comparison` defines equality. `--effort` and `--seed` choose how many documents are run, and which ones.
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
from app.schema.build import build_graphql_schema
from tests.engine.compiler import synthetic_schema
from tests.engine.compiler.differential_fuzzer import Fuzz, Run, find_operation
from tests.engine.compiler.equality import IGNORE_ABANDONED_COROUTINES, compare_worlds, world_for
from tests.engine.compiler.random_documents import Case, Documents
from tests.engine.compiler.random_values import Pools
from tests.engine.compiler.result_comparison import CompleteErrors, find_all_errors, find_difference, reference
from tests.engine.compiler.synthetic_schema import World
from tests.support.effort import size_of

# Shares of the documents: for the production schema, where each executes SQL, and for the schema with exception
# handlers.
DOCUMENT_COUNT = size_of(short=8_000, long=60_000, soak=1_000_000)
PRODUCTION_SHARE = 0.075
HANDLERS_SHARE = 0.05
# Long tests are divided into parts, which run in parallel processes.
PARTS = 10
PRODUCTION_PARTS = 3
# Coverage would double the time of these tests, and other tests cover the same lines.
without_tracing = pytest.mark.no_cover
pytestmark = IGNORE_ABANDONED_COROUTINES
SYNTHETIC = synthetic_schema.build()
DOCUMENTS = Documents(SYNTHETIC, synthetic_schema.POOLS, mutations=0.1)


@without_tracing
@pytest.mark.sized
@pytest.mark.parametrize("part", range(PARTS))
async def test_plans_of_the_synthetic_schema_equal_graphql_core(request: pytest.FixtureRequest, part: int) -> None:
    numbers = _numbers(1 - PRODUCTION_SHARE - HANDLERS_SHARE)[part::PARTS]
    await Fuzz(SYNTHETIC, world_for, agreement=compare_worlds).check_all(DOCUMENTS.case, _seed(request), numbers)


@without_tracing
async def test_plans_with_exception_handlers_equal_graphql_core(request: pytest.FixtureRequest) -> None:
    """With exception handlers, Strawberry wraps every resolver in another way."""
    fuzz = Fuzz(synthetic_schema.build(handlers=True), world_for, agreement=compare_worlds)
    await fuzz.check_all(DOCUMENTS.case, f"{_seed(request)}:handlers", _numbers(HANDLERS_SHARE))


async def test_concurrent_executions_of_a_plan_share_no_state(request: pytest.FixtureRequest) -> None:
    """Concurrent executions of one plan give the results of separate ones."""
    for n in range(200):
        case = DOCUMENTS.case(f"{_seed(request)}:concurrent:{n}")
        document = parse(case.text)
        try:
            plan = compile_plan(SYNTHETIC, document, find_operation(document, case.operation_name))
        except NotCompilable:
            continue
        runs = [(World(number, 10), variables) for number in range(3) for variables in case.variables]
        results = await asyncio.gather(*(plan.execute(world, deepcopy(variables)) for world, variables in runs))
        for (world, variables), actual in zip(runs, results, strict=True):
            fresh_world = World(world.seed, world.error_rate)
            expected = await reference(SYNTHETIC, document, case.operation_name, fresh_world, deepcopy(variables))
            reason = await find_difference(
                expected, actual, partial(_find_all_errors, document, case, world, variables)
            )
            assert reason is None, f"{reason}\n{case}"


async def _find_all_errors(
    document: DocumentNode, case: Case, world: World, variables: dict[str, Any]
) -> CompleteErrors:
    fresh_world = World(world.seed, world.error_rate)
    return await find_all_errors(SYNTHETIC, document, case.operation_name, fresh_world, deepcopy(variables))


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        '{ noInfo ...F } fragment F on Query { __type(name: "Cat") { name } }',
    ],
)
def test_introspection_is_not_compilable(text: str) -> None:
    document = parse(text)
    with pytest.raises(NotCompilable, match=r"\w+"):
        compile_plan(SYNTHETIC, document, find_operation(document, None))


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """Resources with the sample catalogue."""
    await load_into(resources)
    return resources


@without_tracing
@pytest.mark.sized
@pytest.mark.parametrize("part", range(PRODUCTION_PARTS))
async def test_plans_of_the_production_schema_equal_graphql_core(
    request: pytest.FixtureRequest, catalogue: Resources, part: int
) -> None:
    """The viewer has no role, so mutations are rejected."""
    schema = build_graphql_schema()
    documents = Documents(schema, await pools(catalogue), mutations=0.02)
    fuzz = Fuzz(schema, lambda _: Context(catalogue))
    await fuzz.check_all(documents.case, _seed(request), _numbers(PRODUCTION_SHARE)[part::PRODUCTION_PARTS])


@pytest.mark.sized
async def test_plans_in_single_statement_mode_equal_graphql_core(
    request: pytest.FixtureRequest, catalogue: Resources
) -> None:
    """Plans read only the columns that they need, and use a snapshot only if one statement is not enough."""
    schema = build_graphql_schema()
    documents = Documents(schema, await pools(catalogue), mutations=0.02)
    single_statement_runs, snapshot_runs = 0, 0

    def subject(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
        plan, columns = compile_plan(schema, document, operation), project_columns(schema, document, operation)

        async def run(_: Any, variables: Mapping[str, Any]) -> ExecutionResult:
            nonlocal single_statement_runs, snapshot_runs
            async with Context(catalogue, columns=columns, single_statement=True) as context:
                result = await plan.execute(context, deepcopy(variables))
                if isinstance(context.reader, SingleStatementReader) and not context.reader.needs_snapshot:
                    single_statement_runs += 1
                    return result
            snapshot_runs += 1
            async with Context(catalogue, columns=columns) as context:
                return await plan.execute(context, variables)

        return run

    fuzz = Fuzz(schema, lambda _: Context(catalogue), subject)
    await fuzz.check_all(documents.case, f"{_seed(request)}:one", _numbers(PRODUCTION_SHARE / 3))
    assert single_statement_runs > fuzz.runs * 0.1
    assert snapshot_runs > fuzz.runs * 0.1


async def pools(resources: Resources) -> Pools:
    """Return ids, slugs and cursors that exist and some that do not, and small page sizes."""
    schema = build_graphql_schema()
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
