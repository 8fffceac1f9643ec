"""Import of price snapshots: one listing per name, and the same result in any order."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.bulk_import.staging import ImportSummary
from app.catalog.cpu_import import import_cpus, open_cpus
from app.core.errors import BadInput
from app.market import price_ranges
from app.market.imports.importer import import_prices, open_prices
from app.resources import Resources
from tests.support.file_imports import FileImporter, checked_counts
from tests.support.real_data import DataSet
from tests.support.schema_execution import query_data

CPUS = "name\nAMD Ryzen 5 1600\nAMD Ryzen 5 5600X\nIntel Core i5-650 @ 3.20GHz\nIntel Core i7-13700K\n"
LISTINGS = (
    "SELECT title, cpu.name, price, shipping, currency, adjusted_price, condition, status, marketplace, seller, "
    "vendor_item_id, seen_at FROM listing JOIN cpu ON cpu.id = cpu_id ORDER BY title"
)
# The order of imports affects how often and with which price a part that is not on sale is observed.
OBSERVATIONS = """
    SELECT title, seen_at, CASE WHEN state = 'active' THEN price END, state
    FROM (
        SELECT title, p.*, lag(state) OVER (PARTITION BY listing_id ORDER BY p.seen_at) AS before
        FROM price_observation AS p JOIN listing ON listing.id = listing_id
    ) AS observed
    WHERE state = 'active' OR before = 'active'
    ORDER BY 1, 2
"""
STATES = "SELECT title, price::int, status, seen_at::date::text FROM listing ORDER BY title"


class Snapshots(FileImporter):
    """Importer of snapshots."""

    async def snapshot(self, day: str, *rows: str, strict: bool = False) -> ImportSummary:
        """Import these rows, "name,price", as the snapshot of a day."""
        path = self.file("name,price\n" + "\n".join(rows), f"{day}.csv")
        return await self.take(path, date.fromisoformat(day), strict=strict)

    async def take(self, path: Path, day: date, *, strict: bool = False) -> ImportSummary:
        """Import a file."""
        return await self.load(open_prices(path), partial(import_prices, day=day), strict=strict)

    async def state(self) -> list[Any]:
        """Return everything that must not depend on the order of imports."""
        return [await self.rows(LISTINGS), await self.rows(OBSERVATIONS)]

    async def clear(self) -> None:
        """Delete all listings and prices."""
        async with self.resources.engine.begin() as connection:
            await connection.exec_driver_sql("TRUNCATE listing, price_observation")


@pytest.fixture
async def snapshots(resources: Resources, tmp_path: Path) -> Snapshots:
    """Return an importer for a database with a few CPUs."""
    snapshots = Snapshots(resources, tmp_path)
    await snapshots.cpus(CPUS)
    return snapshots


async def test_price_snapshot_creates_listing_per_name(snapshots: Snapshots) -> None:
    summary = await snapshots.snapshot(
        "2024-01-20", "AMD Ryzen 5 5600X,159.99", "amd ryzen 5 1600 (12nm),80", "Intel Core i5-650,20",
        "Intel Core i5-650,", "Intel Core i5-650,18.5", "Intel Core i7-13700K,", "Z80,1", "Z81,",
    )  # fmt: skip
    assert (checked_counts(summary), summary.superseded) == ((3, 0, 4, 1), 1)
    assert snapshots.reasons == [(8, 'unknown CPU "Z80": the title contains no model number of the catalogue')]
    rows = await snapshots.rows(LISTINGS)
    assert [(row[0], row[1], str(row[2])) for row in rows] == [
        ("AMD Ryzen 5 5600X", "AMD Ryzen 5 5600X", "159.99"),
        ("Intel Core i5-650", "Intel Core i5-650 @ 3.20GHz", "18.50"),
        ("amd ryzen 5 1600 (12nm)", "AMD Ryzen 5 1600", "80.00"),
    ]
    assert {row[3:5] + row[6:10] for row in rows} == {(None, "USD", "new", "active", "pc-part-dataset", None)}
    assert [row[10:] for row in rows] == [(row[0], datetime(2024, 1, 20, tzinfo=UTC)) for row in rows]


async def test_price_snapshot_matches_other_spellings(snapshots: Snapshots) -> None:
    summary = await snapshots.snapshot(
        "2024-01-20", "Ryzen 5600X,159", "Intel Core i7-13700K Avengers Edition,300", "Intel Core i7-13700KF,280",
    )  # fmt: skip
    assert checked_counts(summary) == (2, 0, 0, 1)
    assert [row[:2] for row in await snapshots.rows(LISTINGS)] == [
        ("Intel Core i7-13700K Avengers Edition", "Intel Core i7-13700K"), ("Ryzen 5600X", "AMD Ryzen 5 5600X"),
    ]  # fmt: skip
    reason = 'unknown CPU "Intel Core i7-13700KF": "13700kf": the catalogue has no such model, only 13700k'
    assert snapshots.reasons == [(4, reason)]


async def test_price_snapshot_latest_ends_unpriced_listings(snapshots: Snapshots) -> None:
    await snapshots.snapshot("2024-01-01", "AMD Ryzen 5 5600X,10", "Intel Core i5-650,20", "AMD Ryzen 5 1600,30")
    summary = await snapshots.snapshot("2024-02-01", "AMD Ryzen 5 5600X,", "Intel Core i5-650,21", "AMD Ryzen 5 5600X,")
    assert (checked_counts(summary), summary.notes) == (
        (0, 2, 1, 0),
        ("Listings ended because the snapshot does not name them: 1.",),
    )
    ended = [
        ("AMD Ryzen 5 1600", 30, "ended", "2024-01-01"),
        ("AMD Ryzen 5 5600X", 10, "ended", "2024-01-01"),
        ("Intel Core i5-650", 21, "active", "2024-02-01"),
    ]
    assert await snapshots.rows(STATES) == ended
    # An earlier snapshot adds observations, and listings that have ended.
    assert checked_counts(await snapshots.snapshot("2023-12-01", "AMD Ryzen 5 5600X,9", "Intel Core i7-13700K,40")) == (
        1,
        0,
        1,
        0,
    )
    assert await snapshots.rows(STATES) == [*ended, ("Intel Core i7-13700K", 40, "ended", "2023-12-01")]
    assert checked_counts(await snapshots.snapshot("2024-03-01", "AMD Ryzen 5 1600,31", "Intel Core i5-650,")) == (
        0,
        2,
        0,
        0,
    )
    assert [row[2] for row in await snapshots.rows(STATES)] == ["active", "ended", "ended", "ended"]


async def test_price_snapshot_rejected_row_keeps_listing_active(snapshots: Snapshots) -> None:
    await snapshots.snapshot("2024-01-01", "AMD Ryzen 5 5600X,10", "Intel Core i5-650,20")
    assert checked_counts(await snapshots.snapshot("2024-02-01", "AMD Ryzen 5 5600X,cheap", "Intel Core i5-650,")) == (
        0,
        1,
        0,
        1,
    )
    assert [row[2] for row in await snapshots.rows(STATES)] == ["active", "ended"]


async def test_price_snapshot_does_not_change_other_marketplaces(snapshots: Snapshots) -> None:
    await snapshots.listings(
        "title,cpu,price,marketplace,seen_at\nAMD Ryzen 5 5600X,AMD Ryzen 5 5600X,1,m,2020-01-01\n"
    )
    assert checked_counts(await snapshots.snapshot("2024-01-01", "AMD Ryzen 5 5600X,10")) == (1, 0, 0, 0)
    assert await snapshots.rows("SELECT marketplace, status FROM listing ORDER BY id") == [
        ("m", "active"), ("pc-part-dataset", "active"),
    ]  # fmt: skip


async def test_price_snapshot_imported_twice_changes_nothing(snapshots: Snapshots) -> None:
    rows = ["AMD Ryzen 5 5600X,10", "Intel Core i5-650,"]
    await snapshots.snapshot("2024-01-01", *rows)
    before = await snapshots.rows("SELECT *, xmin::text FROM listing")
    assert checked_counts(await snapshots.snapshot("2024-01-01", *rows)) == (0, 0, 2, 0)
    assert snapshots.domains == set()
    assert await snapshots.rows("SELECT *, xmin::text FROM listing") == before


async def test_price_snapshot_rejects_bad_rows_and_future_days(snapshots: Snapshots) -> None:
    summary = await snapshots.snapshot(
        "2024-01-01", ",5", "AMD Ryzen 5 5600X,-1", "AMD Ryzen 5 5600X,x", "AMD Ryzen 5 5600X,1,2", f"{'n' * 201},1"
    )
    assert checked_counts(summary) == (0, 0, 0, 5)
    assert [reason for _, reason in snapshots.reasons] == [
        "name is empty", "price -1 is negative", 'price "x" is not a number', "the row has 3 cells, the header 2",
        "name is longer than 200 characters",
    ]  # fmt: skip
    with pytest.raises(BadInput, match="is in the future"):
        await snapshots.snapshot(f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}", "AMD Ryzen 5 5600X,1")
    with pytest.raises(BadInput, match="1 row was rejected"):
        await snapshots.snapshot("2024-01-01", "AMD Ryzen 5 5600X,1", "Z80,1", strict=True)
    assert await snapshots.rows(STATES) == []


async def test_price_snapshots_in_any_order_have_same_result(snapshots: Snapshots) -> None:
    names = ["AMD Ryzen 5 5600X", "Intel Core i5-650", "Intel Core i7-13700K", "AMD Ryzen 5 1600"]
    chance = random.Random(7)
    days = {
        f"2024-0{month}-01": [f"{name},{chance.choice(['', '', '5', '6', '7'])}" for name in names for _ in (1, 2)]
        for month in range(1, 7)
    }
    days["2024-06-01"] = [f"{names[0]},1", f"{names[1]},", f"{names[2]},", f"{names[3]},4"]
    outcomes = []
    for _ in range(8):
        for day in chance.sample(sorted(days), len(days)):
            await snapshots.snapshot(day, *days[day])
        outcomes.append(await snapshots.state())
        await snapshots.clear()
    assert outcomes == [outcomes[0]] * 8
    assert {row[7] for row in outcomes[0][0]} == {"active", "ended"}


async def test_price_snapshots_real_files_in_any_order_give_equal_listings(
    resources: Resources, tmp_path: Path, data_set: DataSet
) -> None:
    snapshots = Snapshots(resources, tmp_path)
    await snapshots.load(open_cpus(data_set.passmark), import_cpus)
    files = data_set.snapshots
    outcomes = []
    for order in (files, files[::-1], random.Random(3).sample(files, len(files))):
        for path in order:
            checked_counts(await snapshots.take(path, date.fromisoformat(path.stem)))
        for path in order:
            assert tuple(checked_counts(await snapshots.take(path, date.fromisoformat(path.stem))))[:2] == (0, 0)
        outcomes.append(await snapshots.state())
        await snapshots.clear()
    assert outcomes == [outcomes[0]] * 3
    listings, observations = outcomes[0]
    active = sum(row[7] == "active" for row in listings)
    active_observations = sum(row[3] == "active" for row in observations)
    expected = (569, 517, 4577) if data_set.is_complete else (163, 138, 1279)
    assert (len(listings), active, active_observations) == expected


CURVE = """
query ($slug: String!, $interval: PriceInterval!) { cpu(slug: $slug) {
  priceHistory(range: ALL, interval: $interval) { at lowest average listings }
  priceLows { current currentSince allTimeLow { price at } priorLow30Days { price at } }
  listings { nodes { lifecycle { kind at } } }
} }
"""


async def test_price_snapshots_real_files_form_price_histories(
    resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_set: DataSet
) -> None:
    """A price of the nine files is valid until the next snapshot. The averages are computed by hand."""
    monkeypatch.setattr(price_ranges, "utc_now", lambda: datetime(2024, 4, 1, tzinfo=UTC))
    snapshots = Snapshots(resources, tmp_path)
    await snapshots.load(open_cpus(data_set.passmark), import_cpus)
    for path in random.Random(5).sample(data_set.snapshots, len(data_set.snapshots)):
        await snapshots.take(path, date.fromisoformat(path.stem))

    async def curve(slug: str, interval: str = "MONTH") -> tuple[dict[str, Any], Any]:
        cpu = (await query_data(resources, CURVE, slug=slug, interval=interval))["cpu"]
        points = {point["at"][:10]: tuple(point.values())[1:] for point in cpu["priceHistory"]}
        return points, cpu

    points, cpu = await curve("amd-ryzen-7-7800x3d")
    assert points == {
        "2023-07-05": (439, 439, 1),
        "2023-08-01": (439, 439, 1),
        "2023-09-01": (399, 413.67, 1),  # (11 x 439 + 19 x 399) / 30
        "2023-10-01": (369.99, 388.71, 1),  # (20 x 399 + 11 x 369.99) / 31
        "2023-11-01": (369.99, 379.5, 1),  # (15 x 369.99 + 15 x 389) / 30
        "2023-12-01": (369.99, 379.8, 1),  # (16 x 389 + 15 x 369.99) / 31
        "2024-01-01": (369.99, 379.28, 1),  # (19 x 369.99 + 12 x 394) / 31
        "2024-02-01": (369, 385.38, 1),  # (19 x 394 + 10 x 369) / 29
        "2024-03-01": (357, 367.06, 1),  # (26 x 369 + 5 x 357) / 31
    }
    since = "2024-03-27T00:00:00+00:00"
    assert cpu["priceLows"] == {
        "current": 357,
        "currentSince": since,
        "allTimeLow": {"price": 357, "at": since},
        "priorLow30Days": {"price": 369, "at": "2024-02-20T00:00:00+00:00"},
    }
    # Missing from the second snapshot and back in the third.
    points, cpu = await curve("intel-core-i9-10850k-3-60ghz", "WEEK")
    assert [points[day] for day in ("2023-07-31", "2023-08-07", "2023-09-04", "2023-09-11")] == [
        (249.63, 249.63, 1), (None, None, 0), (None, None, 0), (288.88, 288.88, 1),
    ]  # fmt: skip
    (offer,) = cpu["listings"]["nodes"]
    assert [(event["kind"], event["at"][:10]) for event in offer["lifecycle"]] == [
        ("BACK", "2023-09-12"), ("GONE", "2023-08-06"), ("SEEN", "2023-07-05"),
    ]  # fmt: skip
    points, _ = await curve("intel-core-i9-14900k")
    assert [*points] == ["2023-10-21", *(f"20{month}-01" for month in ("23-11", "23-12", "24-01", "24-02", "24-03"))]
    assert [lowest for lowest, _, _ in points.values()] == [598, 578.79, 576.65, 549.99, 544.99, 534.99]
