"""Going through the changes of prices in their order, from any position on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.errors import ExpiredCursor
from app.events import sql
from app.events.loaders import PriceChangeRow
from app.resources import Resources, Session

# How many changes a follower has in memory at most.
CHUNK = 200
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
