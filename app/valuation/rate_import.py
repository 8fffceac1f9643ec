"""The import of exchange rates: `date,currency,rate` in USD per unit, or the European Central Bank's own files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import Fault, Progress, Records, Row, no_progress
from app.bulk_import.staging import Options, Summary, reject, stage
from app.core.errors import BadInput
from app.db.tables import JobKind
from app.db.transaction import Tx
from app.job_queue.enqueue import request_job
from app.valuation import rate_import_sql
from app.valuation.currencies import CURRENCIES

_CODES = CURRENCIES.lower().split()
# What the bank writes where a currency had no rate.
_NONE = frozenset({"", "N/A", "n/a", "-"})
EURO = "EUR"


class BankRates:
    """The bank's table, a column per currency in units per euro, as rows of `date,currency,rate` in USD per unit.

    Euros become USD through the row's own rate of the USD; a row without one is a fault.
    """

    columns: Sequence[str] = rate_import_sql.COLUMNS

    def __init__(self, table: CsvRecords) -> None:
        self._table = table
        self._names = [name.upper() for name in table.columns]
        self.ignored = table.ignored

    def __iter__(self) -> Iterator[Row]:
        for line, cells in self._table:
            if isinstance(cells, Fault):
                yield line, cells
                continue
            row = dict(zip(self._names, map(str.strip, cells), strict=True))
            day, dollars = _iso(row.pop("DATE")), _number(row.pop(rate_import_sql.BASE))
            if dollars is None or dollars <= 0:
                yield line, Fault("the row has no rate of the USD, which the others are converted by", cells)
                continue
            yield line, [day, EURO, str(dollars)]
            for currency, per_euro in row.items():
                if per_euro not in _NONE:
                    yield line, [day, currency, _converted(per_euro, dollars)]


def open_rates(path: Path, encoding: str | None = None, progress: Progress = no_progress) -> Records:
    """The rates of a file of either form. Raises BadInput."""
    table = CsvRecords(path, [*rate_import_sql.COLUMNS, *_CODES], ["date"], encoding, progress)
    if "currency" in table.columns or "rate" in table.columns:
        return CsvRecords(path, rate_import_sql.COLUMNS, rate_import_sql.COLUMNS, encoding, progress)
    if "usd" not in table.columns:
        raise BadInput(
            f"{path.name} has neither the columns date, currency and rate (USD per unit), nor date and a column per "
            "currency, with USD among them (units per EUR)."
        )
    return BankRates(table)


async def import_rates(tx: Tx, records: Records, options: Options) -> Summary:
    """Stores rates, and has the listings valued anew that they concern. Raises BadInput like the other imports."""
    rows = await stage(tx.connection, rate_import_sql.COLUMNS, records, "read_rate", rate_import_sql.READ)
    rejected = await reject(tx.connection, "read_rate", records.columns, options)
    superseded = await rate_import_sql.supersede(tx)
    created, updated, currencies, since = await rate_import_sql.merge(tx)
    notes: tuple[str, ...] = ()
    if since is not None:
        concerned = {"currencies": list(currencies), "since": since.isoformat()}
        job_id = await request_job(tx, JobKind.REVALUE_LISTINGS, concerned, "import of rates")
        notes = (f"A worker values the listings in {len(currencies)} currencies anew: job {job_id}.",)
    return Summary(rows, created, updated, rows - created - updated - rejected, rejected, superseded, notes)


def _iso(written: str) -> str:
    """The bank's daily file says "21 November 2025", its history 2025-11-21."""
    with suppress(ValueError):
        return datetime.strptime(written, "%d %B %Y").date().isoformat()  # noqa: DTZ007 - a day, no time
    return written


def _number(written: str) -> Decimal | None:
    try:
        number = Decimal(written)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _converted(per_euro: str, dollars: Decimal) -> str:
    """USD per unit; a cell that is no usable number as it is, for the import to reject."""
    number = _number(per_euro)
    if number is None or number <= 0:
        return per_euro
    with localcontext(prec=40):
        return f"{dollars / number:.{rate_import_sql.DECIMALS}f}"
