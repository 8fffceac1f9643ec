"""Jobs as their tests see them: asked for, read back, waited for."""

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
    """Asks for a recalculation as the mutation does; the job's id."""
    async with resources.write() as tx:
        return await request_job(tx, KIND, {} if cpu_ids is None else {"cpu_ids": list(cpu_ids)}, "tester")


async def all_jobs(resources: Resources) -> Sequence[Row[Any]]:
    """All jobs, oldest first."""
    async with resources.read() as session:
        return await session.rows(select(job).order_by(job.c.id))


async def job_row(resources: Resources, job_id: int) -> Row[Any]:
    """The row of this job."""
    (row,) = [row for row in await all_jobs(resources) if row.id == job_id]
    return row


async def wait_until_job_ended(resources: Resources, job_id: int, seconds: float = 90) -> Row[Any]:
    """The row of this job, once it is succeeded or failed."""

    async def look() -> Row[Any] | None:
        row = await job_row(resources, job_id)
        return row if row.finished_at is not None else None

    return await wait_until(look, seconds)


async def history_counts(resources: Resources) -> list[tuple[int, int]]:
    """(cpu_id, number of rows in the history of its figures), by cpu_id."""
    async with resources.read() as session:
        rows = await session.rows(text("SELECT cpu_id, count(*) AS times FROM figure_history GROUP BY 1 ORDER BY 1"))
    return [(row.cpu_id, row.times) for row in rows]


async def run_sql(resources: Resources, statement: str, **values: Any) -> None:
    """Runs one statement in a transaction of its own."""
    async with resources.write() as tx:
        await tx.execute(text(statement), values)
