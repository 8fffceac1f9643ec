"""Import of exchange rates from CSV: `date,currency,rate` in USD per unit, or a file of the European Central Bank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import BytesReadCallback, NumberedRow, Records, RejectedRow, ignore_progress
from app.bulk_import.staging import ImportOptions, ImportSummary, stage, write_rejects
from app.core.errors import BadInput
from app.db.tables import JobKind
from app.db.transaction import Transaction
from app.job_queue.enqueue import request_job
from app.valuation import rate_import_sql
from app.valuation.currencies import CURRENCIES

_CODES = CURRENCIES.lower().split()
# Cells of the European Central Bank for a currency without a rate.
_NO_RATE = frozenset({"", "N/A", "n/a", "-"})
EURO = "EUR"


class EcbRates:
    """Rows of `date,currency,rate` in USD per unit, read from a table of the European Central Bank.

    The table has a row per day and a column per currency, in units per euro. Each row is converted with its own rate of
    the USD; a row without one is rejected.
    """

    columns: Sequence[str] = rate_import_sql.COLUMNS

    def __init__(self, table: CsvRecords) -> None:
        self._table = table
        self._names = [name.upper() for name in table.columns]
        self.ignored_columns = table.ignored_columns

    def __iter__(self) -> Iterator[NumberedRow]:
        """Yield a row for the euro and one for each currency that has a rate."""
        for line, cells in self._table:
            if isinstance(cells, RejectedRow):
                yield line, cells
                continue
            row = dict(zip(self._names, map(str.strip, cells), strict=True))
            day, usd_per_euro = _iso_date(row.pop("DATE")), _number(row.pop(rate_import_sql.BASE_CURRENCY))
            if usd_per_euro is None or usd_per_euro <= 0:
                yield line, RejectedRow("the row has no rate of the USD, which converts the other rates", cells)
                continue
            yield line, [day, EURO, str(usd_per_euro)]
            for currency, per_euro in row.items():
                if per_euro not in _NO_RATE:
                    yield line, [day, currency, _usd_per_unit(per_euro, usd_per_euro)]


def open_rates(path: Path, encoding: str | None = None, progress: BytesReadCallback = ignore_progress) -> Records:
    """Open a file of rates in either form. Raises BadInput if it cannot be read or has neither form."""
    table = CsvRecords(path, [*rate_import_sql.COLUMNS, *_CODES], ["date"], encoding, progress)
    if "currency" in table.columns or "rate" in table.columns:
        return CsvRecords(path, rate_import_sql.COLUMNS, rate_import_sql.COLUMNS, encoding, progress)
    if "usd" not in table.columns:
        raise BadInput(
            f"{path.name} needs the columns date, currency and rate (USD per unit), or date and a column per "
            "currency, including USD (units per EUR)."
        )
    return EcbRates(table)


async def import_rates(tx: Transaction, records: Records, options: ImportOptions) -> ImportSummary:
    """Store rates and request a job that revalues the listings in currencies with new rates.

    Raises BadInput if the records cannot be read, or if a row is rejected and `options.strict` is set.
    """
    rows = await stage(tx.connection, rate_import_sql.COLUMNS, records, "parsed_rate", rate_import_sql.PARSE_QUERY)
    rejected = await write_rejects(tx.connection, "parsed_rate", records.columns, options)
    superseded = await rate_import_sql.mark_superseded(tx)
    created, updated, currencies, since = await rate_import_sql.merge(tx)
    notes: tuple[str, ...] = ()
    if since is not None:
        job_input = {"currencies": list(currencies), "since": since.isoformat()}
        job_id = await request_job(tx, JobKind.REVALUE_LISTINGS, job_input, "import of rates")
        notes = (f"Job {job_id} revalues the listings in {len(currencies)} currencies.",)
    return ImportSummary(rows, created, updated, rows - created - updated - rejected, rejected, superseded, notes)


def _iso_date(cell: str) -> str:
    """Return the date in ISO 8601: the bank's daily file has "21 November 2025", its history 2025-11-21."""
    with suppress(ValueError):
        return datetime.strptime(cell, "%d %B %Y").date().isoformat()  # noqa: DTZ007 - a day, no time
    return cell


def _number(cell: str) -> Decimal | None:
    try:
        number = Decimal(cell)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _usd_per_unit(per_euro: str, usd_per_euro: Decimal) -> str:
    """Return USD per unit of the currency; an invalid cell is returned unchanged, so that the import rejects it."""
    number = _number(per_euro)
    if number is None or number <= 0:
        return per_euro
    with localcontext(prec=40):
        return f"{usd_per_euro / number:.{rate_import_sql.DECIMALS}f}"
