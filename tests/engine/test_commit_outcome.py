"""Mutations that are interrupted while or after they commit: effects follow the commit, and no error denies it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest

from app.core.errors import DeadlineExceeded, OutcomeUnknown, Unavailable
from app.db import transaction
from app.db.tables import Domain
from app.engine.document import prepare_document
from app.engine.executor import ExecutionOutcome, Executor
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from app.schema.jobs.types import Job
from app.server.content_negotiation import MediaType, error_status
from tests.support.jobs import all_jobs
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.waiting import wait_until

VERIFY = "mutation { verifyFigures { job { id } } }"
LOCK = 4711
# A trigger that waits at the commit while the lock is held, or fails.
SLOW_COMMIT = f"""
    CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({LOCK});
        IF current_setting('dealmark.fail_at_commit', true) = 'on' THEN RAISE check_violation; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER job_slow_commit AFTER INSERT ON job DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait_at_commit();
"""
BLOCKED_COMMITS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'COMMIT%' AND wait_event_type = 'Lock' AND state = 'active'
"""


class Mutation:
    """A mutation that runs in a task, and a connection that holds up its commit."""

    def __init__(self, resources: Resources, connection: asyncpg.Connection) -> None:
        self.resources, self.connection = resources, connection
        self.executor = Executor(resources, GRAPHQL_SCHEMA)

    async def run(self) -> ExecutionOutcome:
        """Execute the mutation."""
        document = prepare_document(GRAPHQL_SCHEMA, "test", VERIFY)
        return await self.executor.run(document, document.select_operation(None), {}, Viewer("admin", Role.ADMIN))

    async def start(self) -> asyncio.Task[ExecutionOutcome]:
        """Start the mutation, and wait until it commits."""
        await self.connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        task = asyncio.create_task(self.run())
        await wait_until(self.blocked_commits)
        return task

    async def blocked_commits(self) -> list[Any]:
        """Return the connections that wait at their commit."""
        return list(await self.connection.fetch(BLOCKED_COMMITS))

    async def let_commit(self) -> None:
        """Let the commit go on."""
        await self.connection.execute("SELECT pg_advisory_unlock($1)", LOCK)

    async def assert_effects(self) -> None:
        """Check that the job is stored, enqueued and published."""
        (job,) = await all_jobs(self.resources)
        assert await self.resources.broker.redis.zrange("dealmark:queue", 0, -1) == [f"job:{job.id}".encode()]
        assert self.resources.notifications.versions.get(Domain.WORK) == 1
        await self.resources.broker.redis.flushall()


@pytest.fixture
async def mutation(resources: Resources, database_url: str) -> AsyncIterator[Mutation]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(SLOW_COMMIT)
    await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected))
    yield Mutation(resources, connection)
    await connection.close()


async def test_commit_completes_when_the_client_disconnects_meanwhile(mutation: Mutation) -> None:
    task = await mutation.start()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    await mutation.let_commit()
    with pytest.raises(asyncio.CancelledError):
        await task
    await mutation.assert_effects()


async def test_deadline_during_a_commit_that_succeeds_is_reported_as_unknown(mutation: Mutation) -> None:
    mutation.executor.timeout_seconds = 3.0
    task = await mutation.start()
    await wait_until(lambda: asyncio.sleep(0, task.cancelling()))
    await mutation.let_commit()
    with pytest.raises(OutcomeUnknown, match="check before you repeat it"):
        await task
    await mutation.assert_effects()


async def test_commit_without_an_answer_is_given_up_after_the_grace_period(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "COMMIT_GRACE_SECONDS", 0.1)
    mutation.executor.timeout_seconds = 3.0
    task = await mutation.start()
    with pytest.raises(OutcomeUnknown):
        await task
    # PostgreSQL notices that the connection was closed, and the pool has other connections.
    await wait_until(lambda: _none(mutation.blocked_commits()))
    assert await all_jobs(mutation.resources) == []
    await mutation.let_commit()
    assert (await mutation.run()).has_no_errors
    await mutation.assert_effects()


async def _none(rows: Any) -> bool:
    return not await rows


async def test_connection_lost_during_commit_is_reported_as_unknown(mutation: Mutation) -> None:
    task = await mutation.start()
    (blocked,) = await mutation.blocked_commits()
    await mutation.connection.execute("SELECT pg_terminate_backend($1)", blocked["pid"])
    assert _codes(await task) == ["OUTCOME_UNKNOWN"]


async def test_commit_that_fails_is_not_unknown(mutation: Mutation) -> None:
    (database,) = await mutation.connection.fetchrow("SELECT current_database()")
    await mutation.connection.execute(f'ALTER DATABASE "{database}" SET dealmark.fail_at_commit = on')
    with pytest.raises(Unavailable):
        await mutation.run()
    assert await all_jobs(mutation.resources) == []


@pytest.mark.parametrize("hangs", [True, False])
async def test_result_lost_after_the_commit_is_reported_as_unknown(
    mutation: Mutation, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    async def load_node(*_: Any) -> Any:
        if hangs:
            await asyncio.sleep(3600)
        raise Unavailable("The database is unavailable.")

    monkeypatch.setattr(Job, "load_node", load_node)
    mutation.executor.timeout_seconds = 3.0
    if hangs:
        with pytest.raises(OutcomeUnknown):
            await mutation.run()
    else:
        assert _codes(await mutation.run()) == ["OUTCOME_UNKNOWN"]
    await mutation.assert_effects()


async def test_deadline_before_the_commit_is_no_unknown_outcome(mutation: Mutation) -> None:
    mutation.executor.timeout_seconds = 1.0
    await mutation.connection.execute("BEGIN; LOCK TABLE job IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(DeadlineExceeded):
        await mutation.run()
    await mutation.connection.execute("ROLLBACK")
    assert await all_jobs(mutation.resources) == []


@pytest.mark.parametrize("media", MediaType)
def test_unknown_outcome_is_a_server_error_that_is_not_retried(media: MediaType) -> None:
    assert error_status(OutcomeUnknown(), "audit", media) == 500


def _codes(outcome: ExecutionOutcome) -> list[str]:
    return [error["extensions"]["code"] for error in orjson.loads(outcome.body)["errors"]]
