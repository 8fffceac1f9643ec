"""Imports of listings and of price snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import Progress, Records, no_progress
from app.bulk_import.staging import Options, Summary, analyze, reject, stage
from app.core.errors import BadInput
from app.db.tables import Domain
from app.db.transaction import Tx
from app.market import title_flags
from app.market.imports import merge_sql, parse_sql
from app.market.imports.cpu_lookup import Names
from app.market.price_partitions import make_months
from app.market.title_flags import flags, is_broken
from app.titles import components
from app.titles.tokenizer import Gate
from app.valuation.adjusted_price import PARTS, carried

TOLD = (*PARTS, "flags")
# Most of a million titles tell of nothing but a CPU, and to read them all takes longer than all else.
MAY_TELL = Gate(
    [*components.TELLING_WORDS, *title_flags.TELLING_WORDS], [*components.TELLING_PARTS, *title_flags.TELLING_PARTS]
)


LISTING_COLUMNS = parse_sql.LISTING_COLUMNS


def open_listings(path: Path, encoding: str | None = None, progress: Progress = no_progress) -> CsvRecords:
    """The rows of a file of listings. Raises BadInput."""
    return CsvRecords(path, parse_sql.LISTING_COLUMNS, parse_sql.REQUIRED, encoding, progress)


def open_prices(path: Path, encoding: str | None = None, progress: Progress = no_progress) -> CsvRecords:
    """The rows of a price snapshot. Raises BadInput."""
    return CsvRecords(path, parse_sql.SNAPSHOT_COLUMNS, parse_sql.SNAPSHOT_COLUMNS, encoding, progress)


async def import_listings(tx: Tx, records: Records, options: Options, *, is_sample: bool = False) -> Summary:
    """Creates and updates listings by offer. Raises BadInput when the records are unreadable, or bad and `strict`."""
    await merge_sql.alias_cpus(tx)
    query = merge_sql.listing_offers(records.columns, is_sample)
    await merge_sql.no_parts(tx)
    names = Names(tx, parse_sql.NAME_LISTING_CPUS)

    at = records.columns.index("title")

    async def prepare(told: list[dict[str, Any]]) -> None:
        await names.find()
        await merge_sql.tell_parts(tx, {each["told"]: each for each in told})

    rows = await stage(
        tx.connection,
        parse_sql.LISTING_COLUMNS,
        records,
        "offer",
        query,
        note=lambda cells: _told(cells[at]),
        prepare=prepare,
    )
    rejected = await reject(tx.connection, "offer", records.columns, options)
    await merge_sql.lock(tx)
    superseded, created, updated = await _merge(tx, records.columns, "line DESC")
    return Summary(rows, created, updated, rows - created - updated - rejected, rejected, superseded)


async def import_prices(tx: Tx, records: Records, options: Options, day: date) -> Summary:
    """Creates and updates one listing per priced name, and ends those that the latest snapshot does not price.

    Snapshots can be imported in any order with the same outcome. Raises BadInput like the import of listings, and
    when `day` is still to come.
    """
    seen_at = datetime.combine(day, time(), UTC)
    if seen_at > datetime.now(UTC) + timedelta(days=1):
        raise BadInput(f"{day} is in the future.")
    await merge_sql.alias_cpus(tx)
    # Before the rows are read: which snapshot is the latest so far decides what they say.
    await merge_sql.lock(tx)
    query = merge_sql.snapshot_offers(records.columns)
    names = Names(tx, parse_sql.NAME_SNAPSHOT_CPUS)
    at = {"seen_at": seen_at}

    async def prepare(_: list[Any]) -> None:
        await names.find()

    rows = await stage(tx.connection, parse_sql.SNAPSHOT_COLUMNS, records, "offer", query, at, prepare=prepare)
    rejected = await reject(tx.connection, "offer", records.columns, options)
    superseded, created, updated = await _merge(tx, parse_sql.LISTING_COLUMNS, "price, line")
    ended = await merge_sql.end_unpriced(tx, seen_at)
    if await merge_sql.remember_snapshot(tx, seen_at) or ended.ended:
        tx.touch(Domain.MARKET)
    unnamed = ended.ended - ended.named
    notes = (f"Listings ended because the snapshot does not name them: {unnamed:,}.",) if unnamed else ()
    updated += ended.named
    return Summary(rows, created, updated, rows - created - updated - rejected, rejected, superseded, notes)


def _told(cell: str) -> dict[str, Any] | None:
    """What a title tells of what is offered beside the CPU, if anything."""
    title = cell.strip()
    if len(title) > parse_sql.LONGEST["title"] or not MAY_TELL(title.lower()):
        return None
    told = {"told": title, **carried(title, flags=flags(title)), "broken": is_broken(title)}
    return told if told["quantity"] > 1 or told["broken"] or any(told[name] for name in TOLD) else None


async def _merge(tx: Tx, present: Sequence[str], first: str) -> tuple[int, int, int]:
    """Merges `offer`, of a file with these columns; of several rows about one offer and time the `first` counts.

    Returns the numbers of rows superseded, of listings created and of listings updated.
    """
    await make_months(tx, await merge_sql.months(tx))
    superseded = await merge_sql.supersede(tx, first)
    created, updated, observed = await merge_sql.merge(tx, present, superseded)
    if created or updated or observed:
        tx.touch(Domain.MARKET)
    await analyze(tx.connection, created + updated + observed, "listing", "price_observation")
    return superseded, created, updated
