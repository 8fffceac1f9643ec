"""Data retention of imports: delete old pages, sessions and fetches."""

from __future__ import annotations

from datetime import timedelta

from app.db.tables import Domain
from app.ingestion import retention_sql
from app.resources import Resources

BATCH_SIZE = 1_000
# Smaller, because a session has up to 1,000 rows, which are deleted with it.
SESSION_BATCH_SIZE = 20


async def delete_old_payloads(resources: Resources) -> int:
    """Delete pages older than the retention period; their offers remain. Returns the number of pages."""
    retention = timedelta(days=resources.settings.payloads_retention_days)
    return await resources.write_in_batches(lambda tx: retention_sql.delete_old_payloads(tx, retention, BATCH_SIZE))


async def delete_old_imports(resources: Resources) -> int:
    """Delete sessions that ended before the retention period, and then the fetches that no session refers to.

    The listings remain. Returns the number of sessions.
    """
    retention = timedelta(days=resources.settings.imports_retention_days)
    deleted = await resources.write_in_batches(
        lambda tx: retention_sql.delete_old_sessions(tx, retention, SESSION_BATCH_SIZE), Domain.WORK
    )
    last_id: int | None = 0
    while last_id is not None:
        async with resources.write() as tx:
            last_id = await retention_sql.delete_old_fetches(tx, retention, last_id, BATCH_SIZE)
    return deleted
