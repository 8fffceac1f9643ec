"""Runs one job, exactly once in effect.

One transaction holds the lock of the job, does its work, and writes its result. If the worker dies, all three are
rolled back, and another worker starts the job again. A second worker that receives the same job finds it locked or
finished.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from app.core.metrics import JOBS
from app.core.progress import ProgressCallback
from app.db.tables import JobKind
from app.db.transaction import Transaction
from app.job_queue import sql
from app.resources import Resources

log = structlog.get_logger()

# A job that was started this often without finishing probably kills its worker.
MAX_ATTEMPTS = 5
PROGRESS_INTERVAL_SECONDS = 0.25


class JobResult(Protocol):
    """What a job handler returns: the numbers of processed items, with succeeded + failed = total."""

    @property
    def total(self) -> int: ...
    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...


@dataclass(frozen=True)
class JobRun:
    """One attempt to run a job.

    Handlers do their work in `tx`. Some work in transactions of their own, which stay committed if the job fails.
    """

    resources: Resources
    tx: Transaction
    job_id: int
    input: dict[str, Any]
    report_progress: ProgressCallback


JobHandler = Callable[[JobRun], Awaitable[JobResult]]


async def run_job(resources: Resources, kind: JobKind, job_id: int, handler: JobHandler) -> JobResult | None:
    """Run a queued job.

    Return None if it is not waiting, another worker runs it, it failed, or it is of another kind (a damaged message).
    """
    with structlog.contextvars.bound_contextvars(job_id=job_id):
        try:
            return await _run_locked(resources, kind, job_id, handler)
        except Exception:
            log.exception("job.attempt_failed")
            # The row still says "running", but its lock is free: the worker enqueues the job again periodically.
            return None


async def run_job_in_foreground(
    resources: Resources, kind: JobKind, job_input: dict[str, Any], handler: JobHandler
) -> JobResult:
    """Create a job and run it in the same transaction. Workers cannot see the job before it has finished."""
    async with resources.write() as tx:
        job_id = await sql.create_running(tx, kind, job_input, "command line")
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            result = await handler(JobRun(resources, tx, job_id, job_input, _ignore_progress))
        await sql.mark_succeeded(tx, job_id, result.total, result.succeeded, result.failed)
    return result


async def _ignore_progress(_done: int, _total: int) -> None:
    """Discard progress: the job is not visible yet."""


async def _run_locked(resources: Resources, kind: JobKind, job_id: int, handler: JobHandler) -> JobResult | None:
    async with resources.write() as tx:
        if not await sql.try_lock(tx, job_id):
            return None
        job = await sql.get_unfinished(tx, job_id)
        if job is None or job.kind != kind:
            return None
        if reason := _reason_to_give_up(job.attempts, job.too_late):
            log.error("job.given_up", reason=reason)
            JOBS.labels(job.kind, "failed").inc()
            await sql.mark_failed(tx, job_id, reason)
            return None
        async with resources.write() as status_tx:
            await sql.mark_running(status_tx, job_id)
        result = await handler(JobRun(resources, tx, job_id, job.input, _progress_writer(resources, job_id)))
        await sql.mark_succeeded(tx, job_id, result.total, result.succeeded, result.failed)
    JOBS.labels(job.kind, "succeeded").inc()
    return result


def _reason_to_give_up(attempts: int, too_late: bool) -> str | None:
    if too_late and attempts == 0:
        return f"Skipped: it could not start within {sql.MAX_START_DELAY} of its time."
    if attempts >= MAX_ATTEMPTS:
        return f"Given up after {attempts} attempts; see the worker's log for the reason."
    return None


def _progress_writer(resources: Resources, job_id: int) -> ProgressCallback:
    """Return a callback that writes progress in transactions of its own, at most every PROGRESS_INTERVAL_SECONDS."""
    last_write = 0.0

    async def write_progress(done: int, total: int) -> None:
        nonlocal last_write
        if time.monotonic() - last_write < PROGRESS_INTERVAL_SECONDS:
            return
        last_write = time.monotonic()
        async with resources.write() as status_tx:
            await sql.save_progress(status_tx, job_id, done, total)

    return write_progress
