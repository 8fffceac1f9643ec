"""Requesting and scheduling jobs: waiting jobs are reused, and a night has one job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

import pytest

from app.job_queue.enqueue import request_job, schedule_job
from app.resources import Resources
from tests.support.jobs import KIND, all_jobs, request_recalculation, run_sql

TIME = time(2, 30)
NIGHT = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def no_worker(resources: Resources) -> AsyncIterator[None]:
    """Keep the jobs of these tests from running."""
    yield
    await resources.broker.redis.flushall()


async def schedule(resources: Resources, now: datetime, at: time = TIME) -> int | None:
    async with resources.write() as tx:
        return await schedule_job(tx, KIND, at, now)


async def test_equal_request_returns_the_queued_job(resources: Resources) -> None:
    assert await request_recalculation(resources) == await request_recalculation(resources)
    (row,) = await all_jobs(resources)
    assert (row.status, row.attempts, row.requested_by, row.input) == ("queued", 0, "tester", {})


async def test_queued_job_for_all_covers_a_request_for_some(resources: Resources) -> None:
    part = await request_recalculation(resources, [1, 2])
    everything = await request_recalculation(resources)
    assert part != everything
    assert await request_recalculation(resources, [1, 2]) == part
    assert await request_recalculation(resources, [3]) == everything
    assert len(await all_jobs(resources)) == 2


@pytest.mark.parametrize("status", ["running", "succeeded", "failed"])
async def test_running_or_finished_job_is_not_reused(resources: Resources, status: str) -> None:
    first = await request_recalculation(resources)
    await run_sql(resources, "UPDATE job SET status = :status", status=status)
    assert await request_recalculation(resources) != first


async def test_concurrent_requests_create_one_job(resources: Resources) -> None:
    assert len(set(await asyncio.gather(*(request_recalculation(resources) for _ in range(10))))) == 1
    assert len(await all_jobs(resources)) == 1


async def test_job_that_starts_during_the_request_is_not_reused(resources: Resources) -> None:
    """The INSERT waits for the other transaction and finds its job, which has started meanwhile."""
    await run_sql(
        resources,
        """
        CREATE FUNCTION start_others() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE job SET status = 'running' WHERE status = 'queued' AND xmin <> pg_current_xact_id()::xid;
            RETURN NULL;
        END $$
        """,
    )
    # A statement trigger, because it also runs if no row is inserted.
    await run_sql(resources, "CREATE TRIGGER start AFTER INSERT ON job EXECUTE FUNCTION start_others()")
    async with resources.write() as tx:
        first = await request_job(tx, KIND, {}, "tester")
        asking = asyncio.create_task(request_recalculation(resources))
        await asyncio.sleep(0.1)
        assert not asking.done()
    second = await asking
    assert [(row.id, row.status) for row in await all_jobs(resources)] == [(first, "running"), (second, "queued")]


async def test_rolled_back_request_leaves_no_job(resources: Resources) -> None:
    async def ask_and_fail() -> None:
        async with resources.write() as tx:
            await request_job(tx, KIND, {}, "tester")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask_and_fail()
    assert await all_jobs(resources) == []
    assert await resources.broker.redis.keys() == []


@pytest.mark.parametrize(
    ("now", "at", "due"),
    [
        (NIGHT, TIME, NIGHT),
        (NIGHT + timedelta(hours=2), TIME, NIGHT),
        (NIGHT + timedelta(hours=2, seconds=1), TIME, None),
        (NIGHT - timedelta(seconds=1), TIME, None),
        (datetime(2026, 3, 2, 0, 10, tzinfo=UTC), time(23, 50), datetime(2026, 3, 1, 23, 50, tzinfo=UTC)),
        (datetime(2026, 3, 1, 23, 55, tzinfo=UTC), time(23, 50), datetime(2026, 3, 1, 23, 50, tzinfo=UTC)),
        (datetime(2026, 3, 1, 23, 45, tzinfo=UTC), time(23, 50), None),
        (datetime(2026, 1, 1, 0, 0, tzinfo=UTC), time(0, 0), datetime(2026, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, 1, 50, tzinfo=UTC), time(23, 50), datetime(2025, 12, 31, 23, 50, tzinfo=UTC)),
    ],
)
async def test_scheduled_job_is_created_up_to_two_hours_late(
    resources: Resources, now: datetime, at: time, due: datetime | None
) -> None:
    scheduled = await schedule(resources, now, at)
    assert (scheduled is None) == (due is None)
    assert [row.due_at for row in await all_jobs(resources)] == ([] if due is None else [due])


@pytest.mark.parametrize("status", ["queued", "running", "succeeded", "failed"])
async def test_scheduled_job_is_created_once(resources: Resources, status: str) -> None:
    first = await schedule(resources, NIGHT)
    await run_sql(resources, "UPDATE job SET status = :status", status=status)
    assert await schedule(resources, NIGHT + timedelta(hours=1)) == (first if status == "queued" else None)
    assert len(await all_jobs(resources)) == 1
    await run_sql(resources, "UPDATE job SET status = 'succeeded'")
    assert await schedule(resources, NIGHT + timedelta(days=1)) not in (first, None)


async def test_concurrent_workers_create_one_scheduled_job(resources: Resources) -> None:
    await asyncio.gather(*(schedule(resources, NIGHT) for _ in range(8)))
    assert len(await all_jobs(resources)) == 1


async def test_queued_job_for_all_replaces_the_scheduled_one(resources: Resources) -> None:
    asked = await request_recalculation(resources)
    assert await schedule(resources, NIGHT) == asked
    assert len(await all_jobs(resources)) == 1


async def test_queued_job_for_some_does_not_replace_the_scheduled_one(resources: Resources) -> None:
    asked = await request_recalculation(resources, [1])
    assert await schedule(resources, NIGHT) not in (asked, None)
