"""What the tests of the imports share: files written as somebody might have, imports in a transaction of their own."""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.bulk_import.records import Records
from app.bulk_import.staging import ImportOptions, ImportSummary
from app.catalog.cpu_import import import_cpus, open_cpus
from app.db.transaction import Transaction
from app.market.imports.importer import import_listings, open_listings
from app.resources import Resources

REJECTS = "rejected.csv"


class FileImporter:
    """Imports texts as files of `folder`; rejected rows are in `rejects`."""

    def __init__(self, resources: Resources, folder: Path) -> None:
        self.resources = resources
        self.folder = folder
        self.rejects_file = folder / REJECTS
        self.domains: set[str] = set()  # that the last import touched

    @property
    def rejects(self) -> list[str]:
        """Lines of the file of rejects after the header; none when there is no file."""
        return self.rejects_file.read_text().splitlines()[1:] if self.rejects_file.exists() else []

    @property
    def reasons(self) -> list[tuple[int, str]]:
        """Line and reason of the rejected rows."""
        if not self.rejects_file.exists():
            return []
        with self.rejects_file.open(newline="") as file:
            return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]

    def file(self, content: str | bytes, name: str = "file.csv") -> Path:
        """Writes a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def load(
        self,
        records: Records,
        load: Callable[[Transaction, Records, ImportOptions], Awaitable[ImportSummary]],
        *,
        strict: bool = False,
    ) -> ImportSummary:
        """One import, committed."""
        self.rejects_file.unlink(missing_ok=True)
        async with self.resources.write() as tx:
            summary = await load(tx, records, ImportOptions(self.rejects_file, strict))
            self.domains = {str(domain) for domain in tx.changed_domains}
        return summary

    async def cpus(self, content: str, *, strict: bool = False, name: str = "cpus.csv") -> ImportSummary:
        """Imports CPUs."""
        return await self.load(open_cpus(self.file(content, name)), import_cpus, strict=strict)

    async def listings(self, content: str | bytes, *, strict: bool = False) -> ImportSummary:
        """Imports listings."""
        return await self.load(open_listings(self.file(content)), import_listings, strict=strict)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        async with self.resources.read() as session:
            return [tuple(row) for row in await session.rows(text(query))]


def checked_counts(summary: ImportSummary) -> Sequence[int]:
    """created, updated, unchanged, rejected; that they add up is checked here for every import of the tests."""
    parts = (summary.created, summary.updated, summary.unchanged, summary.rejected)
    assert sum(parts) == summary.rows
    return parts
