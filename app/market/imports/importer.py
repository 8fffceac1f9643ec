"""Imports of listings and of price snapshots.

Both imports stage the file, parse it into the temporary table `offer`, and merge `offer` into `listing`, in one
transaction. The triggers of `listing` do the rest within the same statements (see `app/db/functions`):

- `record_price_observations` appends changes of price and state to `price_observation`, the price history;
- `log_listing_changes` adds CPUs with changed active prices to `data_change_log` and notifies the topic `change_log`,
  so that a worker recalculates their price targets (`app.analytics.recalculation`);
- `record_price_changes` adds price changes to `outbox` and notifies the topic `outbox` (`app.events`);
- `update_listing_statistics` counts active listings in `listing_statistics`.

The bumped version of the domain MARKET invalidates cached responses on commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import BytesReadCallback, Records, ignore_progress
from app.bulk_import.staging import ImportOptions, ImportSummary, analyze, stage, write_rejects
from app.core.errors import BadInput
from app.db.tables import Domain
from app.db.transaction import Transaction
from app.market import title_flags
from app.market.imports import merge_sql, parse_sql
from app.market.imports.cpu_lookup import CpuNameResolver
from app.market.price_partitions import create_partitions
from app.market.title_flags import find_flags, is_broken
from app.titles import components
from app.titles.tokenizer import KeywordFilter
from app.valuation.adjusted_price import COMPONENT_COLUMNS, offer_attributes

REPORTED_ATTRIBUTES = (*COMPONENT_COLUMNS, "flags")
# Most titles name a CPU and nothing else, and parsing a million of them takes longer than the rest of the import. This
# filter skips titles without any of the words that the parsers know.
MAY_HAVE_ATTRIBUTES = KeywordFilter(
    [*components.COMPONENT_WORDS, *title_flags.FLAG_WORDS],
    [*components.COMPONENT_SUBSTRINGS, *title_flags.FLAG_SUBSTRINGS],
)


LISTING_COLUMNS = parse_sql.LISTING_COLUMNS


def open_listings(path: Path, encoding: str | None = None, progress: BytesReadCallback = ignore_progress) -> CsvRecords:
    """Open a file of listings. Raises BadInput if it cannot be read or lacks a required column."""
    return CsvRecords(path, parse_sql.LISTING_COLUMNS, parse_sql.REQUIRED, encoding, progress)


def open_prices(path: Path, encoding: str | None = None, progress: BytesReadCallback = ignore_progress) -> CsvRecords:
    """Open a price snapshot. Raises BadInput if it cannot be read or lacks a column."""
    return CsvRecords(path, parse_sql.SNAPSHOT_COLUMNS, parse_sql.SNAPSHOT_COLUMNS, encoding, progress)


async def import_listings(
    tx: Transaction, records: Records, options: ImportOptions, *, is_sample: bool = False
) -> ImportSummary:
    """Create and update listings; rows are matched with stored listings by their offer keys.

    Raises BadInput if the records cannot be read, or if a row is rejected and `options.strict` is set.
    """
    await merge_sql.create_cpu_alias(tx)
    await merge_sql.create_title_attribute(tx)
    query = merge_sql.listing_offers(records.columns, is_sample)
    resolver = CpuNameResolver(tx, parse_sql.FIND_LISTING_CPUS)
    title_index = records.columns.index("title")

    async def prepare(titles: list[dict[str, Any]]) -> None:
        await resolver.resolve_staged()
        await merge_sql.save_title_attributes(tx, {attributes["listing_title"]: attributes for attributes in titles})

    rows = await stage(
        tx.connection,
        parse_sql.LISTING_COLUMNS,
        records,
        "offer",
        query,
        map_row=lambda cells: _title_attributes(cells[title_index]),
        prepare=prepare,
    )
    rejected = await write_rejects(tx.connection, "offer", records.columns, options)
    await merge_sql.lock_listings(tx)
    superseded, created, updated = await _merge(tx, records.columns, "line DESC")
    return ImportSummary(rows, created, updated, rows - created - updated - rejected, rejected, superseded)


async def import_prices(tx: Transaction, records: Records, options: ImportOptions, day: date) -> ImportSummary:
    """Create and update one listing per name with a price, and end those without a price in the latest snapshot.

    The order in which snapshots are imported does not affect the result. Raises BadInput like `import_listings`, and if
    `day` is in the future.
    """
    seen_at = datetime.combine(day, time(), UTC)
    if seen_at > datetime.now(UTC) + timedelta(days=1):
        raise BadInput(f"{day} is in the future.")
    await merge_sql.create_cpu_alias(tx)
    # Before the rows are parsed, because their status depends on the latest snapshot that is stored.
    await merge_sql.lock_listings(tx)
    query = merge_sql.snapshot_offers(records.columns)
    resolver = CpuNameResolver(tx, parse_sql.FIND_SNAPSHOT_CPUS)

    async def prepare(_: list[Any]) -> None:
        await resolver.resolve_staged()

    rows = await stage(
        tx.connection, parse_sql.SNAPSHOT_COLUMNS, records, "offer", query, {"seen_at": seen_at}, prepare=prepare
    )
    rejected = await write_rejects(tx.connection, "offer", records.columns, options)
    superseded, created, updated = await _merge(tx, parse_sql.LISTING_COLUMNS, "price, line")
    ended = await merge_sql.end_unpriced(tx, seen_at)
    if await merge_sql.record_snapshot(tx, seen_at) or ended.ended:
        tx.bump_version(Domain.MARKET)
    unnamed = ended.ended - ended.named
    notes = (f"Listings ended because the snapshot does not name them: {unnamed:,}.",) if unnamed else ()
    updated += ended.named
    return ImportSummary(rows, created, updated, rows - created - updated - rejected, rejected, superseded, notes)


def _title_attributes(cell: str) -> dict[str, Any] | None:
    """Return the row of `title_attribute` for a title, or None if the title mentions no attributes."""
    title = cell.strip()
    if len(title) > parse_sql.MAX_LENGTHS["title"] or not MAY_HAVE_ATTRIBUTES(title.lower()):
        return None
    attributes = {
        "listing_title": title,
        **offer_attributes(title, flags=find_flags(title)),
        "broken": is_broken(title),
    }
    has_attributes = any(attributes[name] for name in REPORTED_ATTRIBUTES)
    return attributes if attributes["quantity"] > 1 or attributes["broken"] or has_attributes else None


async def _merge(tx: Transaction, present: Sequence[str], preference: str) -> tuple[int, int, int]:
    """Merge `offer` into `listing`; return the numbers of rows superseded, listings created and listings updated.

    `present` holds the columns of the file. `preference` is the ORDER BY list that picks one of several rows about the
    same offer and time.
    """
    await create_partitions(tx, await merge_sql.partitions(tx))
    superseded = await merge_sql.mark_superseded(tx, preference)
    created, updated, observed = await merge_sql.merge(tx, present, superseded)
    if created or updated or observed:
        tx.bump_version(Domain.MARKET)
    await analyze(tx.connection, created + updated + observed, "listing", "price_observation")
    return superseded, created, updated
