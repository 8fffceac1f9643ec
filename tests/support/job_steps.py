"""Changes to the state of a job, as a worker makes them."""

from __future__ import annotations

from app.db.tables import JobKind
from app.job_queue import sql
from app.resources import Resources


async def create_queued_job(resources: Resources) -> int:
    """Create a queued job without a message."""
    async with resources.write() as tx:
        job_id = await sql.create(tx, JobKind.RECALCULATE_METRICS, {}, "test")
        tx.enqueued.clear()
    assert job_id is not None
    return job_id


async def advance_job(resources: Resources, job_id: int, step: str, done: int = 0) -> None:
    """Change the state of a job as a worker does."""
    async with resources.write() as tx:
        if step == "start":
            await sql.mark_running(tx, job_id)
        elif step == "progress":
            await sql.save_progress(tx, job_id, done, 10)
        else:
            await sql.mark_succeeded(tx, job_id, 10, 10, 0)
