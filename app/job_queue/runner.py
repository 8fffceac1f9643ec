"""Runs one job, exactly once in effect.

The transaction that does the work also holds the job's lock and writes its outcome. A worker that dies takes all three
with it, and the next one starts afresh; a second worker that hears of the same job finds it locked or finished.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from app.core.metrics import JOBS
from app.db.tables import JobKind
from app.db.transaction import Tx
from app.job_queue import sql
from app.resources import Resources

log = structlog.get_logger()

# A job that was started this often and never ended would only bring down the next worker too.
MAX_ATTEMPTS = 5
PROGRESS_SECONDS = 0.25


class Outcome(Protocol):
    """What a job's work returns: succeeded + failed = total."""

    @property
    def total(self) -> int: ...
    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...


Progress = Callable[[int, int], Awaitable[None]]
Perform = Callable[[Tx, int, dict[str, Any], Progress], Awaitable[Outcome]]


async def run(resources: Resources, job_id: int, perform: Perform) -> Outcome | None:
    """Runs the job with `perform(tx, job_id, input, progress)`. None when there was nothing to do or it failed."""
    with structlog.contextvars.bound_contextvars(job_id=job_id):
        try:
            return await _run(resources, job_id, perform)
        except Exception:
            log.exception("job.attempt_failed")
            # The row still says running, its lock is free: the sweep brings it back until the attempts are used up.
            return None


async def run_now(resources: Resources, kind: JobKind, content: dict[str, Any], perform: Perform) -> Outcome:
    """Runs work in the foreground. Its job appears, finished, when it commits: until then no worker can find it."""
    async with resources.write() as tx:
        job_id = await sql.create_running(tx, kind, content, "command line")
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            outcome = await perform(tx, job_id, content, _ignore)
        await sql.succeed(tx, job_id, outcome.total, outcome.succeeded, outcome.failed)
    return outcome


async def _ignore(_done: int, _total: int) -> None:
    """Nobody can see the progress of a job that is not committed."""


async def _run(resources: Resources, job_id: int, perform: Perform) -> Outcome | None:
    async with resources.write() as tx:
        if not await sql.claim(tx, job_id):
            return None
        job = await sql.unfinished(tx, job_id)
        if job is None:
            return None
        if reason := _hopeless(job.attempts, job.too_late):
            log.error("job.given_up", reason=reason)
            JOBS.labels(job.kind, "failed").inc()
            await sql.fail(tx, job_id, reason)
            return None
        async with resources.write() as aside:
            await sql.start(aside, job_id)
        outcome = await perform(tx, job_id, job.input, _reporter(resources, job_id))
        await sql.succeed(tx, job_id, outcome.total, outcome.succeeded, outcome.failed)
    JOBS.labels(job.kind, "succeeded").inc()
    return outcome


def _hopeless(attempts: int, too_late: bool) -> str | None:
    if too_late and attempts == 0:
        return f"Skipped: it could not start within {sql.TOO_LATE} of its time."
    if attempts >= MAX_ATTEMPTS:
        return f"Given up after {attempts} attempts; the worker's log tells why."
    return None


def _reporter(resources: Resources, job_id: int) -> Progress:
    """Writes progress in transactions of its own, so that it is seen before the work commits; a few times a second."""
    last = 0.0

    async def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last < PROGRESS_SECONDS:
            return
        last = time.monotonic()
        async with resources.write() as aside:
            await sql.progress(aside, job_id, done, total)

    return report
