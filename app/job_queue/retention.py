"""Data retention of jobs."""

from __future__ import annotations

from datetime import timedelta

from app.db.tables import Domain
from app.job_queue import sql
from app.resources import Resources

BATCH_SIZE = 5_000


async def delete_old_jobs(resources: Resources) -> int:
    """Delete jobs that finished before the retention period, except the last success of each kind.

    Return how many were deleted.
    """
    retention = timedelta(days=resources.settings.jobs_retention_days)
    return await resources.write_in_batches(lambda tx: sql.delete_old(tx, retention, BATCH_SIZE), Domain.WORK)
