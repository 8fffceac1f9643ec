"""Import of CPUs from a PassMark export or a CSV file."""

from __future__ import annotations

from pathlib import Path

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import BytesReadCallback, Records, ignore_progress
from app.bulk_import.staging import ImportOptions, ImportSummary, analyze, stage, write_rejects
from app.catalog import cpu_import_sql
from app.catalog.passmark import PassMarkRecords
from app.db.tables import Domain
from app.db.transaction import Transaction


def open_cpus(path: Path, encoding: str | None = None, progress: BytesReadCallback = ignore_progress) -> Records:
    """Open a file of CPUs: `.json` is a PassMark export, any other suffix is CSV.

    Raises BadInput if the file cannot be read.
    """
    if path.suffix.lower() == ".json":
        return PassMarkRecords(path, encoding, progress)
    return CsvRecords(path, cpu_import_sql.COLUMNS, ["name"], encoding, progress)


async def import_cpus(tx: Transaction, records: Records, options: ImportOptions) -> ImportSummary:
    """Create and update CPUs; rows are matched with stored CPUs by name.

    Raises BadInput if the records cannot be read, or if a row is rejected and `options.strict` is set.
    """
    query = cpu_import_sql.parse_query(records.columns)
    rows = await stage(tx.connection, cpu_import_sql.COLUMNS, records, "parsed_cpu", query)
    rejected = await write_rejects(tx.connection, "parsed_cpu", records.columns, options)
    await cpu_import_sql.lock_cpu_writers(tx)
    await tx.execute(cpu_import_sql.create_cpu_change(records.columns))
    superseded = await cpu_import_sql.count_superseded(tx)
    created, updated = await cpu_import_sql.merge(tx)
    if created or updated:
        tx.bump_version(Domain.CATALOG)
    await analyze(tx.connection, created + updated, "cpu")
    return ImportSummary(rows, created, updated, rows - created - updated - rejected, rejected, superseded)
