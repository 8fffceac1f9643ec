"""Helpers to request, read and wait for jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, text

from app.db.tables import JobKind, job
from app.job_queue.enqueue import request_job
from app.resources import Resources
from tests.support.waiting import wait_until

KIND = JobKind.RECALCULATE_METRICS


async def request_recalculation(resources: Resources, cpu_ids: Sequence[int] | None = None) -> int:
    """Request a recalculation as the mutation does. Return the id of the job."""
    async with resources.write() as tx:
        return await request_job(tx, KIND, {} if cpu_ids is None else {"cpu_ids": list(cpu_ids)}, "tester")


async def all_jobs(resources: Resources) -> Sequence[Row[Any]]:
    """Return all jobs, oldest first."""
    async with resources.read() as session:
        return await session.rows(select(job).order_by(job.c.id))


async def job_row(resources: Resources, job_id: int) -> Row[Any]:
    """Return the row of a job."""
    (row,) = [row for row in await all_jobs(resources) if row.id == job_id]
    return row


async def wait_until_job_ended(resources: Resources, job_id: int, seconds: float = 90) -> Row[Any]:
    """Wait until a job has succeeded or failed. Return its row."""

    async def look() -> Row[Any] | None:
        row = await job_row(resources, job_id)
        return row if row.finished_at is not None else None

    return await wait_until(look, seconds)


async def history_counts(resources: Resources) -> list[tuple[int, int]]:
    """Return pairs of CPU id and number of rows in its figure history, ordered by id."""
    async with resources.read() as session:
        rows = await session.rows(text("SELECT cpu_id, count(*) AS times FROM figure_history GROUP BY 1 ORDER BY 1"))
    return [(row.cpu_id, row.times) for row in rows]


async def run_sql(resources: Resources, statement: str, **values: Any) -> None:
    """Run a statement in its own transaction."""
    async with resources.write() as tx:
        await tx.execute(text(statement), values)
