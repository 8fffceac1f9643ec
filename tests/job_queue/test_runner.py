"""Running a job: exactly once in effect, with its progress to be seen, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from structlog.testing import capture_logs
from structlog.typing import EventDict

from app.db.tables import JobKind
from app.db.transaction import Transaction
from app.job_handlers import dispatch
from app.job_queue import runner
from app.job_queue.runner import MAX_ATTEMPTS, JobRun
from app.resources import Resources
from jobs.tasks.abandoned_jobs import requeue_abandoned_jobs
from tests.support.catalog_rows import add_cpu
from tests.support.jobs import (
    KIND,
    all_jobs,
    history_counts,
    job_row,
    request_recalculation,
    run_sql,
    wait_until_job_ended,
)
from tests.support.queue_worker import run_queued_jobs
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Outcome:
    total: int = 3
    succeeded: int = 2
    failed: int = 1


class Work:
    """Work that writes a row into a table of its own, and does what the test wants of it."""

    def __init__(self) -> None:
        self.runs = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.error: Exception | None = None

    async def __call__(self, run: JobRun) -> Outcome:
        self.runs += 1
        await run_in(run.tx, "INSERT INTO effect VALUES (:job)", job=run.job_id)
        await run.report_progress(1, 3)
        await self.goes_on.wait()
        if self.error:
            raise self.error
        return Outcome()


async def run_in(tx: Transaction, statement: str, **values: Any) -> None:
    await tx.execute(text(statement), values)


async def effects(resources: Resources) -> int:
    async with resources.read() as session:
        return int(await session.scalar(text("SELECT count(*) FROM effect")))


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[EventDict]]:
    """What was logged."""
    with capture_logs() as events:
        yield events


@pytest.fixture
async def work(resources: Resources) -> Work:
    await run_sql(resources, "CREATE TABLE effect (job bigint)")
    return Work()


@pytest.fixture
async def job_id(resources: Resources, work: Work) -> int:
    """A queued job that no worker was told of."""
    created = await request_recalculation(resources)
    await resources.broker.redis.flushall()
    return created


async def test_outcome_and_effect_come_together(resources: Resources, work: Work, job_id: int) -> None:
    assert await runner.run_job(resources, job_id, work) == Outcome()
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts, row.total, row.done, row.succeeded, row.failed) == ("succeeded", 1, 3, 3, 2, 1)
    assert row.error is None
    assert row.requested_at <= row.started_at <= row.finished_at
    assert await effects(resources) == 1


async def test_the_same_message_twice(resources: Resources, work: Work, job_id: int) -> None:
    await runner.run_job(resources, job_id, work)
    before = await job_row(resources, job_id)
    assert await runner.run_job(resources, job_id, work) is None
    assert await job_row(resources, job_id) == before
    assert work.runs == await effects(resources) == 1


async def test_two_workers_at_once(resources: Resources, work: Work, job_id: int) -> None:
    work.goes_on.clear()
    both = [asyncio.create_task(runner.run_job(resources, job_id, work)) for _ in range(2)]
    first, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert [task.result() for task in first] == [None]
    work.goes_on.set()
    assert set(await asyncio.gather(*both)) == {None, Outcome()}
    assert work.runs == await effects(resources) == (await job_row(resources, job_id)).attempts == 1


async def test_a_job_that_does_not_exist(resources: Resources, work: Work) -> None:
    assert await runner.run_job(resources, 4711, work) is None
    assert work.runs == 0


async def test_progress_is_seen_while_it_runs(resources: Resources, work: Work, job_id: int) -> None:
    work.goes_on.clear()
    async with resources.notifications.subscribe(f"job:{job_id}") as changed:
        await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected))
        running = asyncio.create_task(runner.run_job(resources, job_id, work))
        row = await wait_until(lambda: row_that_is(resources, job_id, done=1))
        assert (row.status, row.total, row.finished_at) == ("running", 3, None)
        assert await effects(resources) == 0
        await asyncio.wait_for(changed.wait(), 30)
        changed.clear()
        work.goes_on.set()
        await running
        await asyncio.wait_for(changed.wait(), 30)


async def row_that_is(resources: Resources, job_id: int, done: int) -> Any:
    row = await job_row(resources, job_id)
    return row if row.done == done else None


async def test_work_that_raises_leaves_nothing_and_is_tried_again(
    resources: Resources, work: Work, job_id: int, logged: list[EventDict]
) -> None:
    work.error = ValueError("password=hunter2")
    assert await runner.run_job(resources, job_id, work) is None
    assert [(event["event"], event["exc_info"]) for event in logged] == [("job.attempt_failed", True)]
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts, row.error) == ("running", 1, None)
    assert await effects(resources) == 0
    work.error = None
    assert await runner.run_job(resources, job_id, work) == Outcome()
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts) == ("succeeded", 2)


async def test_a_job_is_given_up_after_its_attempts(resources: Resources, work: Work, job_id: int) -> None:
    work.error = ValueError("password=hunter2")
    for _ in range(MAX_ATTEMPTS + 2):
        await runner.run_job(resources, job_id, work)
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts) == ("failed", MAX_ATTEMPTS)
    assert row.error == "Given up after 5 attempts; see the worker's log for the reason."
    assert row.finished_at is not None
    assert "hunter2" not in repr(row)
    assert work.runs == MAX_ATTEMPTS
    assert await effects(resources) == 0


async def test_the_sweep_brings_back_what_raised_until_it_is_given_up(resources: Resources) -> None:
    """With the real work, a real queue and a real worker."""
    await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
    await run_sql(resources, "ALTER TABLE figure_history RENAME TO elsewhere")
    asked = await request_recalculation(resources)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await run_queued_jobs(resources)
        row = await job_row(resources, asked)
        assert (row.status, row.attempts) == ("running", attempt)
        await requeue_abandoned_jobs({"resources": resources})
    failed = REGISTRY.get_sample_value("dealmark_jobs_total", {"kind": KIND, "outcome": "failed"}) or 0
    await run_queued_jobs(resources)
    row = await job_row(resources, asked)
    assert row.status == "failed"
    assert "elsewhere" not in row.error
    assert "figure_history" not in row.error
    assert REGISTRY.get_sample_value("dealmark_jobs_total", {"kind": KIND, "outcome": "failed"}) == failed + 1
    await requeue_abandoned_jobs({"resources": resources})
    assert await resources.broker.redis.keys("arq:*") == []


async def test_a_scheduled_job_that_starts_too_late_is_failed(resources: Resources, work: Work, job_id: int) -> None:
    await run_sql(resources, "UPDATE job SET due_at = now() - interval '2 hours 1 second'")
    assert await runner.run_job(resources, job_id, work) is None
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts) == ("failed", 0)
    assert row.error == "Skipped: it could not start within 2 hours of its time."
    assert work.runs == 0


async def test_a_scheduled_job_that_began_in_time_is_brought_to_its_end(
    resources: Resources, work: Work, job_id: int
) -> None:
    await run_sql(resources, "UPDATE job SET due_at = now() - interval '3 hours', attempts = 1, status = 'running'")
    assert await runner.run_job(resources, job_id, work) == Outcome()


async def test_a_job_that_nobody_waits_for_may_start_late(resources: Resources, work: Work, job_id: int) -> None:
    await run_sql(resources, "UPDATE job SET requested_at = :then", then=datetime.now(UTC) - timedelta(days=3))
    assert await runner.run_job(resources, job_id, work) == Outcome()


async def test_work_in_the_foreground_leaves_a_finished_job(resources: Resources) -> None:
    one = await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
    outcome = await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    assert (outcome.total, outcome.succeeded, outcome.failed) == (1, 1, 0)
    (row,) = await all_jobs(resources)
    assert (row.status, row.attempts, row.requested_by, row.total) == ("succeeded", 1, "command line", 1)
    assert await history_counts(resources) == [(one, 1)]


async def test_work_in_the_foreground_that_raises_leaves_nothing(resources: Resources) -> None:
    await add_cpu(resources, "AMD One", [10, 20])
    await run_sql(resources, "ALTER TABLE recalculation_watermark RENAME TO elsewhere")
    with pytest.raises(Exception, match="recalculation_watermark"):
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    assert await all_jobs(resources) == []


async def test_more_jobs_than_connections(resources: Resources) -> None:
    """All of them hold a transaction and wait for their turn; the one at work still finds connections for itself."""
    ids = [await add_cpu(resources, f"AMD {number}", [10, 20], cpu_mark_multi=100) for number in range(12)]
    asked = [await request_recalculation(resources, [cpu_id]) for cpu_id in ids]
    await asyncio.wait_for(run_queued_jobs(resources), 20)
    assert {(await wait_until_job_ended(resources, each)).attempts for each in asked} == {1}
    assert await history_counts(resources) == [(cpu_id, 1) for cpu_id in ids]
