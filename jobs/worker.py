"""The worker process: arq around the functions of this package, for as long as it is not told to stop.

arq gives up when Redis goes away. This worker lets running jobs end, because they do not need Redis, and begins anew
when it is back.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC
from typing import Any

import structlog
from arq.cron import CronJob, cron
from arq.worker import Worker
from redis.exceptions import RedisError

from app.core.broker import HEARTBEAT_KEY, JOB_SECONDS, QUEUE_NAME, deserialize, serialize
from app.ingestion.extract.pipeline import open_fetcher
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.change_log import follow_changes
from jobs.daemons.events import follow_events
from jobs.daemons.imports import follow_imports
from jobs.tasks.clean_up import clean_up, nightly_clean_up
from jobs.tasks.recalculation import nightly_recalculation, recalculate_metrics
from jobs.tasks.sweep import sweep
from jobs.tasks.valuation import due_rules, revalue_listings
from jobs.tasks.verification import nightly_verification, verify_figures

log = structlog.get_logger()

HEARTBEAT_SECONDS = 5


class WorkerSettings:
    """What arq needs to know; `functions` are named after `app.db.tables.JobKind`."""

    functions: Sequence[Any] = (recalculate_metrics, verify_figures, clean_up, revalue_listings)


def crons(settings: Settings) -> list[CronJob]:
    """The clock: jobs whose message or worker was lost are told again; the jobs of the night are created."""
    at, verify_at = settings.recalculation_at, settings.verification_at
    clean_at = settings.clean_up_at
    step = max(1, round(settings.sweep_seconds))
    return [
        cron(sweep, second=set(range(0, 60, step)), run_at_startup=True),
        # At the start too: a worker that was down at the time makes up for it, if it is not too late.
        cron(nightly_recalculation, hour=at.hour, minute=at.minute, second=0, run_at_startup=True),
        cron(nightly_clean_up, hour=clean_at.hour, minute=clean_at.minute, second=0, run_at_startup=True),
        cron(due_rules, second=0, run_at_startup=True),
        cron(nightly_verification, hour=verify_at.hour, minute=verify_at.minute, second=0, run_at_startup=True),
    ]


def make_worker(resources: Resources, *, burst: bool = False) -> Worker:
    """An arq worker on these resources. In burst mode (tests) it has no clock and ends when the queue is empty."""
    return Worker(
        functions=WorkerSettings.functions,
        cron_jobs=None if burst else crons(resources.settings),
        redis_pool=resources.queue.redis,
        queue_name=QUEUE_NAME,
        ctx={"resources": resources},
        burst=burst,
        # A job works in one transaction and tells of its progress in others: more would wait for each other's.
        max_jobs=resources.settings.database_pool_size // 2,
        handle_signals=False,
        keep_result=0,
        max_tries=1_000_000,  # the job's row counts attempts
        job_timeout=JOB_SECONDS,
        poll_delay=0.05 if burst else 0.2,
        health_check_interval=HEARTBEAT_SECONDS,
        health_check_key=HEARTBEAT_KEY,
        job_serializer=serialize,
        job_deserializer=deserialize,
        timezone=UTC,
        log_results=False,
    )


async def run(settings: Settings) -> None:
    """Works until SIGINT or SIGTERM; then running jobs have `drain_seconds` to end."""
    _ = settings.webhooks  # raises StartupError now, and not in the background
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    async with Resources.open(settings) as resources, open_fetcher(settings) as fetcher:
        log.info("worker.started")
        followers = (follow_changes(resources), follow_events(resources), follow_imports(resources, fetcher))
        following = [asyncio.create_task(each) for each in followers]
        while not stopping.is_set():
            await _work(make_worker(resources), stopping)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)  # each has something to put away
    log.info("worker.stopped")


async def _work(worker: Worker, stopping: asyncio.Event) -> None:
    """One life of an arq worker: until Redis goes away or the process is to stop."""
    main = asyncio.ensure_future(worker.async_run())
    told: asyncio.Future[Any] = asyncio.ensure_future(stopping.wait())
    await asyncio.wait([main, told], return_when=asyncio.FIRST_COMPLETED)
    worker.allow_pick_jobs = False
    tasks = list(worker.tasks.values())
    jobs: asyncio.Future[Any] = asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait([jobs, told], return_when=asyncio.FIRST_COMPLETED)
    if stopping.is_set():
        await asyncio.wait([jobs], timeout=worker.ctx["resources"].settings.drain_seconds)
        with suppress(RedisError, OSError):
            await worker.pool.delete(HEARTBEAT_KEY)
    for task in [main, told, *tasks]:
        task.cancel()
    for result in await asyncio.gather(main, *tasks, return_exceptions=True):
        if isinstance(result, (RedisError, OSError)):
            log.warning("worker.redis_lost", error=str(result))
        elif isinstance(result, Exception):
            raise result
