"""Jobs that a test moves from state to state, as a worker would."""

from __future__ import annotations

from app.db.tables import JobKind
from app.job_queue import sql
from app.resources import Resources


async def create_queued_job(resources: Resources) -> int:
    """A queued job that no worker is told of."""
    async with resources.write() as tx:
        job_id = await sql.create(tx, JobKind.RECALCULATE_METRICS, {}, "test")
        tx.enqueued.clear()
    assert job_id is not None
    return job_id


async def advance_job(resources: Resources, job_id: int, step: str, done: int = 0) -> None:
    """Moves the job as a worker would."""
    async with resources.write() as tx:
        if step == "start":
            await sql.mark_running(tx, job_id)
        elif step == "progress":
            await sql.save_progress(tx, job_id, done, 10)
        else:
            await sql.mark_succeeded(tx, job_id, 10, 10, 0)
