"""Imports of files that a test writes, each in its own transaction."""

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
    """Imports texts as files in `folder`; `rejects` and `reasons` describe the rejected rows."""

    def __init__(self, resources: Resources, folder: Path) -> None:
        self.resources = resources
        self.folder = folder
        self.rejects_file = folder / REJECTS
        self.domains: set[str] = set()  # data domains that the last import changed

    @property
    def rejects(self) -> list[str]:
        """Lines of the file of rejected rows, without the header; empty if there is no file."""
        return self.rejects_file.read_text().splitlines()[1:] if self.rejects_file.exists() else []

    @property
    def reasons(self) -> list[tuple[int, str]]:
        """Line number and reason of each rejected row."""
        if not self.rejects_file.exists():
            return []
        with self.rejects_file.open(newline="") as file:
            return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]

    def file(self, content: str | bytes, name: str = "file.csv") -> Path:
        """Write a file and return its path."""
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
        """Import records and commit."""
        self.rejects_file.unlink(missing_ok=True)
        async with self.resources.write() as tx:
            summary = await load(tx, records, ImportOptions(self.rejects_file, strict))
            self.domains = {str(domain) for domain in tx.changed_domains}
        return summary

    async def cpus(self, content: str, *, strict: bool = False, name: str = "cpus.csv") -> ImportSummary:
        """Import CPUs from a file with this content."""
        return await self.load(open_cpus(self.file(content, name)), import_cpus, strict=strict)

    async def listings(self, content: str | bytes, *, strict: bool = False) -> ImportSummary:
        """Import listings from a file with this content."""
        return await self.load(open_listings(self.file(content)), import_listings, strict=strict)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        async with self.resources.read() as session:
            return [tuple(row) for row in await session.rows(text(query))]


def checked_counts(summary: ImportSummary) -> Sequence[int]:
    """Return the numbers of created, updated, unchanged and rejected rows, after checking their sum."""
    parts = (summary.created, summary.updated, summary.unchanged, summary.rejected)
    assert sum(parts) == summary.rows
    return parts
