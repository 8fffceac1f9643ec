"""Operations that need one statement run without a transaction: the same answers, errors and versions."""

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

from app.core.errors import Unavailable
from app.core.global_ids import encode_global_id
from app.db import pool as read_pool
from app.db.errors import is_unavailable
from app.db.pool import ReadPool
from app.db.session import SingleStatementReader, SnapshotRequired
from app.db.tables import Domain
from app.engine.document import Document, Operation, prepare_document
from app.engine.executor import COMPILED_OPERATIONS, DeadlineExceeded, ExecutionOutcome, Executor
from app.graphql.prefetch import SnapshotHeuristic
from app.graphql.viewer import Viewer
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.pool import SELECT_BACKEND_PID, SELECT_SLEEP, backend_pid, fetch_value
from tests.support.schema_execution import SCHEMA
from tests.support.statements import record_statements
from tests.support.uniform_catalog import add_uniform_cpus
from tests.support.waiting import wait_until

NAME = "query ($slug: String!) { cpu(slug: $slug) { name } }"
LIST = "query ($n: Int = 10, $after: String) { cpus(first: $n, after: $after) { totalCount nodes { name } } }"
COUNTED = "query ($n: Int!) { cpus(first: $n) { nodes { name listings { nodes { title } } } } }"
SOME = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on CPU { listings { nodes { title } } } } }"

END_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

RUNNING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT answer.*%' AND state = 'active'"


class Asked:
    """A document that is run again and again, as a server does."""

    def __init__(self, resources: Resources, query: str) -> None:
        self.resources = resources
        self.executor = Executor(resources, SCHEMA._schema)
        self.document: Document = prepare_document(SCHEMA._schema, "test", query)
        (self.operation,) = self.document.operations.values()

    async def run(self, **variables: Any) -> ExecutionOutcome:
        """As the gateway does."""
        return await self.executor.run(self.document, self.operation, variables, Viewer())

    async def texts(self, **variables: Any) -> list[str]:
        """The statements of a run."""
        with record_statements(self.resources) as ran:
            await self.run(**variables)
        return ran.texts

    async def error(self, **variables: Any) -> dict[str, Any]:
        """The only error of a run."""
        ran = await self.run(**variables)
        assert not ran.has_no_errors
        (error,) = orjson.loads(ran.body)["errors"]
        return dict(error)

    def expect_one(self) -> None:
        """The next run is tried with one statement."""
        self.operation.snapshot_heuristic.single_statement_runs = self.operation.snapshot_heuristic.required_runs


def anew(operation: Operation) -> Operation:
    """With no experience."""
    return replace(operation, snapshot_heuristic=SnapshotHeuristic())


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[ReadPool]:
    pool = ReadPool(lambda: asyncpg.connect(database_url), 2)
    yield pool
    await pool.close()


def test_experience_decides() -> None:
    pace = SnapshotHeuristic()
    assert (pace.expects_single_statement, pace.required_runs) == (False, 1)
    pace.record_run(True)
    assert (pace.expects_single_statement, pace.required_runs) == (True, 1)
    pace.record_failure()
    pace.record_failure()  # was under way at the same time
    assert (pace.expects_single_statement, pace.required_runs) == (False, 2)
    told = []
    for one_was_enough in (True, False, True, True):
        pace.record_run(one_was_enough)
        told.append(pace.expects_single_statement)
    assert told == [False, False, False, True], "two in a row"
    for _ in range(20):
        pace.single_statement_runs = pace.required_runs
        pace.record_failure()
    assert pace.required_runs == SnapshotHeuristic.MAX_REQUIRED_RUNS


async def test_one_statement_from_the_second_run_on(resources: Resources) -> None:
    await add_uniform_cpus(resources, 5, 3)
    asked = Asked(resources, NAME)
    assert len(await asked.texts(slug="cpu-1")) == 2, "the versions, and the row"
    first = await asked.run(slug="cpu-1")
    (only,) = await asked.texts(slug="cpu-1")
    assert "data_versions" in only
    asked.operation = anew(asked.operation)
    assert await asked.run(slug="cpu-1") == first
    assert resources.read_pool.in_use == 0


async def test_of_a_database_in_which_nothing_changed(resources: Resources) -> None:
    await add_uniform_cpus(resources, 5, 3)
    asked = Asked(resources, NAME)
    runs = [await asked.run(slug="cpu-1") for _ in range(2)]
    assert [each.versions for each in runs] == [{}, {}]
    assert runs[0] == runs[1]


async def test_the_versions_are_those_of_the_data(resources: Resources) -> None:
    """While somebody writes: the cores count with the version, so each answer tells the version that it must have."""
    await add_cpu(resources, "AMD One", cores=0)
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(60):
            async with resources.write() as tx:
                await tx.execute(text("UPDATE cpu SET cores = cores + 1"))
                tx.bump_version(Domain.CATALOG)
        done.set()

    asked = Asked(resources, '{ cpu(slug: "amd-one") { cores } }')
    seen: set[int] = set()

    async def read() -> None:
        while not done.is_set():
            ran = await asked.run()
            cores = orjson.loads(ran.body)["data"]["cpu"]["cores"]
            assert ran.versions.get("catalog", 0) == cores
            seen.add(cores)

    await asyncio.gather(write(), read(), read())
    assert asked.operation.snapshot_heuristic.expects_single_statement
    assert len(seen) > 2


async def test_without_rows_a_snapshot_tells_the_versions(resources: Resources) -> None:
    async with resources.write() as tx:
        tx.bump_version(Domain.CATALOG)
    asked = Asked(resources, NAME)
    await asked.run(slug="none")
    assert asked.operation.snapshot_heuristic.required_runs == 1
    ran = await asked.run(slug="none")
    assert (orjson.loads(ran.body), ran.has_no_errors, ran.versions) == ({"data": {"cpu": None}}, True, {"catalog": 1})
    assert asked.operation.snapshot_heuristic.expects_single_statement, "another time there may be a row"


async def test_who_wants_the_versions_first_needs_a_snapshot(resources: Resources) -> None:
    await add_uniform_cpus(resources, 3, 3)
    for title in ("x", "CPU 1"):
        asked = Asked(resources, "query ($title: String!) { matchTitle(title: $title) { cpu { name } } }")
        for _ in range(3):
            await asked.run(title=title)
            assert not asked.operation.snapshot_heuristic.expects_single_statement


async def test_an_operation_is_counted_once_however_often_it_is_tried(resources: Resources) -> None:
    asked = Asked(resources, NAME)
    asked.expect_one()
    before = COMPILED_OPERATIONS._value.get()
    await asked.run(slug="none")
    assert COMPILED_OPERATIONS._value.get() == before + 1


async def test_what_needs_two_statements_at_times(resources: Resources) -> None:
    await add_uniform_cpus(resources, 8, 3)
    few, many = ([encode_global_id("CPU", n) for n in range(1, count + 1)] for count in (5, 6))
    asked = Asked(resources, SOME)
    wanted = [orjson.loads((await asked.run(ids=ids)).body) for ids in (many, few)]
    assert asked.operation.snapshot_heuristic.required_runs == 1
    with capture_logs() as logged:
        assert [orjson.loads((await asked.run(ids=ids)).body) for ids in (many, few)] == wanted
    assert logged == [], "to be tried again is no error"
    assert asked.operation.snapshot_heuristic.required_runs == 2
    assert [len(await asked.texts(ids=few)) for _ in range(3)] == [2, 1, 1]
    assert resources.read_pool.in_use == 0


@pytest.mark.parametrize("query", [COUNTED, '{ matchTitle(title: "x") { decision } }'])
async def test_what_is_tried_in_vain_is_answered_all_the_same(resources: Resources, query: str) -> None:
    await add_uniform_cpus(resources, 3, 3)
    asked = Asked(resources, query)
    variables = {"n": 3} if query == COUNTED else {}
    first = await asked.run(**variables)
    asked.expect_one()
    assert await asked.run(**variables) == first
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
async def test_errors_are_those_of_a_snapshot(
    resources: Resources, query: str, good: Mapping[str, Any], bad: Mapping[str, Any], code: str
) -> None:
    await add_uniform_cpus(resources, 2, 2)
    asked = Asked(resources, query)
    expected = await asked.error(**bad)
    assert expected["extensions"]["code"] == code
    await asked.run(**good)
    assert asked.operation.snapshot_heuristic.expects_single_statement
    assert await asked.error(**bad) == expected
    assert asked.operation.snapshot_heuristic.expects_single_statement, "it was not run a second time"


async def test_an_error_of_the_database_is_final(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    asked = Asked(resources, NAME)
    await asked.run(slug="cpu-1")
    async with resources.write() as tx:
        await tx.execute(text("ALTER TABLE cpu RENAME COLUMN name TO title"))
    with record_statements(resources) as ran, capture_logs() as logged:
        assert (await asked.error(slug="cpu-1"))["extensions"]["code"] == "INTERNAL"
    assert ran.count == 1
    assert [each["event"] for each in logged] == ["request.failed"]
    assert resources.read_pool.in_use == 0


async def locked(resources: Resources) -> asyncpg.Connection:
    """A connection that lets nobody read CPUs."""
    connection = await asyncpg.connect(str(resources.settings.database_url))
    await connection.execute("BEGIN; LOCK TABLE cpu")
    return connection


async def waiting(connection: asyncpg.Connection) -> list[int]:
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return [row["pid"] for row in rows]


async def test_a_deadline_ends_it_once_and_for_all(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    asked = Asked(resources, NAME)
    await asked.run(slug="cpu-1")
    asked.executor.timeout_seconds = 0.2
    connection = await locked(resources)
    try:
        with record_statements(resources) as ran, pytest.raises(DeadlineExceeded):
            await asked.run(slug="cpu-1")
        assert ran.count == 1
        assert resources.read_pool.in_use == 0

        async def nobody_waits() -> bool:
            return not await waiting(connection)

        await wait_until(nobody_waits)
    finally:
        await connection.close()
    asked.executor.timeout_seconds = 10
    assert (await asked.run(slug="cpu-1")).has_no_errors


async def test_a_statement_that_postgresql_ends_is_not_run_again(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    asked = Asked(resources, NAME)
    await asked.run(slug="cpu-1")
    connection = await locked(resources)
    try:
        with record_statements(resources) as ran:
            running = asyncio.create_task(asked.run(slug="cpu-1"))
            (pid,) = await wait_until(lambda: waiting(connection))
            await connection.execute("SELECT pg_cancel_backend($1)", pid)
            with pytest.raises(Unavailable):
                await running
        assert ran.count == 1
    finally:
        await connection.close()
    assert resources.read_pool.in_use == 0


async def test_a_request_that_is_cancelled_leaves_no_connection(resources: Resources) -> None:
    await add_uniform_cpus(resources, 2, 2)
    asked = Asked(resources, NAME)
    await asked.run(slug="cpu-1")
    connection = await locked(resources)
    try:
        for _ in range(resources.settings.database_pool_size + 1):
            running = asyncio.create_task(asked.run(slug="cpu-1"))
            await wait_until(lambda: waiting(connection))
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    finally:
        await connection.close()
    assert resources.read_pool.in_use == 0
    assert orjson.loads((await asked.run(slug="cpu-2")).body) == {"data": {"cpu": {"name": "CPU 000002"}}}


async def test_connections_that_postgresql_has_ended_are_replaced(resources: Resources) -> None:
    """As when it is restarted: nobody sees it."""
    await add_uniform_cpus(resources, 2, 2)
    asked = Asked(resources, NAME)
    wanted = await asked.run(slug="cpu-1")
    for _ in range(3):
        asked.expect_one()
        await fetch_value(str(resources.settings.database_url), END_ALL)
        assert await asked.run(slug="cpu-1") == wanted
    assert resources.read_pool.in_use == 0


async def test_a_reader_of_one_statement(pool: ReadPool) -> None:
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


async def test_a_statement_of_text_keeps_its_order(pool: ReadPool) -> None:
    reader = SingleStatementReader(pool)
    rows = await reader.rows(text("SELECT n FROM generate_series(1, 50) AS n ORDER BY n % 7, n DESC"))
    await reader.close()
    assert [row[0] for row in rows] == sorted(range(1, 51), key=lambda n: (n % 7, -n))


async def test_a_connection_that_dies_under_the_statement(pool: ReadPool, database_url: str) -> None:
    """One that was idle before may have been dead already: that is worth another try. A new one was not."""
    for used in (False, True):
        reader = SingleStatementReader(pool)
        sleeping = asyncio.create_task(reader.rows(SELECT_SLEEP))
        pid = await wait_until(lambda: fetch_value(database_url, RUNNING))
        await fetch_value(database_url, "SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(read_pool.CONNECTION_ERRORS) as caught:
            await sleeping
        assert is_unavailable(caught.value)
        assert reader.needs_snapshot is used
        await reader.close()
        assert pool.in_use == 0
        assert await backend_pid(pool) != pid


async def test_a_value_of_the_wrong_type_is_no_reason_to_try_again(pool: ReadPool) -> None:
    await backend_pid(pool)
    reader = SingleStatementReader(pool)
    with pytest.raises(asyncpg.DataError):
        await reader.rows(text("SELECT CAST(:n AS integer)"), {"n": "many"})
    assert not reader.needs_snapshot
    await reader.close()
    assert pool.in_use == 0
