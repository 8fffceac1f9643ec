"""What is forgotten of imports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.ingestion import work_sql
from app.resources import Resources

BATCH = 1_000


async def delete_old_payloads(resources: Resources) -> int:
    """Deletes pages that were stored more than `keep_payloads_days` ago; what they came to stays. Returns how many."""
    before = datetime.now(UTC) - timedelta(days=resources.settings.keep_payloads_days)
    deleted, last = 0, None
    while last != 0:
        async with resources.write() as tx:
            last = await work_sql.delete_old_payloads(tx, before, BATCH)
        deleted += last
    return deleted
