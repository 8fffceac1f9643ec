"""Import of CPUs, from PassMark's export or a CSV file."""

from __future__ import annotations

from pathlib import Path

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import Progress, Records, no_progress
from app.bulk_import.staging import Options, Summary, analyze, reject, stage
from app.catalog import cpu_import_sql
from app.catalog.passmark import PassMarkRecords
from app.db.tables import Domain
from app.db.transaction import Tx


def open_cpus(path: Path, encoding: str | None = None, progress: Progress = no_progress) -> Records:
    """The rows of a file of CPUs: `.json` is PassMark's export, anything else CSV. Raises BadInput."""
    if path.suffix.lower() == ".json":
        return PassMarkRecords(path, encoding, progress)
    return CsvRecords(path, cpu_import_sql.COLUMNS, ["name"], encoding, progress)


async def import_cpus(tx: Tx, records: Records, options: Options) -> Summary:
    """Creates and updates CPUs by name. Raises BadInput when the records are unreadable, or bad and `strict`."""
    query = cpu_import_sql.read(records.columns)
    rows = await stage(tx.connection, cpu_import_sql.COLUMNS, records, "read_cpu", query)
    rejected = await reject(tx.connection, "read_cpu", records.columns, options)
    await cpu_import_sql.lock(tx)
    await tx.execute(cpu_import_sql.match(records.columns))
    superseded = await cpu_import_sql.superseded(tx)
    created, updated = await cpu_import_sql.merge(tx)
    if created or updated:
        tx.touch(Domain.CATALOG)
    await analyze(tx.connection, created + updated, "cpu")
    return Summary(rows, created, updated, rows - created - updated - rejected, rejected, superseded)
