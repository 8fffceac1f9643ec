"""Running a job: exactly once in effect, with visible progress, and a limited number of attempts."""

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
from app.job_queue.enqueue import requeue_abandoned
from app.job_queue.runner import MAX_ATTEMPTS, JobRun
from app.resources import Resources
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
class Result:
    total: int = 3
    succeeded: int = 2
    failed: int = 1


class BlockingHandler:
    """Job handler that writes a row into its own table, and then waits or fails as the test requires."""

    def __init__(self) -> None:
        self.runs = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.error: Exception | None = None

    async def __call__(self, run: JobRun) -> Result:
        self.runs += 1
        await run_in(run.tx, "INSERT INTO effect VALUES (:job)", job=run.job_id)
        await run.report_progress(1, 3)
        await self.goes_on.wait()
        if self.error:
            raise self.error
        return Result()


async def run_in(tx: Transaction, statement: str, **values: Any) -> None:
    await tx.execute(text(statement), values)


async def effect_count(resources: Resources) -> int:
    async with resources.read() as session:
        return int(await session.scalar(text("SELECT count(*) FROM effect")))


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[EventDict]]:
    """Capture the log."""
    with capture_logs() as events:
        yield events


@pytest.fixture
async def handler(resources: Resources) -> BlockingHandler:
    await run_sql(resources, "CREATE TABLE effect (job bigint)")
    return BlockingHandler()


@pytest.fixture
async def job_id(resources: Resources, handler: BlockingHandler) -> int:
    """A queued job without a message."""
    created = await request_recalculation(resources)
    await resources.broker.redis.flushall()
    return created


async def test_result_and_work_are_committed_together(
    resources: Resources, handler: BlockingHandler, job_id: int
) -> None:
    assert await runner.run_job(resources, KIND, job_id, handler) == Result()
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts, row.total, row.done, row.succeeded, row.failed) == ("succeeded", 1, 3, 3, 2, 1)
    assert row.error is None
    assert row.requested_at <= row.started_at <= row.finished_at
    assert await effect_count(resources) == 1


async def test_repeated_message_runs_once(resources: Resources, handler: BlockingHandler, job_id: int) -> None:
    await runner.run_job(resources, KIND, job_id, handler)
    before = await job_row(resources, job_id)
    assert await runner.run_job(resources, KIND, job_id, handler) is None
    assert await job_row(resources, job_id) == before
    assert handler.runs == await effect_count(resources) == 1


async def test_two_workers_run_a_job_once(resources: Resources, handler: BlockingHandler, job_id: int) -> None:
    handler.goes_on.clear()
    both = [asyncio.create_task(runner.run_job(resources, KIND, job_id, handler)) for _ in range(2)]
    first, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert [task.result() for task in first] == [None]
    handler.goes_on.set()
    assert set(await asyncio.gather(*both)) == {None, Result()}
    assert handler.runs == await effect_count(resources) == (await job_row(resources, job_id)).attempts == 1


async def test_unknown_job_returns_none(resources: Resources, handler: BlockingHandler) -> None:
    assert await runner.run_job(resources, KIND, 4711, handler) is None
    assert handler.runs == 0


async def test_progress_is_visible_while_the_job_runs(
    resources: Resources, handler: BlockingHandler, job_id: int
) -> None:
    handler.goes_on.clear()
    async with resources.notifications.subscribe(f"job:{job_id}") as changed:
        await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected))
        running = asyncio.create_task(runner.run_job(resources, KIND, job_id, handler))
        row = await wait_until(lambda: row_that_is(resources, job_id, done=1))
        assert (row.status, row.total, row.finished_at) == ("running", 3, None)
        assert await effect_count(resources) == 0
        await asyncio.wait_for(changed.wait(), 30)
        changed.clear()
        handler.goes_on.set()
        await running
        await asyncio.wait_for(changed.wait(), 30)


async def row_that_is(resources: Resources, job_id: int, done: int) -> Any:
    row = await job_row(resources, job_id)
    return row if row.done == done else None


async def test_failed_attempt_is_rolled_back_and_repeated(
    resources: Resources, handler: BlockingHandler, job_id: int, log_lines: list[EventDict]
) -> None:
    handler.error = ValueError("password=hunter2")
    assert await runner.run_job(resources, KIND, job_id, handler) is None
    assert [(event["event"], event["exc_info"]) for event in log_lines] == [("job.attempt_failed", True)]
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts, row.error) == ("running", 1, None)
    assert await effect_count(resources) == 0
    handler.error = None
    assert await runner.run_job(resources, KIND, job_id, handler) == Result()
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts) == ("succeeded", 2)


async def test_job_is_given_up_after_max_attempts(resources: Resources, handler: BlockingHandler, job_id: int) -> None:
    handler.error = ValueError("password=hunter2")
    for _ in range(MAX_ATTEMPTS + 2):
        await runner.run_job(resources, KIND, job_id, handler)
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts) == ("failed", MAX_ATTEMPTS)
    assert row.error == "Given up after 5 attempts; see the worker's log for the reason."
    assert row.finished_at is not None
    assert "hunter2" not in repr(row)
    assert handler.runs == MAX_ATTEMPTS
    assert await effect_count(resources) == 0


async def test_message_with_the_function_of_another_kind_is_ignored(
    resources: Resources, handler: BlockingHandler, job_id: int
) -> None:
    assert await runner.run_job(resources, JobKind.CLEAN_UP, job_id, handler) is None
    assert handler.runs == 0
    assert (await job_row(resources, job_id)).status == "queued"


async def test_failing_job_is_requeued_until_it_is_given_up(resources: Resources) -> None:
    """The handler, the queue and the worker are the real ones."""
    await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
    await run_sql(resources, "ALTER TABLE figure_history RENAME TO elsewhere")
    asked = await request_recalculation(resources)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await run_queued_jobs(resources)
        row = await job_row(resources, asked)
        assert (row.status, row.attempts) == ("running", attempt)
        await requeue_abandoned(resources)
    failed = REGISTRY.get_sample_value("dealmark_jobs_total", {"kind": KIND, "outcome": "failed"}) or 0
    await run_queued_jobs(resources)
    row = await job_row(resources, asked)
    assert row.status == "failed"
    assert "elsewhere" not in row.error
    assert "figure_history" not in row.error
    assert REGISTRY.get_sample_value("dealmark_jobs_total", {"kind": KIND, "outcome": "failed"}) == failed + 1
    await requeue_abandoned(resources)
    assert await resources.broker.redis.keys("arq:*") == []


async def test_scheduled_job_that_starts_too_late_fails(
    resources: Resources, handler: BlockingHandler, job_id: int
) -> None:
    await run_sql(resources, "UPDATE job SET due_at = now() - interval '2 hours 1 second'")
    assert await runner.run_job(resources, KIND, job_id, handler) is None
    row = await job_row(resources, job_id)
    assert (row.status, row.attempts) == ("failed", 0)
    assert row.error == "Skipped: it could not start within 2 hours of its time."
    assert handler.runs == 0


async def test_scheduled_job_that_started_in_time_is_finished(
    resources: Resources, handler: BlockingHandler, job_id: int
) -> None:
    await run_sql(resources, "UPDATE job SET due_at = now() - interval '3 hours', attempts = 1, status = 'running'")
    assert await runner.run_job(resources, KIND, job_id, handler) == Result()


async def test_requested_job_may_start_late(resources: Resources, handler: BlockingHandler, job_id: int) -> None:
    await run_sql(resources, "UPDATE job SET requested_at = :then", then=datetime.now(UTC) - timedelta(days=3))
    assert await runner.run_job(resources, KIND, job_id, handler) == Result()


async def test_foreground_run_leaves_a_finished_job(resources: Resources) -> None:
    one = await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
    result = await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    assert (result.total, result.succeeded, result.failed) == (1, 1, 0)
    (row,) = await all_jobs(resources)
    assert (row.status, row.attempts, row.requested_by, row.total) == ("succeeded", 1, "command line", 1)
    assert await history_counts(resources) == [(one, 1)]


async def test_failed_foreground_run_leaves_no_job(resources: Resources) -> None:
    await add_cpu(resources, "AMD One", [10, 20])
    await run_sql(resources, "ALTER TABLE recalculation_watermark RENAME TO elsewhere")
    with pytest.raises(Exception, match="recalculation_watermark"):
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    assert await all_jobs(resources) == []


async def test_more_jobs_than_connections_do_not_deadlock(resources: Resources) -> None:
    """Waiting jobs hold transactions; the running one must still get connections."""
    ids = [await add_cpu(resources, f"AMD {number}", [10, 20], cpu_mark_multi=100) for number in range(12)]
    asked = [await request_recalculation(resources, [cpu_id]) for cpu_id in ids]
    await asyncio.wait_for(run_queued_jobs(resources), 20)
    assert {(await wait_until_job_ended(resources, each)).attempts for each in asked} == {1}
    assert await history_counts(resources) == [(cpu_id, 1) for cpu_id in ids]
