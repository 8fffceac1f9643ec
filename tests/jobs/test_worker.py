"""The worker: its functions, its schedule, and recovery of lost messages and queues."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from arq.constants import in_progress_key_prefix, job_key_prefix, result_key_prefix, retry_key_prefix
from pydantic import ValidationError
from sqlalchemy import text

from app.core.broker import HEARTBEAT_KEY, IN_PROGRESS_TTL_SECONDS, QUEUE_NAME, deserialize, serialize
from app.db.tables import JobKind
from app.db.transaction import Transaction
from app.devserver.embedded import EmbeddedRedis
from app.graphql.viewer import Role
from app.job_handlers import dispatch
from app.job_queue import sql
from app.job_queue.enqueue import requeue_abandoned
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.schedule import follow_schedule, schedule_nightly_jobs
from jobs.worker import JOB_FUNCTIONS, create_arq_worker
from tests.support.api_server import run_api
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
from tests.support.ports import closed_port
from tests.support.queue_worker import run_queued_jobs
from tests.support.settings import make_settings
from tests.support.waiting import wait_until

FAR = (datetime.now(UTC) + timedelta(hours=12)).time().replace(second=0, microsecond=0)
RECALCULATE = "mutation { recalculateMetrics { job { id status } } }"


@pytest.fixture
def redis() -> Iterator[EmbeddedRedis]:
    """A Redis for the test, not started."""
    with tempfile.TemporaryDirectory(prefix="dm-") as directory:
        server = EmbeddedRedis(Path(directory))
        yield server
        server.stop()


@asynccontextmanager
async def run_worker(resources: Resources) -> AsyncIterator[None]:
    """Run a worker with its schedule."""
    worker = create_arq_worker(resources)
    tasks = [asyncio.create_task(worker.async_run()), asyncio.create_task(follow_schedule(resources))]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, *worker.tasks.values(), return_exceptions=True)
    await resources.broker.redis.flushall()


def test_each_job_kind_has_a_function() -> None:
    names = [function.__name__ for function in JOB_FUNCTIONS]
    assert sorted(names) == sorted(kind.value for kind in JobKind)


def test_messages_are_json() -> None:
    message: dict[str, Any] = {"t": None, "f": "recalculate_metrics", "a": (1,), "k": {}, "et": 1}
    assert serialize(message) == b'{"t":null,"f":"recalculate_metrics","a":[1],"k":{},"et":1}'
    assert deserialize(serialize(message)) == {**message, "a": [1]}
    assert b"ValueError" not in serialize({"r": ValueError("reason")})


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\x80\x04\x95",
        b"[1]",
        b'{"f":"recalculate_metrics"}',
        b'{"t":null,"f":"recalculate_metrics","a":["1"],"k":{},"et":1}',
        b'{"t":null,"f":"recalculate_metrics","a":[1],"k":{"x":1},"et":1}',
        b'{"t":null,"f":"recalculate_metrics","a":[1],"k":{},"et":1e99}',
        b'{"t":7,"f":"recalculate_metrics","a":[1],"k":{},"et":1}',
    ],
)
def test_damaged_message_is_rejected(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        deserialize(damaged)


async def test_burst_worker_runs_queued_jobs_and_stops(resources: Resources) -> None:
    cpu_id = await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
    asked = await request_recalculation(resources)
    await run_queued_jobs(resources)
    row = await job_row(resources, asked)
    assert (row.status, row.attempts, row.total, row.succeeded, row.failed) == ("succeeded", 1, 1, 1, 0)
    assert await history_counts(resources) == [(cpu_id, 1)]
    assert await resources.broker.redis.keys("arq:*") == []


async def test_repeated_messages_to_two_workers_run_once(resources: Resources) -> None:
    cpu_id = await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
    asked = await request_recalculation(resources)
    for number in range(4):
        await resources.broker.redis.enqueue_job(KIND, asked, _job_id=f"again {number}")
    await asyncio.gather(run_queued_jobs(resources), run_queued_jobs(resources))
    assert (await job_row(resources, asked)).attempts == 1
    assert await history_counts(resources) == [(cpu_id, 1)]


async def test_lost_message_is_enqueued_again(resources: Resources) -> None:
    asked = await request_recalculation(resources)
    await resources.broker.redis.flushall()
    await run_queued_jobs(resources)
    assert (await job_row(resources, asked)).status == "queued"
    await requeue_abandoned(resources)
    await run_queued_jobs(resources)
    assert (await job_row(resources, asked)).status == "succeeded"


GOOD_MESSAGE = b'{"t":null,"f":"recalculate_metrics","a":[%d],"k":{},"et":0}'
LEFT_IN_REDIS: dict[str, list[bytes | None]] = {
    job_key_prefix: [None, GOOD_MESSAGE, b"damaged", b'{"t":null,"f":"clean_up","a":[%d],"k":{},"et":0}'],
    in_progress_key_prefix: [None, b"1"],
    retry_key_prefix: [None, b"3", b"damaged"],
    result_key_prefix: [None, b"{}"],
}
HOUR_MS = 3_600_000


@pytest.mark.parametrize("score", [None, 1, "an hour ahead"])
async def test_job_runs_whatever_keys_are_left_in_redis(resources: Resources, score: int | str | None) -> None:
    """There is a job for each combination of arq's keys. The queue has an entry for it, none, or one that is late."""
    redis = resources.broker.redis
    job_ids: list[int] = []
    for values in product(*LEFT_IN_REDIS.values()):
        job_ids.append(job_id := await request_recalculation(resources, [len(job_ids)]))
        await redis.delete(*(prefix + f"job:{job_id}" for prefix in LEFT_IN_REDIS))
        for prefix, value in zip(LEFT_IN_REDIS, values, strict=True):
            if value is not None:
                content = value % job_id if b"%d" in value else value
                await redis.set(f"{prefix}job:{job_id}", content, ex=3600)
        if score is None:
            await redis.zrem(QUEUE_NAME, f"job:{job_id}")
        else:
            late = (await redis.time())[0] * 1000 + HOUR_MS
            await redis.zadd(QUEUE_NAME, {f"job:{job_id}": score if isinstance(score, int) else late})
    await requeue_abandoned(resources)
    await run_queued_jobs(resources)
    states = {row.id: (row.status, row.attempts) for row in await all_jobs(resources)}
    assert states == dict.fromkeys(job_ids, ("succeeded", 1))
    assert await redis.keys("arq:*") == []


async def test_worker_that_meets_a_damaged_message_runs_the_job_after_the_sweep(resources: Resources) -> None:
    redis, asked = resources.broker.redis, await request_recalculation(resources)
    await redis.set(f"{job_key_prefix}job:{asked}", b"damaged", ex=3600)
    await run_queued_jobs(resources)
    assert (await job_row(resources, asked)).status == "queued"
    await requeue_abandoned(resources)
    await run_queued_jobs(resources)
    assert (await job_row(resources, asked)).status == "succeeded"


async def test_queue_of_another_type_is_replaced(resources: Resources) -> None:
    asked = await request_recalculation(resources)
    await resources.broker.redis.set(QUEUE_NAME, "damaged")
    await requeue_abandoned(resources)
    await run_queued_jobs(resources)
    assert (await job_row(resources, asked)).status == "succeeded"


@pytest.mark.parametrize("hours", [-1, 1])
async def test_job_enqueued_by_a_process_with_a_wrong_clock_runs_immediately(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    wrong = round(datetime.now(UTC).timestamp() + 3600 * hours) * 1000
    with monkeypatch.context() as api:
        api.setattr("arq.connections.timestamp_ms", lambda: wrong)
        api.setattr("arq.worker.timestamp_ms", lambda: wrong)
        asked = await request_recalculation(resources)
    await run_queued_jobs(resources)
    assert (await job_row(resources, asked)).status == "succeeded"


@pytest.mark.parametrize("hours", [-1, 1])
async def test_worker_whose_clock_is_set_continues_heartbeat_sweep_and_jobs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr("jobs.worker.HEARTBEAT_INTERVAL_SECONDS", 0.1)
    times = {"recalculation_at": FAR, "verification_at": FAR, "clean_up_at": FAR, "poll_interval_seconds": 0.1}
    async with Resources.open(settings.model_copy(update=times)) as resources, run_worker(resources):
        redis = resources.broker.redis
        await wait_until(lambda: redis.exists(HEARTBEAT_KEY))
        now = datetime.now(UTC).timestamp() + 3600 * hours
        for module in ("arq.worker", "arq.connections"):
            monkeypatch.setattr(f"{module}.timestamp_ms", lambda: round(now * 1000))
        monkeypatch.setattr("arq.worker.time", lambda: now)
        monkeypatch.setattr("arq.worker.datetime", SimpleNamespace(now=lambda tz=None: datetime.fromtimestamp(now, tz)))
        await redis.delete(HEARTBEAT_KEY)
        await wait_until(lambda: redis.exists(HEARTBEAT_KEY))
        async with resources.write() as tx:  # a job without a message
            lost = await sql.create(tx, KIND, {}, "tester")
            tx.enqueued.clear()
        assert lost is not None
        assert (await wait_until_job_ended(resources, lost)).status == "succeeded"


async def test_nightly_jobs_are_scheduled_without_redis_and_by_the_clock_of_postgresql(
    settings: Settings, resources: Resources
) -> None:
    async with resources.read() as session:
        now = await session.scalar(text("SELECT now() AT TIME ZONE 'UTC'"))
    due = now.replace(second=0, microsecond=0)
    times = {"clean_up_at": due.time(), "verification_at": FAR, "recalculation_at": FAR}
    url = f"redis://127.0.0.1:{closed_port()}/0"
    async with Resources.open(settings.model_copy(update={**times, "redis_url": url})) as alone:
        for _ in range(3):
            await schedule_nightly_jobs(alone)
    (job,) = await all_jobs(resources)
    assert (job.kind, job.due_at, job.requested_by) == ("clean_up", due.replace(tzinfo=UTC), "schedule")
    async with resources.read() as session:
        assert await session.scalar(text("SELECT last_value FROM job_id_seq")) == job.id, "no ids are used up"


async def test_waiting_message_is_not_enqueued_twice(resources: Resources) -> None:
    asked = await request_recalculation(resources)
    for _ in range(3):
        await requeue_abandoned(resources)
    assert await resources.broker.redis.zrange(QUEUE_NAME, 0, -1) == [f"job:{asked}".encode()]
    await run_queued_jobs(resources)


@pytest.mark.parametrize(("status", "attempts"), [("queued", 0), ("running", 1)])
async def test_message_of_a_dead_worker_is_enqueued_again(resources: Resources, status: str, attempts: int) -> None:
    """Until a timeout, arq considers the message in progress. The worker died before it updated the row."""
    asked = await request_recalculation(resources)
    await run_sql(resources, "UPDATE job SET status = :s, attempts = :n", s=status, n=attempts)
    await resources.broker.redis.set(f"{in_progress_key_prefix}job:{asked}", b"1", ex=3600)
    await requeue_abandoned(resources)
    await asyncio.wait_for(run_queued_jobs(resources), 60)
    assert (await job_row(resources, asked)).attempts == attempts + 1
    assert (await job_row(resources, asked)).status == "succeeded"


async def test_message_being_picked_up_is_not_enqueued_again(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, claim, claims = await request_recalculation(resources), sql.try_lock, 0

    async def swept(tx: Transaction, job_id: int) -> bool:
        nonlocal claims
        claims += 1
        if claims == 1:
            await requeue_abandoned(resources)
            await asyncio.sleep(0.3)  # the worker polls for messages meanwhile
        return await claim(tx, job_id)

    monkeypatch.setattr(sql, "try_lock", swept)
    worker = create_arq_worker(resources, burst=True)
    await worker.async_run()
    assert (claims, worker.jobs_complete, worker.jobs_failed) == (1, 1, 0)
    assert (await job_row(resources, asked)).attempts == 1


async def test_in_progress_ttl_matches_arq(resources: Resources) -> None:
    assert create_arq_worker(resources).in_progress_timeout_s == IN_PROGRESS_TTL_SECONDS


async def test_running_and_finished_jobs_are_not_requeued(resources: Resources) -> None:
    working_on, done = await request_recalculation(resources, [1]), await request_recalculation(resources, [2])
    await resources.broker.redis.flushall()
    await run_sql(resources, "UPDATE job SET status = 'succeeded' WHERE id = :id", id=done)
    async with resources.write() as tx:
        assert await sql.try_lock(tx, working_on)
        await requeue_abandoned(resources)
        assert await resources.broker.redis.keys("arq:*") == []
    await requeue_abandoned(resources)
    assert await resources.broker.redis.zrange(QUEUE_NAME, 0, -1) == [f"job:{working_on}".encode()]
    await run_queued_jobs(resources)


async def test_job_requested_without_redis_runs_later(settings: Settings, redis: EmbeddedRedis) -> None:
    """The mutation returns the job, which waits in PostgreSQL."""
    settings = settings.model_copy(update={"redis_url": redis.url})
    async with run_api(settings) as api, Resources.open(settings) as resources:
        cpu_id = await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
        answer = await api.data(RECALCULATE, Role.ADMIN)
        assert answer["recalculateMetrics"]["job"]["status"] == "QUEUED"
        assert (await api.data(RECALCULATE, Role.ADMIN)) == answer
        (asked,) = await all_jobs(resources)
        await requeue_abandoned(resources)
        redis.start()
        await requeue_abandoned(resources)
        await run_queued_jobs(resources)
        assert (await wait_until_job_ended(resources, asked.id)).status == "succeeded"
        assert await history_counts(resources) == [(cpu_id, 1)]


async def test_worker_requeues_and_makes_up_for_a_missed_schedule_at_start(settings: Settings) -> None:
    """The schedule was due a minute ago, without a worker."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).replace(second=0, microsecond=0)
    settings = settings.model_copy(update={"recalculation_at": at.time(), "verification_at": FAR, "clean_up_at": FAR})
    async with Resources.open(settings) as resources:
        await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
        forgotten = await request_recalculation(resources, [1])
        await resources.broker.redis.flushall()
        async with run_worker(resources):
            await wait_until_job_ended(resources, forgotten)
            night = await wait_until(lambda: scheduled_job_id(resources))
            row = await wait_until_job_ended(resources, night)
            assert (row.status, row.due_at, row.requested_by, row.total) == ("succeeded", at, "schedule", 1)
            assert await resources.broker.is_worker_alive()
        assert len(await all_jobs(resources)) == 2
        async with run_worker(resources):
            await wait_until(lambda: resources.broker.redis.exists(HEARTBEAT_KEY))
            await asyncio.sleep(0.5)
        assert len(await all_jobs(resources)) == 2, "a second start made the night's job again"


async def scheduled_job_id(resources: Resources) -> int | None:
    return next((row.id for row in await all_jobs(resources) if row.due_at), None)


async def test_scheduled_verification_repairs(settings: Settings) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=1)).replace(second=0, microsecond=0)
    settings = settings.model_copy(update={"recalculation_at": FAR, "verification_at": at.time(), "clean_up_at": FAR})
    async with Resources.open(settings) as resources:
        await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=100)
        await dispatch.run_in_foreground(resources, KIND, {})
        await run_sql(resources, "UPDATE cpu SET price_good = 1")
        async with run_worker(resources):
            row = await wait_until_job_ended(resources, await wait_until(lambda: scheduled_job_id(resources)))
        assert (row.kind, row.status, row.due_at, row.input) == ("verify_figures", "succeeded", at, {"fix": True})
        assert (row.total, row.succeeded, row.failed) == (2, 1, 1)
        await schedule_nightly_jobs(resources)
        assert len(await all_jobs(resources)) == 2, "it was made again"
        async with resources.read() as session:
            assert await session.scalar(text("SELECT price_good FROM cpu")) == 15


@pytest.mark.parametrize("seconds", [0, -1, 61, 120])
def test_invalid_poll_interval_is_rejected(seconds: float) -> None:
    with pytest.raises(ValidationError, match="poll_interval_seconds"):
        make_settings(poll_interval_seconds=seconds)
