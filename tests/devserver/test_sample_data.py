"""Sample data: variety of the generated listings, marked as sample, loaded once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from app.bulk_import.records import RejectedRow
from app.devserver import sample_data
from app.devserver.sample_listings import SampleListings
from app.resources import Resources
from tests.support.file_imports import FileImporter

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
CPU = {
    "name": "Intel Core i5-8500T",
    "cores": "6",
    "category": "Desktop",
    "release_year": "2018",
    "cpu_mark_multi": "7600",
}


def generate_listings(now: datetime, seed: int = 1) -> list[dict[str, str]]:
    """Return the generated listings of a hundred equal CPUs."""
    records = SampleListings([CPU] * 100, now, seed)
    return [
        dict(zip(records.columns, cells, strict=True)) for _, cells in records if not isinstance(cells, RejectedRow)
    ]


def test_equal_seeds_give_equal_listings() -> None:
    assert generate_listings(NOW) == generate_listings(NOW)
    assert generate_listings(NOW) != generate_listings(NOW, seed=2)
    later = generate_listings(NOW + timedelta(days=5))
    assert [{**listing, "seen_at": ""} for listing in later] == [
        {**listing, "seen_at": ""} for listing in generate_listings(NOW)
    ]


def test_listings_are_of_the_last_month_and_varied() -> None:
    listings = generate_listings(NOW)
    times = [datetime.fromisoformat(listing["seen_at"]) for listing in listings]
    assert NOW - timedelta(days=30) <= min(times) < max(times) <= NOW
    for column, min_values in {
        "condition": 6,
        "status": 4,
        "marketplace": 5,
        "seller": 10,
        "currency": 3,
        "title": 6,
    }.items():
        assert len({listing[column] for listing in listings}) >= min_values, column
    assert any(not listing["shipping"] for listing in listings)
    assert any(not listing["vendor_item_id"] for listing in listings)


@pytest.mark.usefixtures("resources")
def test_load_if_empty_loads_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    loaded = sample_data.load_if_empty(database_url)
    assert 3500 <= loaded <= 4500
    assert sample_data.load_if_empty(database_url) == 0


async def test_loaded_listings_are_marked_as_sample_and_rated(resources: Resources) -> None:
    async with resources.write() as tx:
        loaded = await sample_data.load(tx, NOW)
    importer = FileImporter(resources, sample_data.SAMPLE_CPUS_FILE.parent)
    assert await importer.rows("SELECT count(*), bool_and(is_sample), max(seen_at) <= now() FROM listing") == [
        (loaded, True, True)
    ]
    assert await importer.rows("SELECT count(*) FROM listing WHERE cpu_id NOT IN (SELECT id FROM cpu)") == [(0,)]
    [(cpus, computed, certain)] = await importer.rows(
        "SELECT count(*), count(figures_computed_at), count(*) FILTER (WHERE price_sample_size >= 10) FROM cpu"
    )
    assert cpus == computed >= 150
    assert certain > cpus / 2
    few = "SELECT count(*) FROM cpu WHERE (SELECT count(*) FROM listing WHERE cpu_id = cpu.id) BETWEEN 0 AND 4"
    assert (await importer.rows(few))[0][0] > 5
    ratings = await importer.rows("SELECT DISTINCT value_rating FROM cpu WHERE value_rating IS NOT NULL")
    assert len(ratings) == 4


async def test_database_with_cpus_is_not_changed(resources: Resources, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO cpu (name, slug, manufacturer) VALUES ('Mine', 'mine', 'Me')")
    await connection.close()
    assert await sample_data.load_into(resources) == 0
