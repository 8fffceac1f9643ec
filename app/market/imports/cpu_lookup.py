"""CPUs of rows with a name that the catalogue does not have: the name is matched like a title."""

from __future__ import annotations

from app.catalog.title_matcher import build_matcher
from app.db.transaction import Transaction
from app.market.imports import merge_sql
from app.titles.matcher import TitleMatcher


class CpuNameResolver:
    """Finds the CPUs of a file, chunk by chunk, and stores them in the temporary table `cpu_match`.

    `find_known_names` is the statement that finds names of the catalogue. Other names are matched like titles, which
    finds a CPU only if the match is certain. The matcher is built for the first of them: most files need none.
    """

    def __init__(self, tx: Transaction, find_known_names: str) -> None:
        self.tx = tx
        self.find_known_names = find_known_names
        self._matcher: TitleMatcher | None = None

    async def resolve_staged(self) -> None:
        """Resolve the names of the chunk that is staged now."""
        names = await merge_sql.fill_cpu_match(self.tx, self.find_known_names)
        if not names:
            return
        if self._matcher is None:
            self._matcher = await build_matcher(self.tx)
        matches = [self._matcher.match(name) for name in names]
        cpu_ids = [None if match.cpu is None else match.cpu.id for match in matches]
        reasons = [_as_clause(match.reason) for match in matches]
        await merge_sql.save_name_matches(self.tx, names, cpu_ids, reasons)


def _as_clause(sentence: str) -> str:
    """Return a sentence in the form that follows a colon: lower case at the start, no period."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")
