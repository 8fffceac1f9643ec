"""Monthly partitions of prices: no price is lost, for any date and with concurrent readers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.market import price_partitions
from app.market.price_partitions import create_due_partitions, create_partitions
from app.resources import Resources
from tests.support.file_imports import FileImporter, checked_counts

PLACES = """
    SELECT replace(tableoid::regclass::text, 'partitions.price_observation_', ''), count(*)
    FROM price_observation GROUP BY 1 ORDER BY 1
"""
MADE = "SELECT count(*) FROM pg_class WHERE relnamespace = 'partitions'::regnamespace AND relkind = 'r'"
IMPATIENT = text("SET LOCAL lock_timeout = '50ms'")
HEADER = "title,cpu,price,marketplace,vendor_item_id,seen_at\n"


def listing_rows(*days: str) -> str:
    lines = [f"Chip,Intel Core i5-8500T,{n + 1},ebay,{n},{day}" for n, day in enumerate(days)]
    return HEADER + "\n".join(lines) + "\n"


async def importer_of(resources: Resources, folder: Path) -> FileImporter:
    importer = FileImporter(resources, folder)
    await importer.cpus("name\nIntel Core i5-8500T\n")
    return importer


def current_and_next_month() -> list[str]:
    first = datetime.now(UTC).date().replace(day=1)
    return [f"{first:%Y_%m}", f"{first + timedelta(days=32):%Y_%m}"]


async def test_partitions_of_imported_months_are_created(resources: Resources, tmp_path: Path) -> None:
    importer = await importer_of(resources, tmp_path)
    days = ("2023-07-31T23:59:59Z", "2023-08-01", "2023-08-31T23:00:00-05:00", "0001-01-01", "1999-12-31", "2000-01-01")
    assert checked_counts(await importer.listings(listing_rows(*days))) == (6, 0, 0, 0)
    assert await importer.rows(PLACES) == [("2000_01", 1), ("2023_07", 1), ("2023_08", 1), ("2023_09", 1), ("rest", 2)]
    before = await importer.rows(MADE)
    assert checked_counts(await importer.listings(listing_rows(*days))) == (0, 0, 6, 0)
    assert await importer.rows(MADE) == before


async def test_partitions_of_current_and_next_month_exist(resources: Resources, tmp_path: Path) -> None:
    importer = await importer_of(resources, tmp_path)
    partitions = await importer.rows("SELECT relname FROM pg_class WHERE relnamespace = 'partitions'::regnamespace")
    assert {f"price_observation_{month}" for month in current_and_next_month()} <= {name for (name,) in partitions}


async def test_partitions_locked_by_reader_keep_prices_in_default_partition(
    resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a reader blocks the partition, prices go to the default partition, and move in the following night."""
    importer = await importer_of(resources, tmp_path)
    monkeypatch.setattr(price_partitions, "SET_LOCK_TIMEOUT", IMPATIENT)
    async with resources.engine.begin() as reader:
        await reader.execute(text("SELECT count(*) FROM price_observation"))
        assert checked_counts(await importer.listings(listing_rows("2023-07-05", "2023-08-06"))) == (2, 0, 0, 0)
        async with resources.write() as tx:
            assert await create_due_partitions(tx) == 0, "the reader is gone"
    assert await importer.rows(PLACES) == [("rest", 2)]
    before = await importer.rows("SELECT * FROM price_observation ORDER BY 1")
    async with resources.write() as tx:
        assert await create_due_partitions(tx) == 2
    assert await importer.rows(PLACES) == [("2023_07", 1), ("2023_08", 1)]
    assert await importer.rows("SELECT * FROM price_observation ORDER BY 1") == before
    async with resources.write() as tx:
        assert await create_due_partitions(tx) == 0, "nothing is left to do"


async def test_partitions_are_created_once(resources: Resources) -> None:
    async with resources.write() as tx:
        for created in (2, 0):
            assert await create_partitions(tx, [date(2020, 1, 1), date(2020, 1, 1), date(2020, 2, 1)]) == created
        assert (await tx.scalar(text(MADE))) == 5, (
            "both months, the current one, the next one and the default partition"
        )
        assert await create_partitions(tx, []) == 0


async def test_partitions_for_two_imports_in_one_transaction_are_created(
    resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second import cannot create its partitions, because the first one has read the default partition."""
    importer = await importer_of(resources, tmp_path)
    monkeypatch.setattr(price_partitions, "SET_LOCK_TIMEOUT", IMPATIENT)
    async with resources.write() as tx:
        await tx.execute(text("SELECT count(*) FROM price_observation"))
        await create_partitions(tx, [date(2020, 1, 1)])
        assert (await tx.scalar(text(MADE))) == 3
    assert checked_counts(await importer.listings(listing_rows("2020-01-05"))) == (1, 0, 0, 0)
    assert await importer.rows(PLACES) == [("2020_01", 1)]
