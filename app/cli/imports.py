"""`dealmark import`: import CPUs, listings, price snapshots and exchange rates from files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.connect import connected_settings, open_resources, start_console_logging
from app.core.errors import BadInput

if TYPE_CHECKING:
    from app.bulk_import.records import BytesReadCallback, Records
    from app.bulk_import.staging import ImportOptions, ImportSummary
    from app.db.transaction import Transaction
    from app.settings import Settings

    OpenFile = Callable[[Path, str | None, BytesReadCallback], Records]
    Load = Callable[[Transaction, Records, ImportOptions], Awaitable[ImportSummary]]

import_app = typer.Typer(no_args_is_help=True, help="Import CPUs, listings, prices and exchange rates from files.")

File = Annotated[Path, typer.Argument(help="The file to import.", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="If a row is invalid, import nothing and exit with 1.")]
Rejects = Annotated[
    Path | None,
    typer.Option(
        help="File for rejected rows. By default, FILE.rejected.csv in the current directory.", show_default=False
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of a file that is not UTF-8 and has no BOM, such as cp1252.", show_default=False),
]


@import_app.command()
def cpus(file: File, strict: Strict = False, rejects: Rejects = None, encoding: Encoding = None) -> None:
    """Import CPUs from the JSON export of PassMark or from CSV.

    CSV columns: name, manufacturer, socket, category, cores, threads, tdp_w,
    release_year, cpu_mark_multi, cpu_mark_single, igpu_model, igpu_mark.
    Only name is required.
    """
    from app.catalog.cpu_import import import_cpus, open_cpus

    _run(file, strict, rejects, encoding, open_cpus, import_cpus)


@import_app.command()
def listings(file: File, strict: Strict = False, rejects: Rejects = None, encoding: Encoding = None) -> None:
    """Import listings from CSV.

    Columns: title, cpu, price, currency, condition, marketplace, seller,
    vendor_item_id, url, status, seen_at, shipping.
    The columns title, cpu, price and marketplace are required.
    """
    from app.market.imports.importer import import_listings, open_listings

    _run(file, strict, rejects, encoding, open_listings, import_listings)


@import_app.command()
def prices(
    file: File,
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            help="Day of the snapshot. By default, the name of the file if it is YYYY-MM-DD.csv.",
            show_default=False,
        ),
    ] = None,
    strict: Strict = False,
    rejects: Rejects = None,
    encoding: Encoding = None,
) -> None:
    """Import a snapshot of retail prices from CSV.

    Columns: name, price (USD; empty if the CPU is not on sale).
    """
    from app.market.imports.importer import import_prices, open_prices

    snapshot_date = day.date() if day else _date_in_name(file)

    async def load(tx: Transaction, records: Records, options: ImportOptions) -> ImportSummary:
        return await import_prices(tx, records, options, snapshot_date)

    _run(file, strict, rejects, encoding, open_prices, load)


@import_app.command()
def rates(file: File, strict: Strict = False, rejects: Rejects = None, encoding: Encoding = None) -> None:
    """Import exchange rates from CSV.

    Columns: date, currency, rate (USD per unit). The files of the European
    Central Bank, with a column per currency, can be imported unchanged.
    """
    from app.valuation.rate_import import import_rates, open_rates

    _run(file, strict, rejects, encoding, open_rates, import_rates)


def _date_in_name(file: Path) -> date:
    """Return the date in the name of a file. Raises BadInput if there is none."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", file.stem):
        try:
            return date.fromisoformat(file.stem)
        except ValueError:
            pass
    raise BadInput(f"The name of {file.name} is not a date: rename it to YYYY-MM-DD.csv, or pass --date.")


def _run(file: Path, strict: bool, rejects: Path | None, encoding: str | None, open_file: OpenFile, load: Load) -> None:
    """Import a file and print a summary."""
    from app.bulk_import.staging import ImportOptions

    settings = connected_settings()
    start_console_logging(settings)
    options = ImportOptions(rejects or Path(f"{file.name}.rejected.csv"), strict)
    if options.rejects_path.exists() and file.exists() and options.rejects_path.samefile(file):
        raise BadInput(f"{file} is the file to import: pass another one as --rejects.")
    with _progress(file) as progress:
        # Opened before the database is used, so that a file that cannot be read is reported first.
        records = open_file(file, encoding, progress)
        if ignored_columns := getattr(records, "ignored_columns", None):
            typer.echo(f"Ignored columns: {', '.join(ignored_columns)}.", err=True)
        summary = asyncio.run(_load(settings, records, options, load))
    if rejects is None and not summary.rejected:
        options.rejects_path.unlink(missing_ok=True)  # written by an earlier import of this file
    _print_summary(summary, options)


async def _load(settings: Settings, records: Records, options: ImportOptions, load: Load) -> ImportSummary:
    async with open_resources(settings) as resources, resources.write() as tx:
        return await load(tx, records, options)


def _print_summary(summary: ImportSummary, options: ImportOptions) -> None:
    if summary.superseded:
        typer.echo(f"Rows superseded by another row of the file for the same item: {summary.superseded:,}.")
    for note in summary.notes:
        typer.echo(note)
    counts = ("rows", "created", "updated", "unchanged", "rejected")
    typer.echo(", ".join(f"{getattr(summary, name):,} {name}" for name in counts) + ".")
    if not summary.created and not summary.updated:
        typer.echo("Nothing changed.")
    if summary.rejected:
        typer.echo(f"Rejected rows, with reasons: {options.rejects_path}")


@contextmanager
def _progress(file: Path) -> Iterator[BytesReadCallback]:
    """Show progress: a bar on a terminal, otherwise a line for every tenth of the file."""
    from rich.console import Console

    size = file.stat().st_size if file.is_file() else 0
    console = Console(stderr=True)
    if console.is_terminal:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("Reading", total=size)

            def draw(done: int) -> None:
                bar.update(task, completed=done, description="Reading" if done < size else "Merging")

            yield draw
    else:
        yield _ProgressLines(size)


class _ProgressLines:
    """Prints progress as plain lines, for logs and pipes."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._printed_tenths = 0

    def __call__(self, done: int) -> None:
        tenths = 10 * done // self._size
        if tenths > self._printed_tenths:
            self._printed_tenths = tenths
            typer.echo(f"Read {10 * tenths} % ({done / 1e6:,.1f} MB)." + " Merging." * (tenths == 10), err=True)
