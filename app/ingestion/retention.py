"""What is forgotten of imports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.db.tables import Domain
from app.ingestion import retention_sql
from app.resources import Resources

BATCH = 1_000
# A session has up to 1,000 rows, which go with it.
SESSIONS = 20


async def delete_old_payloads(resources: Resources) -> int:
    """Deletes pages that were stored more than `keep_payloads_days` ago; what they came to stays. Returns how many."""
    before = _days_ago(resources.settings.keep_payloads_days)
    return await resources.write_in_batches(lambda tx: retention_sql.delete_old_payloads(tx, before, BATCH))


async def delete_old_imports(resources: Resources) -> int:
    """Deletes sessions that ended more than `keep_imports_days` ago, with their rows, and then what was fetched for
    nobody who could still ask about it; the listings stay. Returns the number of sessions."""
    before = _days_ago(resources.settings.keep_imports_days)
    deleted = await resources.write_in_batches(
        lambda tx: retention_sql.delete_old_sessions(tx, before, SESSIONS), Domain.WORK
    )
    upto: int | None = 0
    while upto is not None:
        async with resources.write() as tx:
            upto = await retention_sql.delete_old_fetches(tx, before, upto, BATCH)
    return deleted


def _days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
