"""`dealmark import`: CPUs, listings, price snapshots and exchange rates from files."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.connect import connected_settings, told_plainly
from app.core.errors import BadInput

if TYPE_CHECKING:
    from app.bulk_import.records import BytesReadCallback, Records
    from app.bulk_import.staging import ImportOptions, ImportSummary
    from app.db.transaction import Transaction
    from app.settings import Settings

    Open = Callable[[Path, str | None, BytesReadCallback], Records]
    Load = Callable[[Transaction, Records, ImportOptions], Awaitable[ImportSummary]]

import_app = typer.Typer(no_args_is_help=True, help="Import CPUs, listings, prices and exchange rates from files.")

File = Annotated[Path, typer.Argument(help="The file to import.", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="Load nothing if any row is bad, and exit with 1.")]
Rejects = Annotated[
    Path | None,
    typer.Option(
        help="Where to write rejected rows. Without: FILE.rejected.csv in this directory.", show_default=False
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(help="Encoding of a file that is not UTF-8 and has no BOM, such as cp1252.", show_default=False),
]


@import_app.command()
def cpus(file: File, strict: Strict = False, rejects: Rejects = None, encoding: Encoding = None) -> None:
    """Import CPUs: PassMark's export (.json) or CSV.

    CSV columns: name, manufacturer, socket, category, cores, threads, tdp_w, release_year, cpu_mark_multi,
    cpu_mark_single, igpu_model, igpu_mark; only name is required.
    """
    from app.catalog.cpu_import import import_cpus, open_cpus

    _run(file, strict, rejects, encoding, open_cpus, import_cpus)


@import_app.command()
def listings(file: File, strict: Strict = False, rejects: Rejects = None, encoding: Encoding = None) -> None:
    """Import listings from CSV.

    Columns: title, cpu, price, currency, condition, marketplace, seller, vendor_item_id, url, status, seen_at,
    shipping; title, cpu, price and marketplace are required.
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
            help="Day of the snapshot. Without: the file's name, if it is YYYY-MM-DD.csv.",
            show_default=False,
        ),
    ] = None,
    strict: Strict = False,
    rejects: Rejects = None,
    encoding: Encoding = None,
) -> None:
    """Import a snapshot of retail prices from CSV: name, price (in USD, empty where not on sale)."""
    from app.market.imports.importer import import_prices, open_prices

    taken = day.date() if day else _date_of(file)

    async def load(tx: Transaction, records: Records, options: ImportOptions) -> ImportSummary:
        return await import_prices(tx, records, options, taken)

    _run(file, strict, rejects, encoding, open_prices, load)


@import_app.command()
def rates(file: File, strict: Strict = False, rejects: Rejects = None, encoding: Encoding = None) -> None:
    """Import exchange rates from CSV: date, currency, rate (USD per unit).

    The files of the European Central Bank (date, USD, JPY, ... per EUR) are read as they are.
    """
    from app.valuation.rate_import import import_rates, open_rates

    _run(file, strict, rejects, encoding, open_rates, import_rates)


def _date_of(file: Path) -> date:
    """The date in the file's name. Raises BadInput when there is none."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", file.stem):
        try:
            return date.fromisoformat(file.stem)
        except ValueError:
            pass
    raise BadInput(f"{file.name} does not say of which day it is: name it YYYY-MM-DD.csv, or give --date.")


def _run(file: Path, strict: bool, rejects: Path | None, encoding: str | None, open_file: Open, load: Load) -> None:
    """Opens and loads a file, and tells about it."""
    from app.bulk_import.staging import ImportOptions
    from app.core.logging import configure_logging

    settings = connected_settings()
    configure_logging(settings.log_format or "console", "ERROR", sys.stderr)
    options = ImportOptions(rejects or Path(f"{file.name}.rejected.csv"), strict)
    if options.rejects_path.exists() and file.exists() and options.rejects_path.samefile(file):
        raise BadInput(f"{file} is the file to import: give another one for the rejected rows.")
    with _progress(file) as progress:
        # Opened first: a file that cannot be read is told without a look at the database.
        records = open_file(file, encoding, progress)
        if ignored := getattr(records, "ignored", None):
            typer.echo(f"Ignored columns: {', '.join(ignored)}.", err=True)
        summary = asyncio.run(_load(settings, records, options, load))
    if rejects is None and not summary.rejected:
        options.rejects_path.unlink(missing_ok=True)  # of an earlier import of this file, whose faults are mended
    _tell(summary, options)


async def _load(settings: Settings, records: Records, options: ImportOptions, load: Load) -> ImportSummary:
    from app.resources import Resources

    with told_plainly():
        async with Resources.open(settings, listen=False) as resources, resources.write() as tx:
            return await load(tx, records, options)


def _tell(summary: ImportSummary, options: ImportOptions) -> None:
    if summary.superseded:
        typer.echo(f"Superseded by another row about the same thing in the file: {summary.superseded:,}.")
    for note in summary.notes:
        typer.echo(note)
    counts = ("rows", "created", "updated", "unchanged", "rejected")
    typer.echo(", ".join(f"{getattr(summary, name):,} {name}" for name in counts) + ".")
    if not summary.created and not summary.updated:
        typer.echo("Nothing changed.")
    if summary.rejected:
        typer.echo(f"The rejected rows and why: {options.rejects_path}")


@contextmanager
def _progress(file: Path) -> Iterator[BytesReadCallback]:
    """A bar on a terminal; elsewhere a line for every tenth of the file."""
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
        yield _Lines(size)


class _Lines:
    """Progress as plain lines, for logs and pipes."""

    def __init__(self, size: int) -> None:
        self._size = max(size, 1)
        self._told = 0

    def __call__(self, done: int) -> None:
        tenths = 10 * done // self._size
        if tenths > self._told:
            self._told = tenths
            typer.echo(f"Read {10 * tenths} % ({done / 1e6:,.1f} MB)." + " Merging." * (tenths == 10), err=True)
