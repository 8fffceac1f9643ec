"""The worker process: runs queued jobs with arq, and the daemons.

arq stops when Redis is lost. This worker then lets running jobs finish, because they do not need Redis, and starts arq
again when Redis is back.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from arq.worker import Worker
from redis.exceptions import RedisError

from app.core.broker import HEARTBEAT_KEY, JOB_TIMEOUT_SECONDS, QUEUE_NAME, deserialize, serialize
from app.core.waiting import wait_for_event
from app.db.errors import is_unavailable
from app.db.write_access import SchemaMismatch
from app.ingestion.extract.pipeline import create_fetcher
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.change_log import follow_change_log
from jobs.daemons.events import follow_events
from jobs.daemons.imports import follow_imports
from jobs.daemons.schedule import follow_schedule
from jobs.tasks.clean_up import clean_up
from jobs.tasks.recalculation import recalculate_metrics
from jobs.tasks.valuation import revalue_listings
from jobs.tasks.verification import verify_figures

log = structlog.get_logger()

HEARTBEAT_INTERVAL_SECONDS = 5.0
HEARTBEAT_TTL_SECONDS = 10
ARQ_RESTART_INTERVAL_SECONDS = 1.0

# Messages in the queue name these functions by the values of `JobKind`.
JOB_FUNCTIONS: Sequence[Any] = (recalculate_metrics, verify_figures, clean_up, revalue_listings)


async def run(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM; then wait up to `shutdown_timeout_seconds` for running jobs.

    Raise SchemaMismatch if the database was migrated by another version, before the start or meanwhile.
    """
    _ = settings.webhooks  # raises StartupError for invalid webhooks before anything is started
    shutdown = _shutdown_event()
    async with Resources.open(settings) as resources, create_fetcher(settings) as fetcher:
        await _check_schema(resources)
        log.info("worker.started")
        daemons = [
            asyncio.create_task(follow_change_log(resources)),
            asyncio.create_task(follow_events(resources)),
            asyncio.create_task(follow_imports(resources, fetcher)),
            asyncio.create_task(follow_schedule(resources)),
        ]
        for daemon in daemons:
            daemon.add_done_callback(lambda _: shutdown.set())  # a daemon ends only with an error
        while not shutdown.is_set():
            await _run_arq(create_arq_worker(resources), shutdown)
            await wait_for_event(shutdown, ARQ_RESTART_INTERVAL_SECONDS)
        for daemon in daemons:
            daemon.cancel()
        results = await asyncio.gather(*daemons, return_exceptions=True)  # they release their locks and leases
    log.info("worker.stopped")
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _check_schema(resources: Resources) -> None:
    """Raise SchemaMismatch unless the database has the schema of the code. It may also be down: jobs wait for it."""
    try:
        await resources.check_schema()
    except SchemaMismatch:
        raise
    except Exception as error:
        if not is_unavailable(error):
            raise
        log.warning("worker.database_unavailable", error=str(error))


class JobWorker(Worker):
    """An arq worker with a heartbeat that continues when the clock of the machine is set back."""

    _heartbeat_at = float("-inf")

    async def heart_beat(self) -> None:
        """Write the heartbeat. arq calls this each time that it has polled the queue."""
        if time.monotonic() - self._heartbeat_at >= HEARTBEAT_INTERVAL_SECONDS:
            self._heartbeat_at = time.monotonic()
            await self.pool.set(HEARTBEAT_KEY, b"1", ex=HEARTBEAT_TTL_SECONDS)


def _shutdown_event() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set."""
    shutdown = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, shutdown.set)
    return shutdown


async def _run_arq(worker: Worker, shutdown: asyncio.Event) -> None:
    """Run an arq worker until Redis is lost or shutdown is requested."""
    main: asyncio.Future[Any] = asyncio.ensure_future(worker.async_run())
    shutdown_wait: asyncio.Future[Any] = asyncio.ensure_future(shutdown.wait())
    await asyncio.wait([main, shutdown_wait], return_when=asyncio.FIRST_COMPLETED)
    worker.allow_pick_jobs = False
    tasks = list(worker.tasks.values())
    running_jobs: asyncio.Future[Any] = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait([running_jobs, shutdown_wait], return_when=asyncio.FIRST_COMPLETED)
    if shutdown.is_set():
        await asyncio.wait([running_jobs], timeout=worker.ctx["resources"].settings.shutdown_timeout_seconds)
        with suppress(RedisError, OSError):
            await worker.pool.delete(HEARTBEAT_KEY)
    for task in [main, shutdown_wait, *tasks]:
        task.cancel()
    for result in await asyncio.gather(main, *tasks, return_exceptions=True):
        if isinstance(result, (RedisError, OSError)):
            log.warning("worker.redis_lost", error=str(result))
        elif isinstance(result, Exception):
            raise result


def create_arq_worker(resources: Resources, *, burst: bool = False) -> Worker:
    """Create an arq worker. In burst mode (tests) it stops when the queue is empty."""
    return JobWorker(
        functions=JOB_FUNCTIONS,
        redis_pool=resources.broker.redis,
        queue_name=QUEUE_NAME,
        ctx={"resources": resources},
        burst=burst,
        # A job needs two database connections, for its work and for its progress.
        max_jobs=resources.settings.database_pool_size // 2,
        handle_signals=False,
        keep_result=0,
        max_tries=1_000_000,  # attempts are counted in the row of the job
        job_timeout=JOB_TIMEOUT_SECONDS,
        poll_delay=0.05 if burst else 0.2,
        job_serializer=serialize,
        job_deserializer=deserialize,
        log_results=False,
    )
