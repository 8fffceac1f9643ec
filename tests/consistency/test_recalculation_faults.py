"""What dies in the middle of a recalculation, for real: workers, Redis and PostgreSQL as processes, and kill -9.

The same for a job that was asked for and for what the change log names.

The work is held half-way by a gate: a trigger that waits for a lock after rows of `cpu` were written.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from app.db import schema_version
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from app.resources import Resources
from app.settings import Settings
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.change_log import committed_change_log
from tests.support.jobs import all_jobs, history_counts, job_row, request_recalculation, wait_until_job_ended
from tests.support.ports import closed_port
from tests.support.settings import make_settings
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerCrew

GATE = """
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(42);
        RETURN NULL;
    END $$;
    CREATE TRIGGER gate AFTER UPDATE ON cpu FOR EACH STATEMENT EXECUTE FUNCTION gate();
"""
FORGET = text("DELETE FROM data_change_log")
AT_THE_GATE = """
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND objid = 42 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Gate:
    """Closed until it is opened; a recalculation that has written waits in front of it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def waiting(self) -> int | None:
        """The backend that waits in front of it."""
        found: int | None = await self.connection.fetchval(AT_THE_GATE)
        return found

    async def reached(self) -> int:
        return await wait_until(self.waiting)

    async def open(self) -> None:
        await self.connection.execute("SELECT pg_advisory_unlock(42)")


@asynccontextmanager
async def gated(url: str) -> AsyncIterator[Gate]:
    connection = await asyncpg.connect(url)
    await connection.execute(GATE)
    await connection.execute("SELECT pg_advisory_lock(42)")
    yield Gate(connection)
    await connection.close()


@pytest.fixture
def crew(settings: Settings, tmp_path: Path) -> Iterator[WorkerCrew]:
    crew = WorkerCrew(settings, tmp_path / "output")
    yield crew
    crew.dismiss()


@pytest.fixture
async def gate(resources: Resources, settings: Settings) -> AsyncIterator[Gate]:
    """In the test's database."""
    async with gated(settings.required_database_url) as gate:
        yield gate
    await resources.broker.redis.flushall()


@pytest.fixture
async def cpus(resources: Resources) -> list[int]:
    return await fill(resources)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="dm-") as directory:
        yield Path(directory)


async def fill(resources: Resources) -> list[int]:
    """Three CPUs whose mean prices are 15, 25 and 35. Nothing is in the change log: whoever wants figures must ask."""
    cpus = [
        await add_cpu(resources, f"AMD {number}", [10 * number, 10 * number + 10], cpu_mark_multi=1000)
        for number in (1, 2, 3)
    ]
    async with resources.write() as tx:
        await tx.execute(FORGET)
    return cpus


async def change(resources: Resources, cpus: list[int]) -> None:
    """A further listing at 30 for each, which the change log tells: mean prices of 20, 26.67 and 33.33."""
    async with resources.write() as tx:
        for cpu in cpus:
            await add_listing(tx, cpu, 30)


async def changed(resources: Resources, cpus: list[int]) -> None:
    """Soon nothing is left to do, and every change was worked off once."""

    async def empty() -> bool:
        return await committed_change_log(resources) == []

    await wait_until(empty)
    assert await prices(resources) == [20, Decimal("26.67"), Decimal("33.33")]
    assert await history_counts(resources) == [(cpu, 1) for cpu in cpus]
    assert await all_jobs(resources) == []


async def prices(resources: Resources) -> list[Decimal | None]:
    async with resources.read() as session:
        return [row.price_good for row in await session.rows(text("SELECT price_good FROM cpu ORDER BY id"))]


async def is_right(resources: Resources, job_id: int, cpus: list[int], attempts: int) -> None:
    """The job is done, and was counted once."""
    row = await wait_until_job_ended(resources, job_id)
    assert (row.status, row.total, row.done, row.succeeded, row.failed) == ("succeeded", 3, 3, 3, 0)
    assert (row.error, row.attempts) == (None, attempts)
    assert await prices(resources) == [15, 25, 35]
    assert await history_counts(resources) == [(cpu, 1) for cpu in cpus]


async def exit_code(worker: subprocess.Popen[bytes], seconds: float = 90) -> int:
    return await asyncio.to_thread(worker.wait, seconds)


async def test_killed_worker_is_replaced_by_another(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    """Its transaction goes at once, even in the middle of a statement; another worker takes the job up."""
    asked = await request_recalculation(resources)
    victim = crew.start()
    backend = await gate.reached()
    row = await job_row(resources, asked)
    assert (row.status, row.attempts) == ("running", 1)
    crew.start()
    victim.kill()

    async def another() -> bool:
        return await gate.waiting() not in (None, backend)

    await wait_until(another)
    assert await prices(resources) == [None, None, None]
    await gate.open()
    await is_right(resources, asked, cpus, attempts=2)


async def test_stopping_worker_finishes_its_job(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    asked = await request_recalculation(resources)
    worker = crew.start()
    await gate.reached()
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        await exit_code(worker, 0.5)
    later = await request_recalculation(resources, cpus)
    await gate.open()
    assert await exit_code(worker) == 0
    await is_right(resources, asked, cpus, attempts=1)
    assert (await job_row(resources, later)).status == "queued"
    assert not await resources.broker.is_worker_alive()


async def test_job_that_exceeds_the_shutdown_timeout_is_continued_later(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    asked = await request_recalculation(resources)
    worker = crew.start(DEALMARK_SHUTDOWN_TIMEOUT_SECONDS="0.2")
    await gate.reached()
    worker.terminate()
    assert await exit_code(worker) == 0
    row = await job_row(resources, asked)
    assert (row.status, row.attempts) == ("running", 1)
    assert await prices(resources) == [None, None, None]
    await gate.open()
    crew.start()
    await is_right(resources, asked, cpus, attempts=2)


async def test_killed_redis_does_not_stop_the_job_or_the_worker(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    """The job ends without it; the same worker process takes new ones when it is back."""
    redis = EmbeddedRedis(folder)
    settings = settings.model_copy(update={"redis_url": redis.start()})
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources, gated(settings.required_database_url) as gate:
            cpus = await fill(resources)
            asked = await request_recalculation(resources)
            worker = crew.start()
            await gate.reached()
            os.kill(int((folder / "redis.pid").read_text()), signal.SIGKILL)
            await wait_until(lambda: asyncio.sleep(0, not redis.is_running()))
            async with resources.write() as tx:
                await add_listing(tx, cpus[0], 30)
                await tx.execute(FORGET)
            meanwhile = await request_recalculation(resources, [cpus[0]])
            await gate.open()
            await is_right(resources, asked, cpus, attempts=1)
            assert (await job_row(resources, meanwhile)).status == "queued"
            redis.start()
            assert (await wait_until_job_ended(resources, meanwhile)).status == "succeeded"
            assert await prices(resources) == [20, 25, 35]
            assert worker.poll() is None
            assert await resources.broker.is_worker_alive()
    finally:
        crew.dismiss()
        redis.stop()


async def test_worker_stops_without_redis(settings: Settings, folder: Path, tmp_path: Path) -> None:
    redis = EmbeddedRedis(folder)
    settings = settings.model_copy(update={"redis_url": redis.start()})
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources, gated(settings.required_database_url) as gate:
            await fill(resources)
            await request_recalculation(resources)
            worker = crew.start(DEALMARK_SHUTDOWN_TIMEOUT_SECONDS="0.2")
            await gate.reached()
            redis.stop()
            await asyncio.sleep(0.5)
            worker.terminate()
            assert await exit_code(worker) == 0
    finally:
        crew.dismiss()
        redis.stop()


async def test_restarted_postgresql_costs_an_attempt_and_not_the_job(
    redis_url: str, folder: Path, tmp_path: Path
) -> None:
    """The attempt is lost and the job is not; the worker process lives on."""
    postgres = EmbeddedPostgres(folder, durable=False)
    url = await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(schema_version.upgrade, url)
    settings = make_settings(database_url=url, redis_url=redis_url)
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources:
            cpus = await fill(resources)
            asked = await request_recalculation(resources)
            connection = await asyncpg.connect(url)
            await connection.execute(GATE)
            await connection.execute("SELECT pg_advisory_lock(42)")
            worker = crew.start()
            await Gate(connection).reached()
            await asyncio.to_thread(postgres.stop)
            await connection.close()
            await asyncio.to_thread(postgres.start)
            await resources.engine.dispose()
            await is_right(resources, asked, cpus, attempts=2)
            assert worker.poll() is None
    finally:
        crew.dismiss()
        await asyncio.to_thread(postgres.stop)
    async with Resources.open(settings, listen=False) as resources:
        await resources.broker.redis.flushall()


async def test_killed_worker_leaves_the_change_log_to_another(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    """The log is as it was; another worker, which was waiting for its turn, takes it up."""
    victim = crew.start()
    await asyncio.gather(change(resources, cpus), gate.reached())
    backend = await gate.reached()
    logged = await committed_change_log(resources)
    assert set(logged) == set(cpus)
    crew.start()
    victim.kill()

    async def another() -> bool:
        return await gate.waiting() not in (None, backend)

    await wait_until(another)
    assert await committed_change_log(resources) == logged
    assert await prices(resources) == [None, None, None]
    await gate.open()
    await changed(resources, cpus)


async def test_stopping_worker_finishes_its_batch(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    worker = crew.start()
    await asyncio.gather(change(resources, cpus), gate.reached())
    worker.terminate()
    assert await exit_code(worker) == 0
    assert set(await committed_change_log(resources)) == set(cpus)
    await gate.open()
    crew.start()
    await changed(resources, cpus)


async def test_change_log_is_processed_without_redis(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{closed_port()}/0"})
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources:
            cpus = await fill(resources)
            worker = crew.start()
            await change(resources, cpus)
            await changed(resources, cpus)
            assert worker.poll() is None
    finally:
        crew.dismiss()


async def test_restarted_postgresql_repeats_the_batch(redis_url: str, folder: Path, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(folder, durable=False)
    url = await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(schema_version.upgrade, url)
    settings = make_settings(database_url=url, redis_url=redis_url)
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources:
            cpus = await fill(resources)
            connection = await asyncpg.connect(url)
            await connection.execute(GATE)
            await connection.execute("SELECT pg_advisory_lock(42)")
            worker = crew.start()
            await asyncio.gather(change(resources, cpus), Gate(connection).reached())
            await asyncio.to_thread(postgres.stop)
            await connection.close()
            await asyncio.to_thread(postgres.start)
            await resources.engine.dispose()
            await changed(resources, cpus)
            assert worker.poll() is None
    finally:
        crew.dismiss()
        await asyncio.to_thread(postgres.stop)
    async with Resources.open(settings, listen=False) as resources:
        await resources.broker.redis.flushall()
