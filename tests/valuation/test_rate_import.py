"""Import of exchange rates: both file formats, rejected rows, and revalued listings."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from app.bulk_import.staging import ImportSummary
from app.core.errors import BadInput
from app.resources import Resources
from app.valuation.rate_import import import_rates, open_rates
from tests.support.catalog_rows import add_cpu
from tests.support.file_imports import FileImporter, checked_counts
from tests.support.queue_worker import run_queued_jobs

STORED = "SELECT currency, date::text, trim_scale(usd)::text FROM exchange_rate ORDER BY 1, 2"
PRICES = "SELECT title, adjusted_price FROM listing ORDER BY title"
LISTINGS = "title,cpu,price,currency,marketplace,shipping,seen_at\n"


@pytest.fixture
async def importer(resources: Resources, tmp_path: Path) -> FileImporter:
    """Return an importer for a database with a CPU."""
    await add_cpu(resources, "Intel Core i5-8500T")
    return FileImporter(resources, tmp_path)


async def import_and_revalue(importer: FileImporter, content: str, *, strict: bool = False) -> ImportSummary:
    """Import rates and run the revaluation job that the import requests."""
    summary = await importer.load(open_rates(importer.file(content)), import_rates, strict=strict)
    await run_queued_jobs(importer.resources)
    return summary


async def test_rate_import_counts_created_updated_unchanged(importer: FileImporter) -> None:
    rates = "date,currency,rate\n2025-01-02,EUR,1.0321\n2025-01-02,gbp,1.2415\n2025-01-03,EUR,1.0299\n"
    assert checked_counts(await import_and_revalue(importer, rates)) == (3, 0, 0, 0)
    assert await importer.rows(STORED) == [
        ("EUR", "2025-01-02", "1.0321"),
        ("EUR", "2025-01-03", "1.0299"),
        ("GBP", "2025-01-02", "1.2415"),
    ]
    assert checked_counts(await import_and_revalue(importer, rates)) == (0, 0, 3, 0)
    assert await importer.rows("SELECT count(*) FROM job") == [(1,)], "no rate changed, so no job is requested"
    summary = await import_and_revalue(
        importer, "currency;rate;date\nEUR;1.04;2025-01-03\nEUR;1.05;2025-01-03\nUSD;1;2025-01-03\n"
    )
    assert checked_counts(summary) == (0, 1, 2, 0)
    assert summary.superseded == 1
    assert (await importer.rows(STORED))[1] == ("EUR", "2025-01-03", "1.05")
    assert await importer.rows("SELECT input FROM job ORDER BY id DESC LIMIT 1") == [
        ({"currencies": ["EUR"], "since": "2025-01-03"},)
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",EUR,1", "date is empty"),
        ("yesterday,EUR,1", 'date "yesterday" is not an ISO 8601 date'),
        ("2025-02-30,EUR,1", 'date "2025-02-30" is not an ISO 8601 date'),
        ("02/03/2025,EUR,1", 'date "02/03/2025" is not an ISO 8601 date'),
        ("9999-01-01,EUR,1", 'date "9999-01-01" is in the future'),
        ("2025-01-02,,1", "currency is empty"),
        ("2025-01-02,XXX,1", 'unknown currency "XXX"'),
        ("2025-01-02,BTC,60000", 'unknown currency "BTC"'),
        ("2025-01-02,EUR,", "rate is empty"),
        ("2025-01-02,EUR,NaN", 'rate "NaN" is not a number'),
        ("2025-01-02,EUR,1e3", 'rate "1e3" is not a number'),
        ("2025-01-02,EUR,0", 'rate "0" is not more than 0'),
        ("2025-01-02,EUR,-1", 'rate "-1" is not more than 0'),
        ("2025-01-02,IRR,0.0000000000001", 'rate "0.0000000000001" is not more than 0'),
        ("2025-01-02,JPY,157.2", 'rate "157.2" is more than 100: it must be USD per unit of the currency'),
        ("2025-01-02,USD,1.1", "the rate of USD is 1"),
        ("2025-01-02,EUR", "the row has 2 cells, the header 3"),
    ],
)
async def test_rate_import_rejects_bad_rows(importer: FileImporter, row: str, reason: str) -> None:
    assert checked_counts(await import_and_revalue(importer, f"date,currency,rate\n{row}\n2025-01-02,CHF,1.1\n")) == (
        1,
        0,
        0,
        1,
    )
    assert importer.reasons == [(2, reason)]
    assert [row[0] for row in await importer.rows(STORED)] == ["CHF"]


async def test_rate_import_strict_with_bad_row_loads_nothing(importer: FileImporter) -> None:
    with pytest.raises(BadInput, match="Nothing was loaded, because 1 row was rejected"):
        await import_and_revalue(importer, "date,currency,rate\n2025-01-02,EUR,1\n2025-01-02,EUR,no\n", strict=True)
    assert await importer.rows(STORED) == []
    assert await importer.rows("SELECT count(*) FROM job") == [(0,)]


async def test_rate_import_reads_ecb_history(importer: FileImporter) -> None:
    """The file has units per euro, a column per currency, and a comma at the end of each line."""
    content = (
        "Date,USD,JPY,SIT,CHF,RUB,\n"
        "2025-01-03,1.0299,162.04,N/A,0.9363,N/A,\n"
        "2025-01-02,1.0321,oops,N/A,0,-,\n"
        "2025-01-01,N/A,162,N/A,0.94,N/A,\n"
        "2024-12-31,1.0389\n"
    )
    assert checked_counts(await import_and_revalue(importer, content)) == (4, 0, 0, 4)
    assert sorted(importer.reasons) == [
        (3, 'rate "0" is not more than 0'),
        (3, 'rate "oops" is not a number'),
        (4, "the row has no rate of the USD, which converts the other rates"),
        (5, "the row has 2 cells, the header 7"),
    ]
    rates = {(currency, day): Decimal(usd) for currency, day, usd in await importer.rows(STORED)}
    assert rates == {
        ("EUR", "2025-01-03"): Decimal("1.0299"),
        ("EUR", "2025-01-02"): Decimal("1.0321"),
        ("JPY", "2025-01-03"): round(Decimal("1.0299") / Decimal("162.04"), 12),
        ("CHF", "2025-01-03"): round(Decimal("1.0299") / Decimal("0.9363"), 12),
    }


async def test_rate_import_reads_ecb_daily_file(importer: FileImporter) -> None:
    assert checked_counts(
        await import_and_revalue(importer, "Date, USD, CZK, \n21 November 2025, 1.1520, 24.171, \n")
    ) == (
        2,
        0,
        0,
        0,
    )
    assert [row[:2] for row in await importer.rows(STORED)] == [("CZK", "2025-11-21"), ("EUR", "2025-11-21")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("day,EUR\n2025-01-02,1\n", 'has no column "date"'),
        ("date,EUR\n2025-01-02,1\n", "needs the columns date, currency and rate"),
        ("date,currency\n2025-01-02,EUR\n", 'has no column "rate"'),
        ("date,rate\n2025-01-02,1\n", 'has no column "currency"'),
        ("", "is empty"),
    ],
)
async def test_rate_import_rejects_unknown_columns(importer: FileImporter, content: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        await import_and_revalue(importer, content)


async def test_rate_import_values_listings_by_newest_earlier_rate(importer: FileImporter) -> None:
    await importer.listings(
        LISTINGS + "before,Intel Core i5-8500T,100,EUR,ebay,10,2025-01-01T23:59:59Z\n"
        "on the day,Intel Core i5-8500T,100,EUR,ebay,10,2025-01-02T00:00:00Z\n"
        "later,Intel Core i5-8500T,33.33,EUR,ebay,,2025-01-04T00:00:00Z\n"
        "dollars,Intel Core i5-8500T,100,USD,ebay,10,2025-01-04T00:00:00Z\n"
        "pounds,Intel Core i5-8500T,100,GBP,ebay,10,2025-01-04T00:00:00Z\n"
    )
    none = {"before": None, "on the day": None, "later": None, "dollars": Decimal("110.00"), "pounds": None}
    assert dict(await importer.rows(PRICES)) == none
    await import_and_revalue(importer, "date,currency,rate\n2025-01-02,EUR,1.0321\n2025-01-03,EUR,1.0299\n")
    assert dict(await importer.rows(PRICES)) == {
        **none,
        "on the day": Decimal("113.53"),  # 110 x 1.0321 = 113.531
        "later": Decimal("34.33"),  # 33.33 x 1.0299 = 34.326567
    }
    ((valuation,),) = await importer.rows("SELECT valuation FROM listing WHERE title = 'later'")
    assert valuation == {
        "total": 33.33,
        "total_usd": 34.326567,
        "rate": 1.0299,
        "rate_date": "2025-01-03",
        "deductions": [],
        "adjusted": 34.33,
    }


async def test_rate_correction_revalues_affected_listings_only(importer: FileImporter) -> None:
    await import_and_revalue(
        importer, "date,currency,rate\n2025-01-02,EUR,1.03\n2025-01-03,EUR,1.04\n2025-01-02,GBP,1.24\n"
    )
    await importer.listings(
        LISTINGS + "old,Intel Core i5-8500T,100,EUR,ebay,,2025-01-02T12:00:00Z\n"
        "new,Intel Core i5-8500T,100,EUR,ebay,,2025-01-03T12:00:00Z\n"
        "pounds,Intel Core i5-8500T,100,GBP,ebay,,2025-01-03T12:00:00Z\n"
    )
    before = await importer.rows("SELECT title, xmin::text FROM listing ORDER BY title")
    await import_and_revalue(importer, "date,currency,rate\n2025-01-03,EUR,1.05\n")
    after = await importer.rows("SELECT title, xmin::text FROM listing ORDER BY title")
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]
    assert [price for _, price in await importer.rows(PRICES)] == [Decimal(105), Decimal(103), Decimal(124)]
    job = "SELECT total, succeeded, failed, status FROM job ORDER BY id DESC LIMIT 1"
    assert await importer.rows(job) == [(1, 1, 0, "succeeded")]


async def test_listing_import_before_revaluation_counts_updates(importer: FileImporter) -> None:
    """Listings that the worker has not revalued yet count as updated, and no value is lost."""
    file = LISTINGS + "euros,Intel Core i5-8500T,100,EUR,ebay,,2025-01-03T12:00:00Z\n"
    await importer.listings(file)
    await importer.load(
        open_rates(importer.file("date,currency,rate\n2025-01-03,EUR,1.04\n", "rates.csv")), import_rates
    )
    assert checked_counts(await importer.listings(file)) == (0, 1, 0, 0)
    assert checked_counts(await importer.listings(file)) == (0, 0, 1, 0)
    assert await importer.rows(PRICES) == [("euros", Decimal("104.00"))]
    await run_queued_jobs(importer.resources)
    assert await importer.rows(PRICES) == [("euros", Decimal("104.00"))]
