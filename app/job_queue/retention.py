"""What is forgotten of jobs."""

from __future__ import annotations

from datetime import timedelta

from app.db.tables import Domain
from app.job_queue import sql
from app.resources import Resources

BATCH = 5_000


async def delete_old_jobs(resources: Resources) -> int:
    """Deletes jobs that ended more than `keep_jobs_days` ago, but not the last success of each kind; how many."""
    keep = timedelta(days=resources.settings.keep_jobs_days)
    return await resources.write_in_batches(lambda tx: sql.delete_old(tx, keep, BATCH), Domain.WORK)
