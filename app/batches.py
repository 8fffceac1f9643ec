"""Much work in small transactions: nobody waits long for the rows that one has in hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from app.db.tables import Domain
from app.db.transaction import Tx
from app.resources import Resources


async def until_none_is_left(
    resources: Resources, batch: Callable[[Tx], Awaitable[int]], domain: Domain | None = None
) -> int:
    """Calls `batch`, which tells how many rows it changed, in one transaction after the other, until there were none.

    `domain` is what has changed whenever there were some; None: nothing that anybody is shown. Returns how many in all.
    """
    total = 0
    while True:
        async with resources.write() as tx:
            done = await batch(tx)
            if done and domain is not None:
                tx.touch(domain)
        if not done:
            return total
        total += done
