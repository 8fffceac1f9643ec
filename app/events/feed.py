"""Going through the changes of prices in their order, from any position on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.errors import ExpiredCursor
from app.db.tables import Domain
from app.events import sql
from app.events.sql import PriceChangeRow
from app.resources import Resources, Session

# How many changes a follower has in memory at most.
CHUNK = 200
# The newest changes, which all who follow are told of at the same time.
TAIL = 200
EXPIRED = "Changes after this cursor are not kept any more: read the prices that matter anew, and go on without it."


async def begin(session: Session, since: str | None) -> int:
    """The position to begin after: that of a cursor; the end without one, and for an empty text what is kept first.

    Raises BadCursor, and ExpiredCursor when something after it was deleted.
    """
    ends = await sql.ends(session)
    if since is None:
        return ends.latest
    if not since:
        return ends.deleted
    position: int = sql.OLDEST_FIRST.decode(since)[0]
    if position < ends.deleted:
        raise ExpiredCursor(EXPIRED)
    return position


async def read_on(
    resources: Resources, cpus: Sequence[int] | None, position: int, chunk: int = CHUNK
) -> tuple[Sequence[Any], int, bool]:
    """Changes (of these CPUs; None: all) after this position, the position up to which that is all, and whether there
    are more now. Raises ExpiredCursor."""
    tail = await _tail(resources)
    if tail and position >= tail[0]["position"] - 1:
        wanted = None if cpus is None else frozenset(cpus)
        news = [row for row in tail if row["position"] > position and (wanted is None or row["cpu_id"] in wanted)]
        return news, max(position, tail[-1]["position"]), False
    async with resources.read() as session:
        ends = await sql.ends(session)
        if position < ends.deleted:
            raise ExpiredCursor(EXPIRED)
        if position >= ends.latest:
            return [], position, False
        of_cpus = {} if cpus is None else {"ids": cpus}
        statement = sql.AFTER if cpus is None else sql.AFTER_OF_CPUS
        rows = await session.rows(statement, {"after": position, "limit": chunk, **of_cpus}, PriceChangeRow)
    full = len(rows) == chunk
    return rows, rows[-1]["position"] if full else ends.latest, full


async def _tail(resources: Resources) -> Sequence[Any]:
    """The newest changes, the oldest of them first: read once for all who follow. Empty while news are lost."""
    versions = resources.changes.current()
    if versions is None:
        return []

    async def read() -> Sequence[Any]:
        async with resources.read() as session:
            return (await session.rows(sql.NEWEST, {"limit": TAIL}, PriceChangeRow))[::-1]

    return await resources.kept.at("newest price changes", versions.get(Domain.EVENTS, 0), read)
