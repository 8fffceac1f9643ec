"""What is forgotten of jobs."""

from __future__ import annotations

from datetime import timedelta

from app.resources import Resources
from app.tables import Domain
from app.work import sql

BATCH = 5_000


async def delete_old_jobs(resources: Resources) -> int:
    """Deletes jobs that ended more than `keep_jobs_days` ago, but not the last success of each kind; how many."""
    keep, deleted, last = timedelta(days=resources.settings.keep_jobs_days), 0, None
    while last != 0:
        async with resources.write() as tx:
            last = await sql.delete_old(tx, keep, BATCH)
            if last:
                tx.touch(Domain.WORK)
        deleted += last
    return deleted
