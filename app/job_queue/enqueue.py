"""Asking for work: what other domains may do with jobs."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from math import nan
from typing import Any

from app.db.tables import JobKind
from app.db.transaction import Tx
from app.job_queue import sql
from app.resources import Resources, Session

LATEST = timedelta(hours=2)


async def request_job(tx: Tx, kind: JobKind, content: dict[str, Any], requested_by: str) -> int:
    """The id of a queued job for this work, new or already waiting."""
    job_id = None
    while job_id is None:  # again when the one that waited started at this moment: it may not see the newest data
        job_id = await sql.create(tx, kind, content, requested_by)
    return job_id


async def succeeded_ratio(session: Session, kind: JobKind) -> float:
    """Succeeded items of all items, in the job of this kind that ended last; NaN when none has."""
    row = await sql.latest(session, kind)
    return nan if row is None else row.succeeded / row.total if row.total else 1.0


async def schedule_job(
    tx: Tx, kind: JobKind, at: time, now: datetime, content: dict[str, Any] | None = None
) -> int | None:
    """Creates the job due at the last `at` (UTC), once; None when it is there already or more than two hours late."""
    due = datetime.combine(now.date(), at, tzinfo=UTC)
    if due > now:
        due -= timedelta(days=1)
    if now - due > LATEST:
        return None
    return await sql.create(tx, kind, content or {}, "schedule", due)


async def requeue_abandoned(resources: Resources) -> None:
    """Enqueue again every unfinished job that is neither running nor in the queue.

    A message may be lost with Redis, and a worker may die. The row in `job` is authoritative.
    """
    async with resources.write() as tx:
        jobs = await sql.orphans(tx)
    for job in jobs:
        await resources.queue.tell(job.kind, job.id)
