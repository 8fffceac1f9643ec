"""Reading price changes in order, from any position of the feed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from app.core.errors import ExpiredCursor
from app.core.shared_cache import SharedCache
from app.db.tables import Domain
from app.events import sql
from app.events.sql import PriceChangeRow
from app.resources import Resources, Session

# Maximum number of changes that a subscriber has in memory.
CHUNK_SIZE = 200
# Number of newest changes that all subscribers of a process share in memory.
TAIL_SIZE = 200
# Number of older changes that they share while some of them catch up.
MAX_SHARED_ROWS = 5_000
EXPIRED_MESSAGE = (
    "Changes after this cursor have been deleted: query the current prices, then continue without a cursor."
)


class FeedPage(NamedTuple):
    """Successive price changes. `position`: where to read on. `has_more`: whether there are changes after it."""

    changes: Sequence[Any]
    position: int
    has_more: bool


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
) -> FeedPage:
    """Return the changes after `position`, of these CPUs or of all (None). Raises ExpiredCursor.

    Subscribers at the same position share one statement.
    """
    versions = resources.notifications.current_versions()
    if versions is None:  # notifications are lost, so it is unknown whether there are newer changes
        return await _read_page(resources, cpu_ids, position, limit)
    version = versions.get(Domain.EVENTS, 0)
    tail = await _tail(resources, version)
    if tail and position >= tail[0]["position"] - 1:
        rows = tail[bisect_right(tail, position, key=itemgetter("position")) :]
        if cpu_ids is not None:
            ids = frozenset(cpu_ids)
            rows = [row for row in rows if row["cpu_id"] in ids]
        return FeedPage(rows, max(position, tail[-1]["position"]), False)
    pages = await resources.versioned_cache.get_or_create("pages of price changes", version, _new_page_cache)
    key = (position, limit, None if cpu_ids is None else tuple(cpu_ids))

    async def compute(_: list[int]) -> list[FeedPage]:
        return [await _read_page(resources, cpu_ids, position, limit)]

    (page,) = await pages.get_or_compute([key], compute)
    return page


async def _new_page_cache() -> SharedCache[Hashable, FeedPage]:
    return SharedCache(MAX_SHARED_ROWS, lambda page: 1 + len(page.changes))


async def _read_page(resources: Resources, cpu_ids: Sequence[int] | None, position: int, limit: int) -> FeedPage:
    async with resources.read() as session:
        bounds = await sql.stream_bounds(session)
        if position < bounds.deleted:
            raise ExpiredCursor(EXPIRED_MESSAGE)
        if position >= bounds.latest:
            return FeedPage([], position, False)
        statement = sql.AFTER if cpu_ids is None else sql.AFTER_OF_CPUS
        values = {"after": position, "limit": limit, **({} if cpu_ids is None else {"ids": cpu_ids})}
        changes = await session.rows(statement, values, PriceChangeRow)
    has_more = len(changes) == limit
    return FeedPage(changes, changes[-1]["position"] if has_more else bounds.latest, has_more)


async def _tail(resources: Resources, version: int) -> Sequence[Any]:
    """Return the newest changes, oldest first, read once for all subscribers."""

    async def read() -> Sequence[Any]:
        async with resources.read() as session:
            return (await session.rows(sql.NEWEST, {"limit": TAIL_SIZE}, PriceChangeRow))[::-1]

    return await resources.versioned_cache.get_or_create("newest price changes", version, read)
