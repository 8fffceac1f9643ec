"""Reading price changes in order, from any position of the feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.errors import ExpiredCursor
from app.db.tables import Domain
from app.events import sql
from app.events.sql import PriceChangeRow
from app.resources import Resources, Session

# Maximum number of changes that a subscriber has in memory.
CHUNK_SIZE = 200
# Number of newest changes that all subscribers of a process share in memory.
TAIL_SIZE = 200
EXPIRED_MESSAGE = (
    "Changes after this cursor have been deleted: query the current prices, then continue without a cursor."
)


async def start_position(session: Session, since: str | None) -> int:
    """Return the position after which a subscriber starts to read.

    This is the position of the cursor `since`, the end of the feed for None, and its beginning for an empty string.
    Raises BadCursor, and ExpiredCursor if changes after the cursor were deleted.
    """
    bounds = await sql.stream_bounds(session)
    if since is None:
        return bounds.latest
    if not since:
        return bounds.deleted
    position: int = sql.OLDEST_FIRST.decode(since)[0]
    if position < bounds.deleted:
        raise ExpiredCursor(EXPIRED_MESSAGE)
    return position


async def read_after(
    resources: Resources, cpu_ids: Sequence[int] | None, position: int, limit: int = CHUNK_SIZE
) -> tuple[Sequence[Any], int, bool]:
    """Return changes after `position`, of these CPUs or of all (None).

    Also return the position up to which the changes are complete, and whether there are more. Raises ExpiredCursor.
    """
    tail = await _tail(resources)
    if tail and position >= tail[0]["position"] - 1:
        ids = None if cpu_ids is None else frozenset(cpu_ids)
        rows = [row for row in tail if row["position"] > position and (ids is None or row["cpu_id"] in ids)]
        return rows, max(position, tail[-1]["position"]), False
    async with resources.read() as session:
        bounds = await sql.stream_bounds(session)
        if position < bounds.deleted:
            raise ExpiredCursor(EXPIRED_MESSAGE)
        if position >= bounds.latest:
            return [], position, False
        statement = sql.AFTER if cpu_ids is None else sql.AFTER_OF_CPUS
        values = {"after": position, "limit": limit, **({} if cpu_ids is None else {"ids": cpu_ids})}
        changes = await session.rows(statement, values, PriceChangeRow)
    has_more = len(changes) == limit
    return changes, changes[-1]["position"] if has_more else bounds.latest, has_more


async def _tail(resources: Resources) -> Sequence[Any]:
    """Return the newest changes, oldest first, read once for all subscribers; none while notifications are lost."""
    versions = resources.notifications.current_versions()
    if versions is None:
        return []

    async def read() -> Sequence[Any]:
        async with resources.read() as session:
            return (await session.rows(sql.NEWEST, {"limit": TAIL_SIZE}, PriceChangeRow))[::-1]

    version = versions.get(Domain.EVENTS, 0)
    return await resources.versioned_cache.get_or_create("newest price changes", version, read)
