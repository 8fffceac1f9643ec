"""CPUs of rows that call them by no name of the catalogue: matched like titles, and only when certain."""

from __future__ import annotations

from app.catalog.title_matcher import make_matcher
from app.db.transaction import Tx
from app.market.imports import merge_sql
from app.titles.matcher import Matcher


class Names:
    """Finds the CPUs of a file, chunk by chunk; `statement` finds those whose names are in the catalogue.

    The matcher is made for the first name that is not: a file of known names needs none.
    """

    def __init__(self, tx: Tx, statement: str) -> None:
        self.tx = tx
        self.statement = statement
        self._matcher: Matcher | None = None

    async def find(self) -> None:
        """Of the chunk that is staged now."""
        names = await merge_sql.name_cpus(self.tx, self.statement)
        if not names:
            return
        if self._matcher is None:
            self._matcher = await make_matcher(self.tx)
        found = [self._matcher.match(name) for name in names]
        cpu_ids = [None if match.cpu is None else match.cpu.id for match in found]
        await merge_sql.settle_names(self.tx, names, cpu_ids, [_doubt(match.reason) for match in found])


def _doubt(reason: str) -> str:
    """A sentence as the second part of one."""
    return reason[:1].lower() + reason[1:].rstrip(".")
