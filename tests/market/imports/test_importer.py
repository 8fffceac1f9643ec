"""Import of listings: identity of offers, stored values, observations and rejected rows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from app.bulk_import import staging
from app.core.errors import BadInput
from app.db.tables import Condition, ListingStatus
from app.market.imports import cpu_lookup
from app.market.imports.importer import import_listings, open_listings
from app.resources import Resources
from tests.support.file_imports import FileImporter, checked_counts

CPUS = """name
Intel Core i5-8500T
Intel Core i5-650 @ 3.20GHz
Intel Xeon @ 2.00GHz
Intel Xeon @ 2.20GHz
AMD Ryzen 5 5600X
"""
HEADER = "title,cpu,price,currency,condition,marketplace,seller,vendor_item_id,url,status,seen_at,shipping\n"
ROW = (
    "An i5 tray,Intel Core i5-8500T,59.99,USD,used,ebay,joe,1,https://example.com/1,active,2025-01-02T03:04:05Z,4.50\n"
)
STORED = (
    "SELECT title, price, shipping, currency, adjusted_price, condition, status, marketplace, seller, vendor_item_id, "
    "url, seen_at, is_sample FROM listing ORDER BY id"
)
OBSERVED = (
    "SELECT seen_at, p.price, p.shipping, p.currency FROM price_observation AS p JOIN listing ON id = listing_id "
    "ORDER BY id, 1"
).replace("seen_at", "p.seen_at", 1)
NO_MODEL_NUMBER = "the title contains no model number of the catalogue"
SEEN = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
async def importer(resources: Resources, tmp_path: Path) -> FileImporter:
    """Return an importer for a database with a few CPUs."""
    importer = FileImporter(resources, tmp_path)
    await importer.cpus(CPUS)
    return importer


def money(*amounts: str | None) -> list[Decimal | None]:
    """Return amounts as the database returns them."""
    return [None if amount is None else Decimal(amount) for amount in amounts]


async def test_listing_import_stores_every_column(importer: FileImporter) -> None:
    assert checked_counts(await importer.listings(HEADER + ROW)) == (1, 0, 0, 0)
    assert importer.domains == {"market"}
    assert await importer.rows(STORED) == [
        ("An i5 tray", Decimal("59.99"), Decimal("4.50"), "USD", Decimal("64.49"), "used", "active", "ebay", "joe", "1",
         "https://example.com/1", SEEN, False),
    ]  # fmt: skip
    assert await importer.rows("SELECT cpu.name FROM cpu JOIN listing ON cpu_id = cpu.id") == [("Intel Core i5-8500T",)]
    assert await importer.rows(OBSERVED) == [(SEEN, Decimal("59.99"), Decimal("4.50"), "USD")]


async def test_listing_import_with_required_columns_only_uses_defaults(importer: FileImporter) -> None:
    before = datetime.now(UTC)
    await importer.listings("marketplace,price,cpu,title\nebay,60,intel-core-i5-8500t,An i5\n")
    [row] = await importer.rows(STORED)
    assert row[:11] == (
        "An i5", Decimal(60), None, "USD", Decimal(60), "unknown", "active", "ebay", None, None, None,
    )  # fmt: skip
    assert before <= row[11] <= datetime.now(UTC)
    assert [row[0] for row in await importer.rows(OBSERVED)] == [row[11]]


@pytest.mark.parametrize("content", [HEADER + ROW, "title,cpu,price,marketplace\nX,Intel Core i5-8500T,5,m\n"])
async def test_listing_import_of_same_file_changes_nothing(importer: FileImporter, content: str) -> None:
    await importer.listings(content)
    query = "SELECT l.*, l.xmin::text, p.*, p.xmin::text FROM listing AS l, price_observation AS p"
    before = await importer.rows(query)
    assert checked_counts(await importer.listings(content)) == (0, 0, 1, 0)
    assert importer.domains == set()
    assert await importer.rows(query) == before


async def test_listing_import_finds_cpus_by_names_and_slugs(importer: FileImporter) -> None:
    names = [
        "intel  CORE i5-8500t", "intel-core-i5-8500t", "Intel Core i5-650", "Intel Core i5-650 @ 3.20GHz",
        "AMD Ryzen 5 5600X @ 3.70GHz", "Intel Xeon", "Intel Xeon @ 2.20GHz", "Intel Xeon @ 2.40GHz", "Ryzen 5 5600X",
        "Intel Core i5-650 @ 3.30GHz", "Ryzen 5 5600", "i5-8500T or 5600X",
    ]  # fmt: skip
    rows = "".join(f"{number},{name},1,m\n" for number, name in enumerate(names))
    assert checked_counts(await importer.listings("title,cpu,price,marketplace\n" + rows)) == (8, 0, 0, 4)
    assert await importer.rows("SELECT l.title, cpu.name FROM listing AS l JOIN cpu ON cpu.id = cpu_id ORDER BY 1") == [
        ("0", "Intel Core i5-8500T"), ("1", "Intel Core i5-8500T"), ("2", "Intel Core i5-650 @ 3.20GHz"),
        ("3", "Intel Core i5-650 @ 3.20GHz"), ("4", "AMD Ryzen 5 5600X"), ("6", "Intel Xeon @ 2.20GHz"),
        ("8", "AMD Ryzen 5 5600X"), ("9", "Intel Core i5-650 @ 3.20GHz"),
    ]  # fmt: skip
    assert importer.reasons == [
        (7, f'unknown CPU "Intel Xeon": {NO_MODEL_NUMBER}'),
        (9, f'unknown CPU "Intel Xeon @ 2.40GHz": {NO_MODEL_NUMBER}'),
        (12, 'unknown CPU "Ryzen 5 5600": "5600": the catalogue has no such model, only 5600x'),
        (13, 'unknown CPU "i5-8500T or 5600X": "5600x": the title says "i5"'),
    ]


async def test_listing_import_without_cpu_column_uses_title(importer: FileImporter) -> None:
    header = "title,cpu,price,marketplace\n"
    rows = "HP mini i5-8500T 8GB,,1,m\nHP mini i5 8GB,,2,m\nIntel Core i5-8500T,,3,m\n,,4,m\nRyzen 5600X,i5-8500T,5,m\n"
    assert checked_counts(await importer.listings(header + rows)) == (3, 0, 0, 2)
    assert await importer.rows("SELECT price::int, cpu.name FROM listing JOIN cpu ON cpu.id = cpu_id ORDER BY 1") == [
        (1, "Intel Core i5-8500T"), (3, "Intel Core i5-8500T"), (5, "Intel Core i5-8500T"),
    ]  # fmt: skip
    assert importer.reasons == [
        (3, "cpu is empty, and the title names no CPU: the title contains no model number of the catalogue"),
        (5, "title is empty"),
    ]


async def test_listing_import_matches_names_of_every_chunk(
    importer: FileImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "FIRST_CHUNK_BYTES", 100)
    monkeypatch.setattr(staging, "MAX_CHUNK_BYTES", 100)
    rows = "".join(f"t{n},{('i5-8500T', 'Ryzen 5600X', 'Z80')[n % 3]},{n + 1},m\n" for n in range(60))
    assert checked_counts(await importer.listings("title,cpu,price,marketplace\n" + rows)) == (40, 0, 0, 20)
    assert await importer.rows(
        "SELECT cpu.name, count(*) FROM listing JOIN cpu ON cpu.id = cpu_id GROUP BY 1 ORDER BY 1"
    ) == [("AMD Ryzen 5 5600X", 20), ("Intel Core i5-8500T", 20)]


async def test_listing_import_of_known_names_builds_no_matcher(
    importer: FileImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(_tx: object) -> None:
        raise AssertionError("a matcher was made")

    monkeypatch.setattr(cpu_lookup, "build_matcher", none)
    assert checked_counts(await importer.listings(HEADER + ROW)) == (1, 0, 0, 0)


async def test_listing_import_without_item_id_identifies_offer_by_title_seller_marketplace(
    importer: FileImporter,
) -> None:
    header = "title,cpu,price,marketplace,seller\n"
    await importer.listings(header + "Dell - X,amd-ryzen-5-5600x,1,eBay,Joe's Shop\n")
    same = "DELL X!,amd-ryzen-5-5600x,2,ebay,joe s shop\n"
    other = (
        "Dell X,amd-ryzen-5-5600x,3,ebay,jim\nDell X,amd-ryzen-5-5600x,4,amazon,Joe's Shop\n"
        "DellX,amd-ryzen-5-5600x,5,ebay,Joe's Shop\nDell X,amd-ryzen-5-5600x,6,ebay,\n"
    )
    assert checked_counts(await importer.listings(header + same + other)) == (4, 1, 0, 0)
    rows = await importer.rows("SELECT title, price::int FROM listing ORDER BY price")
    assert rows == [("DELL X!", 2), ("Dell X", 3), ("Dell X", 4), ("DellX", 5), ("Dell X", 6)]


async def test_listing_import_with_item_id_identifies_offer_by_it(importer: FileImporter) -> None:
    header = "title,cpu,price,marketplace,vendor_item_id,seller\n"
    await importer.listings(header + "A,amd-ryzen-5-5600x,1,eBay,a1,joe\n")
    rows = "B,intel-core-i5-8500t,2,EBAY,a1,jim\nA,amd-ryzen-5-5600x,3,eBay,A1,joe\nA,amd-ryzen-5-5600x,4,eBay,,joe\n"
    assert checked_counts(await importer.listings(header + rows)) == (2, 1, 0, 0)
    assert await importer.rows("SELECT title, price::int FROM listing ORDER BY price") == [("B", 2), ("A", 3), ("A", 4)]


async def test_listing_import_records_observation_for_price_not_for_title(importer: FileImporter) -> None:
    header = "title,cpu,price,shipping,marketplace,vendor_item_id\n"
    await importer.listings(header + "A,amd-ryzen-5-5600x,1,,m,1\n")
    assert checked_counts(await importer.listings(header + "B,amd-ryzen-5-5600x,1,,m,1\n")) == (0, 1, 0, 0)
    assert len(await importer.rows(OBSERVED)) == 1
    assert checked_counts(await importer.listings(header + "B,amd-ryzen-5-5600x,1,2,m,1\n")) == (0, 1, 0, 0)
    assert [row[1:] for row in await importer.rows(OBSERVED)] == [
        (Decimal(1), None, "USD"), (Decimal(1), Decimal(2), "USD"),
    ]  # fmt: skip
    assert await importer.rows("SELECT title, adjusted_price::int, seen_at = updated_at FROM listing") == [
        ("B", 3, True)
    ]


async def test_listing_import_compares_times_of_rows(importer: FileImporter) -> None:
    header = "title,cpu,price,marketplace,vendor_item_id,seen_at\n"

    def row(price: int, seen_at: str) -> str:
        return f"A,amd-ryzen-5-5600x,{price},m,1,{seen_at}\n"

    await importer.listings(header + row(10, "2025-03-01"))
    # Older: added to the history, without effect on the listing.
    assert checked_counts(await importer.listings(header + row(9, "2025-02-01"))) == (0, 0, 1, 0)
    assert importer.domains == {"market"}
    # Newer with the same price: only the time of the last observation changes.
    assert checked_counts(await importer.listings(header + row(10, "2025-04-01"))) == (0, 1, 0, 0)
    # Two rows of the same time: the last one counts.
    assert checked_counts(await importer.listings(header + row(12, "2025-05-01") + row(11, "2025-05-01"))) == (
        0,
        1,
        1,
        0,
    )
    # A corrected observation.
    assert checked_counts(await importer.listings(header + row(8, "2025-02-01"))) == (0, 0, 1, 0)
    assert await importer.rows("SELECT price::int, seen_at::date::text FROM listing") == [(11, "2025-05-01")]
    assert [(f"{row[0]:%m}", int(row[1])) for row in await importer.rows(OBSERVED)] == [
        ("02", 8), ("03", 10), ("04", 10), ("05", 11),
    ]  # fmt: skip


async def test_listing_import_of_repeated_offer_records_its_history(importer: FileImporter) -> None:
    """In any order of rows, the latest one is the listing and each one an observation."""
    header = "title,cpu,price,marketplace,vendor_item_id,seen_at\n"
    rows = [f"A,amd-ryzen-5-5600x,{day},m,1,2025-01-{day:02d}\n" for day in (5, 9, 2, 7)]
    summary = await importer.listings(header + "".join(rows) + "A,amd-ryzen-5-5600x,70,m,1,2025-01-07\n")
    assert (checked_counts(summary), summary.superseded) == ((1, 0, 4, 0), 4)
    assert await importer.rows("SELECT price::int FROM listing") == [(9,)]
    assert [int(row[1]) for row in await importer.rows(OBSERVED)] == [2, 5, 70, 9]
    again = await importer.listings(header + "".join(rows))
    assert (checked_counts(again), again.superseded) == ((0, 0, 4, 0), 3)
    # A row without a time is an observation of now.
    assert checked_counts(await importer.listings(header + rows[0] + "A,amd-ryzen-5-5600x,3,m,1,\n")) == (0, 1, 1, 0)
    assert await importer.rows("SELECT price::int, seen_at = updated_at FROM listing") == [(3, True)]


async def test_listing_import_keeps_absent_columns_and_clears_empty_cells(importer: FileImporter) -> None:
    await importer.listings(HEADER + ROW.replace("USD", "EUR").replace("active", "sold"))
    header = "title,cpu,price,marketplace,vendor_item_id"
    row = "An i5 tray,Intel Core i5-8500T,61,ebay,1"
    assert checked_counts(await importer.listings(f"{header}\n{row}\n")) == (0, 1, 0, 0)
    query = "SELECT price::int, currency, condition, status, seller, url, shipping, adjusted_price FROM listing"
    assert await importer.rows(query) == [
        (61, "EUR", "used", "sold", "joe", "https://example.com/1", Decimal("4.50"), None)
    ]
    await importer.listings(f"{header},currency,condition,status,seller,url,shipping\n{row},,,,,,\n")
    assert await importer.rows(query) == [(61, "USD", "unknown", "active", None, None, None, Decimal(61))]


async def test_listing_import_replaces_sample_listing(importer: FileImporter) -> None:
    records = open_listings(importer.file(HEADER + ROW))
    await importer.load(records, partial(import_listings, is_sample=True))
    assert await importer.rows("SELECT is_sample FROM listing") == [(True,)]
    assert checked_counts(await importer.listings(HEADER + ROW)) == (0, 1, 0, 0)
    assert await importer.rows("SELECT is_sample FROM listing") == [(False,)]


async def test_listing_import_maps_words_to_conditions_and_statuses(importer: FileImporter) -> None:
    conditions = {
        "NEW": "new", "Open_Box": "open_box", "like new": "open_box", "Renewed": "refurbished", "refurb": "refurbished",
        "Pre-Owned": "used", "Very Good": "used", "acceptable": "used", "For Parts": "for_parts",
        "for parts or not working": "for_parts", "Not Working": "for_parts", "": "unknown", "unknown": "unknown",
    }  # fmt: skip
    statuses = {
        "": "active", "Active": "active", "PENDING": "pending", "sold": "sold", "ended": "ended", "Inactive": "ended",
        "expired": "ended", "removed": "ended", "archived": "ended", "out_of_stock": "ended",
    }  # fmt: skip
    header = "title,cpu,price,marketplace,condition,status\n"
    rows = [f"c{n:02d},amd-ryzen-5-5600x,1,m,{word},\n" for n, word in enumerate(conditions)]
    rows += [f"s{n:02d},amd-ryzen-5-5600x,1,m,,{word}\n" for n, word in enumerate(statuses)]
    assert checked_counts(await importer.listings(header + "".join(rows)))[3] == 0
    listings = await importer.rows("SELECT condition, status FROM listing ORDER BY title")
    assert listings == [(value, "active") for value in conditions.values()] + [
        ("unknown", value) for value in statuses.values()
    ]


async def test_listing_import_parses_amounts(importer: FileImporter) -> None:
    header = "title,cpu,price,currency,condition,shipping,marketplace\n"
    cases = [
        ('"1,299.00",USD,new,', money("1299.00", None, "1299.00")),
        ("$12.345,usd,new,0.005", money("12.35", "0.01", "12.36")),
        ("12,EUR,new,1", money("12", "1", None)),
        ("12,,for parts,1", money("12", "1", None)),
        ("0,USD,new,", money("0", None, "0")),
        ("99999999.99,USD,,99999999.99", money("99999999.99", "99999999.99", "199999999.98")),
    ]
    rows = "".join(f"t{n},amd-ryzen-5-5600x,{cells},m\n" for n, (cells, _) in enumerate(cases))
    assert checked_counts(await importer.listings(header + rows)) == (len(cases), 0, 0, 0)
    listings = await importer.rows("SELECT price, shipping, adjusted_price FROM listing ORDER BY title")
    assert [list(row) for row in listings] == [expected for _, expected in cases]


async def test_listing_import_parses_iso_times(importer: FileImporter) -> None:
    times = {
        "2025-01-02": SEEN.replace(hour=0, minute=0, second=0),
        "2025-01-02T03:04:05": SEEN,
        "2025-01-02 03:04": SEEN.replace(second=0),
        "2025-01-02T03:04:05.5Z": SEEN.replace(microsecond=500_000),
        "2025-01-02T05:04:05+02:00": SEEN,
        "2025-01-01T22:04:05-0500": SEEN,
    }
    soon = datetime.now(UTC) + timedelta(hours=20)
    times[soon.isoformat()] = soon
    bad = ["yesterday", "now", "infinity", "2025-02-30", "02.01.2025", "2025-01-02 BC", "2025-01-02T25:00:00Z",
           "2025-W01-1", "12:00", "2025-01-02 noon", "20250102", "2025-1-2"]  # fmt: skip
    late = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}T00:00:00Z"
    rows = [f"t{n:02d},amd-ryzen-5-5600x,1,m,{time}\n" for n, time in enumerate([*times, *bad, late])]
    async with importer.resources.write() as tx:
        # Independent of the time zone of the server.
        await tx.execute(
            text(
                "ALTER DATABASE " + await tx.scalar(text("SELECT current_database()")) + " SET timezone = 'Asia/Tokyo'"
            )
        )
    await importer.resources.engine.dispose()
    await importer.listings("title,cpu,price,marketplace,seen_at\n" + "".join(rows))
    assert [row[0] for row in await importer.rows("SELECT seen_at FROM listing ORDER BY title")] == list(times.values())
    line = len(times) + 2
    assert importer.reasons == [
        *((line + n, f'seen_at "{time}" is not an ISO 8601 time') for n, time in enumerate(bad)),
        (line + len(bad), f'seen_at "{late}" is in the future'),
    ]


async def test_listing_import_rejects_bad_rows_and_loads_others(importer: FileImporter) -> None:
    cpu = "amd-ryzen-5-5600x"
    rows = {
        f",{cpu},1,USD,new,m,,,,,,": "title is empty",
        "t,,1,USD,new,m,,,,,,": f"cpu is empty, and the title names no CPU: {NO_MODEL_NUMBER}",
        "t,Z80,1,USD,new,m,,,,,,": f'unknown CPU "Z80": {NO_MODEL_NUMBER}',
        f"t,{cpu},,USD,new,m,,,,,,": "price is empty",
        f"t,{cpu},abc,USD,new,m,,,,,,": 'price "abc" is not a number',
        f"t,{cpu},-3,USD,new,m,,,,,,": "price -3 is negative",
        f"t,{cpu},99999999.995,USD,new,m,,,,,,": "price 99999999.995 is more than 99999999.99",
        f"t,{cpu},1,XXQ,new,m,,,,,,": 'unknown currency "XXQ"',
        f"t,{cpu},1,USD,mint,m,,,,,,": f'condition "mint" is not one of {", ".join(Condition)}',
        f"t,{cpu},1,USD,new,,,,,,,": "marketplace is empty",
        f"t,{cpu},1,USD,new,m,,,javascript:alert(1),,,": (
            'url "javascript:alert(1)" does not begin with http:// or https://'
        ),
        f"t,{cpu},1,USD,new,m,,,http:/x,,,": 'url "http:/x" does not begin with http:// or https://',
        f"t,{cpu},1,USD,new,m,,,,gone,,": f'status "gone" is not one of {", ".join(ListingStatus)}',
        f"t,{cpu},1,USD,new,m,,,,,then,": 'seen_at "then" is not an ISO 8601 time',
        f"t,{cpu},1,USD,new,m,,,,,,free": 'shipping "free" is not a number',
        f"t,{cpu},1,USD,new,m,,,,,,-1": "shipping -1 is negative",
        f"{'t' * 1001},{cpu},1,USD,new,m,,,,,,": "title is longer than 1000 characters",
        f"t,{'c' * 201},1,USD,new,m,,,,,,": "cpu is longer than 200 characters",
        f"t,{cpu},1,USD,new,m,,{'v' * 201},,,,": "vendor_item_id is longer than 200 characters",
        f"t,{cpu},{'x' * 90},USD,new,m,,,,,,": f'price "{"x" * 80}" is not a number',
        f"t,{cpu},1": "the row has 3 cells, the header 12",
    }
    good = f"{'ü' * 600},{cpu},1,USD,new,m,,,HTTPS://example.com,,,\n"
    content = HEADER + "".join(f"{row}\n" for row in rows) + good
    assert checked_counts(await importer.listings(content)) == (1, 0, 0, len(rows))
    assert importer.reasons == [(line, reason) for line, reason in enumerate(rows.values(), start=2)]
    assert importer.rejects[2].endswith(",t,Z80,1,USD,new,m,,,,,,")


async def test_listing_import_accepts_repaired_rejects(importer: FileImporter) -> None:
    await importer.listings('title,cpu,price,marketplace\na,amd-ryzen-5-5600x,1,m\n"b, c",amd-ryzen-5-5600x,x,m\n')
    repaired = importer.rejects_file.read_text().replace(",x,", ",2,")
    assert checked_counts(await importer.listings(repaired)) == (1, 0, 0, 0)
    assert await importer.rows("SELECT title, price::int FROM listing ORDER BY id") == [("a", 1), ("b, c", 2)]


async def test_listing_import_strict_with_bad_row_loads_nothing(importer: FileImporter) -> None:
    content = "title,cpu,price,marketplace\na,amd-ryzen-5-5600x,1,m\nb,amd-ryzen-5-5600x,x,m\nc,,1,m\n"
    with pytest.raises(BadInput, match="Nothing was loaded, because 2 rows were rejected"):
        await importer.listings(content, strict=True)
    assert importer.reasons == [
        (3, 'price "x" is not a number'),
        (4, f"cpu is empty, and the title names no CPU: {NO_MODEL_NUMBER}"),
    ]
    assert await importer.rows("SELECT count(*) FROM listing") == [(0,)]


async def test_listing_import_of_unreadable_file_loads_nothing(importer: FileImporter) -> None:
    rows = "a title,amd-ryzen-5-5600x,1,m\n" * 30_000
    content = ("title,cpu,price,marketplace\n" + rows).encode() + b"\xff,amd-ryzen-5-5600x,1,m\n"
    with pytest.raises(BadInput, match="line 30002, is not valid utf-8"):
        await importer.listings(content)
    assert await importer.rows("SELECT count(*) FROM listing") == [(0,)]
    assert checked_counts(await importer.listings("title,cpu,price,marketplace\n" + rows)) == (1, 0, 29_999, 0)


async def test_listing_import_of_header_only_loads_nothing(importer: FileImporter) -> None:
    assert checked_counts(await importer.listings(HEADER)) == (0, 0, 0, 0)


async def test_listing_import_concurrent_imports_load_each_offer_once(importer: FileImporter, tmp_path: Path) -> None:
    """If both files have an offer, one import creates its listing and the other one updates it."""
    (tmp_path / "other").mkdir()
    other = FileImporter(importer.resources, tmp_path / "other")
    rows = "title,cpu,price,marketplace\n" + "".join(f"t{n},amd-ryzen-5-5600x,{n},m\n" for n in range(2000))
    summaries = await asyncio.gather(importer.listings(rows), other.listings(rows))
    assert sorted(tuple(checked_counts(summary)) for summary in summaries) == [(0, 0, 2000, 0), (2000, 0, 0, 0)]
