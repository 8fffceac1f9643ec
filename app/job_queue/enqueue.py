"""Functions that create and enqueue jobs."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from math import nan
from typing import Any

from app.db.tables import JobKind
from app.db.transaction import Transaction
from app.job_queue import sql
from app.resources import Resources, Session

MAX_SCHEDULE_DELAY = timedelta(hours=2)


async def request_job(tx: Transaction, kind: JobKind, job_input: dict[str, Any], requested_by: str) -> int:
    """Return the id of a queued job for this work, which is new or was already waiting."""
    job_id = None
    while job_id is None:  # a waiting job that starts at this moment may not see the newest data: look again
        job_id = await sql.create(tx, kind, job_input, requested_by)
    return job_id


async def schedule_job(
    tx: Transaction, kind: JobKind, at: time, now: datetime, job_input: dict[str, Any] | None = None
) -> int | None:
    """Create the job that was due at the last `at` (UTC).

    Return None if it has been created before, or is more than MAX_SCHEDULE_DELAY late.
    """
    due_at = datetime.combine(now.date(), at, tzinfo=UTC)
    if due_at > now:
        due_at -= timedelta(days=1)
    if now - due_at > MAX_SCHEDULE_DELAY:
        return None
    return await sql.create(tx, kind, job_input or {}, "schedule", due_at)


async def requeue_abandoned(resources: Resources) -> None:
    """Enqueue again every unfinished job that no worker runs and that is not in the queue.

    A message may be lost with Redis, and a worker may die. The row in `job` is authoritative.
    """
    async with resources.write() as tx:
        jobs = await sql.lock_abandoned(tx)
    for job in jobs:
        if not await resources.broker.enqueue(job.kind, job.id):
            return  # Redis is unavailable, and each attempt may take its timeout


async def latest_success_ratio(session: Session, kind: JobKind) -> float:
    """Return succeeded items / all items of the job of this kind that finished last; NaN if there is none."""
    job = await sql.latest_success(session, kind)
    return nan if job is None else job.succeeded / job.total if job.total else 1.0
