"""Single-statement mode gives the same responses, errors and data versions as a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.errors import DeadlineExceeded, Unavailable
from app.core.global_ids import encode_global_id
from app.db import pool as read_pool
from app.db.errors import is_unavailable
from app.db.pool import ReadPool
from app.db.session import SingleStatementReader, SnapshotRequired
from app.db.tables import Domain
from app.engine.document import Document, Operation, prepare_document
from app.engine.executor import COMPILED_OPERATIONS, ExecutionOutcome, Executor
from app.graphql.prefetch import SnapshotHeuristic
from app.graphql.viewer import Viewer
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.pool import SELECT_BACKEND_PID, SELECT_SLEEP, backend_pid, fetch_value
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.statements import record_statements
from tests.support.uniform_catalog import add_uniform_cpus
from tests.support.waiting import wait_until

NAME = "query ($slug: String!) { cpu(slug: $slug) { name } }"
LIST = "query ($n: Int = 10, $after: String) { cpus(first: $n, after: $after) { totalCount nodes { name } } }"
COUNTED = "query ($n: Int!) { cpus(first: $n) { nodes { name listings { nodes { title } } } } }"
NODES_WITH_LISTINGS = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on CPU { listings { nodes { title } } } } }"

TERMINATE_ALL_BACKENDS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

RUNNING_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT answer.*%' AND state = 'active'"


class RepeatedQuery:
    """A query that is executed repeatedly by one executor, as in a server."""

    def __init__(self, resources: Resources, query: str) -> None:
        self.resources = resources
        self.executor = Executor(resources, GRAPHQL_SCHEMA)
        self.document: Document = prepare_document(GRAPHQL_SCHEMA, "test", query)
        (self.operation,) = self.document.operations.values()

    async def run(self, **variables: Any) -> ExecutionOutcome:
        return await self.executor.run(self.document, self.operation, variables, Viewer())

    async def executed_statements(self, **variables: Any) -> list[str]:
        """Return the SQL statements of one execution."""
        with record_statements(self.resources) as statements:
            await self.run(**variables)
        return statements.texts

    async def error(self, **variables: Any) -> dict[str, Any]:
        """Return the only error of one execution."""
        outcome = await self.run(**variables)
        assert not outcome.has_no_errors
        (error,) = orjson.loads(outcome.body)["errors"]
        return dict(error)

    def force_single_statement_mode(self) -> None:
        """Execute the next run in single-statement mode."""
        heuristic = self.operation.snapshot_heuristic
        heuristic.single_statement_runs = heuristic.required_runs


def without_history(operation: Operation) -> Operation:
    """Return the operation as if it had not been executed yet."""
    return replace(operation, snapshot_heuristic=SnapshotHeuristic())


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[ReadPool]:
    pool = ReadPool(lambda: asyncpg.connect(database_url), 2)
    yield pool
    await pool.close()


def test_snapshot_heuristic_requires_twice_as_many_runs_after_each_failure() -> None:
    heuristic = SnapshotHeuristic()
    assert (heuristic.expects_single_statement, heuristic.required_runs) == (False, 1)
    heuristic.record_run(True)
    assert (heuristic.expects_single_statement, heuristic.required_runs) == (True, 1)
    heuristic.record_failure()
    heuristic.record_failure()  # of a concurrent execution: counted once
    assert (heuristic.expects_single_statement, heuristic.required_runs) == (False, 2)
    expectations = []
    for needed_one_statement in (True, False, True, True):
        heuristic.record_run(needed_one_statement)
        expectations.append(heuristic.expects_single_statement)
    assert expectations == [False, False, False, True], "two in a row"
    for _ in range(20):
        heuristic.single_statement_runs = heuristic.required_runs
        heuristic.record_failure()
    assert heuristic.required_runs == SnapshotHeuristic.MAX_REQUIRED_RUNS


async def test_second_run_executes_one_statement(resources: Resources) -> None:
    await add_uniform_cpus(resources, 5, 3)
    query = RepeatedQuery(resources, NAME)
    assert len(await query.executed_statements(slug="cpu-1")) == 2, "one for the versions, one for the row"
    first = await query.run(slug="cpu-1")
    (only,) = await query.executed_statements(slug="cpu-1")
    assert "data_versions" in only
    query.operation = without_history(query.operation)
    assert await query.run(slug="cpu-1") == first
    assert resources.read_pool.in_use == 0


async def test_versions_of_a_database_without_changes_are_empty(resources: Resources) -> None:
    await add_uniform_cpus(resources, 5, 3)
    query = RepeatedQuery(resources, NAME)
    outcomes = [await query.run(slug="cpu-1") for _ in range(2)]
    assert [outcome.versions for outcome in outcomes] == [{}, {}]
    assert outcomes[0] == outcomes[1]


async def test_versions_belong_to_the_data_during_concurrent_writes(resources: Resources) -> None:
    """Each write increments the version and the number of cores, so both must be equal in every response."""
    await add_cpu(resources, "AMD One", cores=0)
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(60):
            async with resources.write() as tx:
                await tx.execute(text("UPDATE cpu SET cores = cores + 1"))
                tx.bump_version(Domain.CATALOG)
        done.set()

    query = RepeatedQuery(resources, '{ cpu(slug: "amd-one") { cores } }')
    seen: set[int] = set()

    async def read() -> None:
        while not done.is_set():
            outcome = await query.run()
            cores = orjson.loads(outcome.body)["data"]["cpu"]["cores"]
            assert outcome.versions.get("catalog", 0) == cores
            seen.add(cores)

    await asyncio.gather(write(), read(), read())
    assert query.operation.snapshot_heuristic.expects_single_statement
    assert len(seen) > 2


async def test_query_without_rows_reads_the_versions_in_a_snapshot(resources: Resources) -> None:
    async with resources.write() as tx:
        tx.bump_version(Domain.CATALOG)
    query = RepeatedQuery(resources, NAME)
    await query.run(slug="none")
    assert query.operation.snapshot_heuristic.required_runs == 1
    outcome = await query.run(slug="none")
    assert (orjson.loads(outcome.body), outcome.has_no_errors, outcome.versions) == (
        {"data": {"cpu": None}},
        True,
        {"catalog": 1},
    )
    assert query.operation.snapshot_heuristic.expects_single_statement, "the next execution may return a row"


async def test_resolver_that_reads_the_versions_first_needs_a_snapshot(resources: Resources) -> None:
    await add_uniform_cpus(resources, 3, 3)
    for title in ("x", "CPU 1"):
        query = RepeatedQuery(resources, "query ($title: String!) { matchTitle(title: $title) { cpu { name } } }")
        for _ in range(3):
            await query.run(title=title)
            assert not query.operation.snapshot_heuristic.expects_single_statement


async def test_operation_that_is_executed_twice_is_counted_once(resources: Resources) -> None:
    query = RepeatedQuery(resources, NAME)
    query.force_single_statement_mode()
    before = COMPILED_OPERATIONS._value.get()
    await query.run(slug="none")
    assert COMPILED_OPERATIONS._value.get() == before + 1


async def test_query_that_sometimes_needs_two_statements_falls_back_to_a_snapshot(resources: Resources) -> None:
    await add_uniform_cpus(resources, 8, 3)
    few, many = ([encode_global_id("CPU", n) for n in range(1, count + 1)] for count in (5, 6))
    query = RepeatedQuery(resources, NODES_WITH_LISTINGS)
    expected = [orjson.loads((await query.run(ids=ids)).body) for ids in (many, few)]
    assert query.operation.snapshot_heuristic.required_runs == 1
    with capture_logs() as logged:
        assert [orjson.loads((await query.run(ids=ids)).body) for ids in (many, few)] == expected
    assert logged == [], "the fallback is not an error"
    assert query.operation.snapshot_heuristic.required_runs == 2
    assert [len(await query.executed_statements(ids=few)) for _ in range(3)] == [2, 1, 1]
    assert resources.read_pool.in_use == 0


@pytest.mark.parametrize("query", [COUNTED, '{ matchTitle(title: "x") { decision } }'])
async def test_query_that_needs_a_snapshot_gives_the_same_response(resources: Resources, query: str) -> None:
    await add_uniform_cpus(resources, 3, 3)
    repeated = RepeatedQuery(resources, query)
    variables = {"n": 3} if query == COUNTED else {}
    first = await repeated.run(**variables)
    repeated.force_single_statement_mode()
    assert await repeated.run(**variables) == first
    assert first.has_no_errors


@pytest.mark.parametrize(
    ("query", "good", "bad", "code"),
    [
        (LIST, {"n": 1}, {"n": 201}, "BAD_USER_INPUT"),
        (LIST, {"n": 1}, {"after": "none"}, "BAD_CURSOR"),
        (LIST, {"n": 1}, {"n": "x"}, "GRAPHQL_VALIDATION_FAILED"),
        (NAME, {"slug": "cpu-1"}, {"slug": "\0"}, "BAD_USER_INPUT"),
        (
            'query ($b: Int) { cpu(slug: "cpu-1") { name priceDistribution(bins: $b) { lo } } }',
            {"b": 1},
            {"b": 0},
            "BAD_USER_INPUT",
        ),
        (
            'query ($a: String) { cpu(slug: "cpu-1") { name listings(after: $a) { nodes { id } } } }',
            {},
            {"a": "none"},
            "BAD_CURSOR",
        ),
    ],
)
async def test_errors_equal_those_of_a_snapshot(
    resources: Resources, query: str, good: Mapping[str, Any], bad: Mapping[str, Any], code: str
) -> None:
    await add_uniform_cpus(resources, 2, 2)
    repeated = RepeatedQuery(resources, query)
    expected = await repeated.error(**bad)
    assert expected["extensions"]["code"] == code
    await repeated.run(**good)
    assert repeated.operation.snapshot_heuristic.expects_single_statement
    assert await repeated.error(**bad) == expected
    assert repeated.operation.snapshot_heuristic.expects_single_statement, "it was not executed a second time"


async def test_database_error_is_not_retried(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    query = RepeatedQuery(resources, NAME)
    await query.run(slug="cpu-1")
    async with resources.write() as tx:
        await tx.execute(text("ALTER TABLE cpu RENAME COLUMN name TO title"))
    with record_statements(resources) as statements, capture_logs() as logged:
        assert (await query.error(slug="cpu-1"))["extensions"]["code"] == "INTERNAL"
    assert statements.count == 1
    assert [each["event"] for each in logged] == ["request.failed"]
    assert resources.read_pool.in_use == 0


async def lock_cpu_table(resources: Resources) -> asyncpg.Connection:
    """Return a connection with a transaction that blocks all reads of CPUs."""
    connection = await asyncpg.connect(str(resources.settings.database_url))
    await connection.execute("BEGIN; LOCK TABLE cpu")
    return connection


async def blocked_backends(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [row["pid"] for row in rows]


async def test_timeout_ends_the_statement_and_is_not_retried(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    query = RepeatedQuery(resources, NAME)
    await query.run(slug="cpu-1")
    query.executor.timeout_seconds = 0.2
    connection = await lock_cpu_table(resources)
    try:
        with record_statements(resources) as statements, pytest.raises(DeadlineExceeded):
            await query.run(slug="cpu-1")
        assert statements.count == 1
        assert resources.read_pool.in_use == 0

        async def none_is_blocked() -> bool:
            return not await blocked_backends(connection)

        await wait_until(none_is_blocked)
    finally:
        await connection.close()
    query.executor.timeout_seconds = 10
    assert (await query.run(slug="cpu-1")).has_no_errors


async def test_statement_cancelled_by_postgresql_is_not_retried(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    query = RepeatedQuery(resources, NAME)
    await query.run(slug="cpu-1")
    connection = await lock_cpu_table(resources)
    try:
        with record_statements(resources) as statements:
            running = asyncio.create_task(query.run(slug="cpu-1"))
            (pid,) = await wait_until(lambda: blocked_backends(connection))
            await connection.execute("SELECT pg_cancel_backend($1)", pid)
            with pytest.raises(Unavailable):
                await running
        assert statements.count == 1
    finally:
        await connection.close()
    assert resources.read_pool.in_use == 0


async def test_cancelled_request_returns_its_connection(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    query = RepeatedQuery(resources, NAME)
    await query.run(slug="cpu-1")
    connection = await lock_cpu_table(resources)
    try:
        for _ in range(resources.settings.database_pool_size + 1):
            running = asyncio.create_task(query.run(slug="cpu-1"))
            await wait_until(lambda: blocked_backends(connection))
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    finally:
        await connection.close()
    assert resources.read_pool.in_use == 0
    assert orjson.loads((await query.run(slug="cpu-2")).body) == {"data": {"cpu": {"name": "CPU 000002"}}}


async def test_connections_terminated_while_idle_are_replaced(resources: Resources) -> None:
    """A restart of PostgreSQL terminates idle connections; the client must not notice it."""
    await add_uniform_cpus(resources, 2, 2)
    query = RepeatedQuery(resources, NAME)
    expected = await query.run(slug="cpu-1")
    for _ in range(3):
        query.force_single_statement_mode()
        await fetch_value(str(resources.settings.database_url), TERMINATE_ALL_BACKENDS)
        assert await query.run(slug="cpu-1") == expected
    assert resources.read_pool.in_use == 0


async def test_reader_raises_snapshot_required_for_a_second_statement(pool: ReadPool) -> None:
    reader = SingleStatementReader(pool)
    with pytest.raises(SnapshotRequired):
        await reader.versions()
    assert reader.needs_snapshot
    reader = SingleStatementReader(pool)
    (row,) = await reader.rows(text("SELECT n FROM generate_series(1, 3) AS n WHERE n = CAST(:n AS int)"), {"n": 2})
    assert (row["n"], reader.needs_snapshot) == (2, False)
    with pytest.raises(SnapshotRequired):
        await reader.rows(SELECT_BACKEND_PID)
    assert reader.needs_snapshot
    await reader.close()
    assert pool.in_use == 0


async def test_text_statement_keeps_its_order(pool: ReadPool) -> None:
    reader = SingleStatementReader(pool)
    rows = await reader.rows(text("SELECT n FROM generate_series(1, 50) AS n ORDER BY n % 7, n DESC"))
    await reader.close()
    assert [row[0] for row in rows] == sorted(range(1, 51), key=lambda n: (n % 7, -n))


async def test_connection_lost_during_the_statement_is_retried_only_if_it_was_used_before(
    pool: ReadPool, database_url: str
) -> None:
    """A pooled connection may have been lost before the statement, so a new one can help."""
    for used in (False, True):
        reader = SingleStatementReader(pool)
        sleeping = asyncio.create_task(reader.rows(SELECT_SLEEP))
        pid = await wait_until(lambda: fetch_value(database_url, RUNNING_BACKENDS))
        await fetch_value(database_url, "SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(read_pool.CONNECTION_ERRORS) as caught:
            await sleeping
        assert is_unavailable(caught.value)
        assert reader.needs_snapshot is used
        await reader.close()
        assert pool.in_use == 0
        assert await backend_pid(pool) != pid


async def test_value_of_the_wrong_type_needs_no_snapshot(pool: ReadPool) -> None:
    await backend_pid(pool)
    reader = SingleStatementReader(pool)
    with pytest.raises(asyncpg.DataError):
        await reader.rows(text("SELECT CAST(:n AS integer)"), {"n": "many"})
    assert not reader.needs_snapshot
    await reader.close()
    assert pool.in_use == 0
