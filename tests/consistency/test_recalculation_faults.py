"""Failures during a recalculation: real workers, Redis and PostgreSQL processes are killed.

The tests cover requested jobs and the change log. A gate holds the work half-way: a trigger that waits for a lock
after rows of `cpu` were written.
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
    """Lock that stops a recalculation after it has written, until the gate is opened."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def waiting(self) -> int | None:
        """Return the backend that waits for the gate."""
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
    """Create the gate in the database of the test."""
    async with gated(settings.required_database_url) as gate:
        yield gate
    await resources.broker.redis.flushall()


@pytest.fixture
async def cpus(resources: Resources) -> list[int]:
    return await add_cpus_without_figures(resources)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Directory with a path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="dm-") as directory:
        yield Path(directory)


async def add_cpus_without_figures(resources: Resources) -> list[int]:
    """Add three CPUs with mean prices of 15, 25 and 35, and an empty change log."""
    cpus = [
        await add_cpu(resources, f"AMD {number}", [10 * number, 10 * number + 10], cpu_mark_multi=1000)
        for number in (1, 2, 3)
    ]
    async with resources.write() as tx:
        await tx.execute(FORGET)
    return cpus


async def add_logged_listings(resources: Resources, cpus: list[int]) -> None:
    """Add a listing at 30 to each CPU, for mean prices of 20, 26.67 and 33.33."""
    async with resources.write() as tx:
        for cpu in cpus:
            await add_listing(tx, cpu, 30)


async def assert_changes_processed(resources: Resources, cpus: list[int]) -> None:
    """Wait until the change log is empty, and check that every change was processed once."""

    async def empty() -> bool:
        return await committed_change_log(resources) == []

    await wait_until(empty)
    assert await prices(resources) == [20, Decimal("26.67"), Decimal("33.33")]
    assert await history_counts(resources) == [(cpu, 1) for cpu in cpus]
    assert await all_jobs(resources) == []


async def prices(resources: Resources) -> list[Decimal | None]:
    async with resources.read() as session:
        return [row.price_good for row in await session.rows(text("SELECT price_good FROM cpu ORDER BY id"))]


async def assert_job_succeeded_once(resources: Resources, job_id: int, cpus: list[int], attempts: int) -> None:
    """Check that the job succeeded, and ran once."""
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
    """Its transaction is rolled back immediately, even during a statement, and another worker continues the job."""
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
    await assert_job_succeeded_once(resources, asked, cpus, attempts=2)


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
    await assert_job_succeeded_once(resources, asked, cpus, attempts=1)
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
    await assert_job_succeeded_once(resources, asked, cpus, attempts=2)


async def test_killed_redis_does_not_stop_the_job_or_the_worker(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    """The job finishes without Redis. The same worker process runs new jobs when Redis is back."""
    redis = EmbeddedRedis(folder)
    settings = settings.model_copy(update={"redis_url": redis.start()})
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources, gated(settings.required_database_url) as gate:
            cpus = await add_cpus_without_figures(resources)
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
            await assert_job_succeeded_once(resources, asked, cpus, attempts=1)
            assert (await job_row(resources, meanwhile)).status == "queued"
            redis.start()
            assert (await wait_until_job_ended(resources, meanwhile)).status == "succeeded"
            assert await prices(resources) == [20, 25, 35]
            assert worker.poll() is None
            await wait_until(resources.broker.is_worker_alive)
    finally:
        crew.dismiss()
        redis.stop()


async def test_worker_stops_without_redis(settings: Settings, folder: Path, tmp_path: Path) -> None:
    redis = EmbeddedRedis(folder)
    settings = settings.model_copy(update={"redis_url": redis.start()})
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources, gated(settings.required_database_url) as gate:
            await add_cpus_without_figures(resources)
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
    """The worker process keeps running."""
    postgres = EmbeddedPostgres(folder, durable=False)
    url = await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(schema_version.upgrade, url)
    settings = make_settings(database_url=url, redis_url=redis_url)
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources:
            cpus = await add_cpus_without_figures(resources)
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
            await assert_job_succeeded_once(resources, asked, cpus, attempts=2)
            assert worker.poll() is None
    finally:
        crew.dismiss()
        await asyncio.to_thread(postgres.stop)
    async with Resources.open(settings, listen=False) as resources:
        await resources.broker.redis.flushall()


async def test_killed_worker_leaves_the_change_log_to_another(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    """The change log is unchanged, and another worker processes it."""
    victim = crew.start()
    await asyncio.gather(add_logged_listings(resources, cpus), gate.reached())
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
    await assert_changes_processed(resources, cpus)


async def test_stopping_worker_finishes_its_batch(
    resources: Resources, crew: WorkerCrew, gate: Gate, cpus: list[int]
) -> None:
    worker = crew.start()
    await asyncio.gather(add_logged_listings(resources, cpus), gate.reached())
    worker.terminate()
    assert await exit_code(worker) == 0
    assert set(await committed_change_log(resources)) == set(cpus)
    await gate.open()
    crew.start()
    await assert_changes_processed(resources, cpus)


async def test_change_log_is_processed_without_redis(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{closed_port()}/0"})
    crew = WorkerCrew(settings, tmp_path / "output")
    try:
        async with Resources.open(settings) as resources:
            cpus = await add_cpus_without_figures(resources)
            worker = crew.start()
            await add_logged_listings(resources, cpus)
            await assert_changes_processed(resources, cpus)
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
            cpus = await add_cpus_without_figures(resources)
            connection = await asyncpg.connect(url)
            await connection.execute(GATE)
            await connection.execute("SELECT pg_advisory_lock(42)")
            worker = crew.start()
            await asyncio.gather(add_logged_listings(resources, cpus), Gate(connection).reached())
            await asyncio.to_thread(postgres.stop)
            await connection.close()
            await asyncio.to_thread(postgres.start)
            await resources.engine.dispose()
            await assert_changes_processed(resources, cpus)
            assert worker.poll() is None
    finally:
        crew.dismiss()
        await asyncio.to_thread(postgres.stop)
    async with Resources.open(settings, listen=False) as resources:
        await resources.broker.redis.flushall()
