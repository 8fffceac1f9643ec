"""Import of CPUs from PassMark exports and CSV: created, updated, unchanged and rejected rows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from app.bulk_import.staging import ImportOptions
from app.catalog.cpu_import import import_cpus, open_cpus
from app.core.errors import BadInput
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.market.imports.importer import import_listings, open_listings
from app.resources import Resources
from tests.support.file_imports import FileImporter, checked_counts
from tests.support.passmark_export import export_rows
from tests.support.real_data import DataSet

FIGURES = "SELECT name, cores, threads, tdp_w, release_year, cpu_mark_multi, cpu_mark_single FROM cpu ORDER BY id"
HEADER = (
    "name,manufacturer,socket,category,cores,threads,tdp_w,release_year,"
    "cpu_mark_multi,cpu_mark_single,igpu_model,igpu_mark\n"
)


@pytest.fixture
def importer(resources: Resources, tmp_path: Path) -> FileImporter:
    """Return an importer for the database of the test."""
    return FileImporter(resources, tmp_path)


def export(*rows: dict[str, object]) -> str:
    """Return a PassMark export of these rows, with the site's placeholders for missing values."""
    usual = {
        "name": "Intel Core i5-8500T @ 2.10GHz", "cpumark": "7,600", "thread": "2,100", "tdp": "35", "date": "May 2018",
        "socket": "FCLGA1151-2", "cat": "Desktop", "cpuCount": 1, "cores": "6", "logicals": "1",
        "secondaryCores": "0", "secondaryLogicals": "0",
    }  # fmt: skip
    return json.dumps({"data": [usual | row for row in rows]})


async def test_cpu_import_stores_every_column(importer: FileImporter) -> None:
    row = "Intel Core i5-8500T,Intel,FCLGA1151-2,Desktop,6,6,35,2018,7600,2100,UHD 630,1200\n"
    assert checked_counts(await importer.cpus(HEADER + row)) == (1, 0, 0, 0)
    assert importer.domains == {"catalog"}
    columns = HEADER.strip()
    assert await importer.rows(f"SELECT {columns}, slug FROM cpu") == [
        ("Intel Core i5-8500T", "Intel", "FCLGA1151-2", "Desktop", 6, 6, 35, 2018, 7600, 2100, "UHD 630", 1200,
         "intel-core-i5-8500t"),
    ]  # fmt: skip


async def test_cpu_import_of_same_file_changes_nothing(importer: FileImporter) -> None:
    content = HEADER + "Intel Core i5-8500T,,FCLGA1151-2,,6,6,35,2018,7600,2100,,\nAMD Ryzen 5,,,,,,,,,,,\n"
    await importer.cpus(content)
    before = await importer.rows("SELECT cpu.*, cpu.xmin::text FROM cpu")
    assert checked_counts(await importer.cpus(content)) == (0, 0, 2, 0)
    assert importer.domains == set()
    assert await importer.rows("SELECT cpu.*, cpu.xmin::text FROM cpu") == before


async def test_cpu_import_keeps_absent_columns_and_clears_empty_cells(importer: FileImporter) -> None:
    await importer.cpus("name,manufacturer,socket,cores,tdp_w\nAcme One,Acme Inc,S1,4,65\n")
    assert checked_counts(await importer.cpus("name,cores\nACME  one,8\n")) == (0, 1, 0, 0)
    query = "SELECT name, slug, manufacturer, socket, cores, tdp_w, updated_at > created_at FROM cpu"
    assert await importer.rows(query) == [("ACME one", "acme-one", "Acme Inc", "S1", 8, 65, True)]
    assert checked_counts(await importer.cpus("name,manufacturer,socket\nACME one,,\n")) == (0, 1, 0, 0)
    assert await importer.rows(query) == [("ACME one", "acme-one", "Unknown", None, 8, 65, True)]


async def test_cpu_import_update_keeps_id_slug_and_figures(importer: FileImporter) -> None:
    await importer.cpus("name,cores\nA One,4\n")
    async with importer.resources.write() as tx:
        await tx.execute(text("UPDATE cpu SET price_good = 10, price_sample_size = 5"))
    await importer.cpus("name,cores\nA One,5\n")
    assert await importer.rows("SELECT cores, price_good, price_sample_size FROM cpu") == [(5, 10, 5)]


async def test_cpu_import_of_repeated_cpu_uses_last_row(importer: FileImporter) -> None:
    summary = await importer.cpus("name,cores\nA One,4\nB,1\na  one,6\nA ONE,8\n")
    assert checked_counts(summary) == (2, 0, 2, 0)
    assert summary.superseded == 2
    assert await importer.rows("SELECT name, cores FROM cpu ORDER BY name") == [("A ONE", 8), ("B", 1)]


async def test_cpu_import_assigns_unique_slugs(importer: FileImporter) -> None:
    await importer.cpus("name\nX One\nx+\nCore™ Ü 2\n")
    await importer.cpus("name\nX-One\nX (One)\nX One 2\nx one 4\nX_One\n!!!\n???\nX plus\n")
    assert await importer.rows("SELECT name, slug FROM cpu ORDER BY id") == [
        ("X One", "x-one"), ("x+", "x-plus"), ("Core™ Ü 2", "core-ü-2"),
        ("X-One", "x-one-3"), ("X (One)", "x-one-5"), ("X One 2", "x-one-2"), ("x one 4", "x-one-4"),
        ("X_One", "x-one-6"), ("!!!", "cpu"), ("???", "cpu-2"), ("X plus", "x-plus-2"),
    ]  # fmt: skip


async def test_cpu_import_derives_manufacturers_from_names(importer: FileImporter) -> None:
    names = [
        "Intel Core i5", "amd Ryzen 5", "Mediatek MT1", "MediaTek MT2", "SAMSUNG Exynos", "QTI SM8350", "Snapdragon X",
        "Mobile Intel Celeron", "[Dual CPU] Intel Xeon", "06/5f", "Celeron N4020", "VIA Nano",
    ]  # fmt: skip
    await importer.cpus("name\n" + "\n".join(names))
    manufacturer_by_name = dict(await importer.rows("SELECT name, manufacturer FROM cpu"))
    assert [manufacturer_by_name[name] for name in names] == [
        "Intel", "AMD", "MediaTek", "MediaTek", "Samsung", "Qualcomm", "Qualcomm", "Intel", "Intel", "Unknown", "Intel",
        "VIA",
    ]  # fmt: skip


async def test_cpu_import_rejects_bad_rows_and_loads_others(importer: FileImporter) -> None:
    content = (
        "name,cores,tdp_w,release_year,cpu_mark_multi,socket\n"
        f'Good,4,6.5,2020,"1,234",\n,4,,,,\nA,four,,,,\nB,0,,,,\nC,,10001,,,\nD,,,1969,,\nE,,,,-1,\nF,1,2\n'
        f"{'x' * 201},,,,,\nG,,,,,{'y' * 201}\nH,{'9' * 50},,,,\nI,,0.4,,,\n"
    )
    assert checked_counts(await importer.cpus(content)) == (1, 0, 0, 11)
    assert importer.reasons == [
        (3, "name is empty"),
        (4, 'cores "four" is not a number'),
        (5, "cores 0 is not between 1 and 100000"),
        (6, "tdp_w 10001 is not between 1 and 10000"),
        (7, "release_year 1969 is not between 1970 and 2100"),
        (8, "cpu_mark_multi -1 is not between 0 and 100000000"),
        (9, "the row has 3 cells, the header 6"),
        (10, "name is longer than 200 characters"),
        (11, "socket is longer than 200 characters"),
        (12, f'cores "{"9" * 50}" is not a number'),
        (13, "tdp_w 0.4 is not between 1 and 10000"),
    ]
    assert importer.rejects[1] == '4,"cores ""four"" is not a number",A,four,,,,'
    assert await importer.rows("SELECT name, tdp_w, cpu_mark_multi FROM cpu") == [("Good", 7, 1234)]


async def test_cpu_import_strict_with_bad_row_loads_nothing(importer: FileImporter) -> None:
    with pytest.raises(BadInput, match="Nothing was loaded, because 1 row was rejected"):
        await importer.cpus("name,cores\nGood,1\nBad,x\n", strict=True)
    assert importer.reasons == [(3, 'cores "x" is not a number')]
    assert await importer.rows("SELECT count(*) FROM cpu") == [(0,)]
    assert checked_counts(await importer.cpus("name,cores\nGood,1\n", strict=True)) == (1, 0, 0, 0)


async def test_passmark_rows_become_cpus(importer: FileImporter) -> None:
    content = export(
        {"name": " Intel  Core i5-8500T @ 2.10GHz "},
        {"name": "Intel Xeon", "cpuCount": "2", "cores": "8", "logicals": "2", "tdp": "82.5"},
        {"name": "Intel Xeon", "cpuCount": 4, "tdp": "NA"},
        {"name": "Intel Xeon", "cpuCount": 8, "cores": "NA", "logicals": "NA"},
        {
            "name": "Intel Core i9-12900K",
            "cores": "8",
            "logicals": "2",
            "secondaryCores": "8",
            "secondaryLogicals": "1",
        },
        {
            "name": "Odd",
            "cpumark": "0",
            "thread": "NA",
            "tdp": "0.3",
            "date": "NA",
            "socket": "Unknown",
            "cat": "Unknown",
        },
    )
    assert checked_counts(await importer.cpus(content, name="passmark.json")) == (6, 0, 0, 0)
    assert await importer.rows(FIGURES) == [
        ("Intel Core i5-8500T @ 2.10GHz", 6, 6, 35, 2018, 7600, 2100),
        ("[Dual CPU] Intel Xeon", 16, 32, 165, 2018, 7600, 2100),
        ("[Quad CPU] Intel Xeon", 24, 24, None, 2018, 7600, 2100),
        ("[8-Way CPU] Intel Xeon", None, None, 280, 2018, 7600, 2100),
        ("Intel Core i9-12900K", 16, 24, 35, 2018, 7600, 2100),
        ("Odd", 6, 6, None, None, None, None),
    ]
    assert await importer.rows("SELECT DISTINCT socket, category FROM cpu WHERE name = 'Odd'") == [(None, None)]


async def test_passmark_invalid_rows_are_rejected(importer: FileImporter) -> None:
    content = export({"name": "Good"}, {"name": "NA"}, {"name": "B", "cores": "many"}, {"name": "C", "tdp": "hot"})
    content = content.replace("]}", ', 5, {"name": "nul\\u0000"}]}')
    assert checked_counts(await importer.cpus(content, name="passmark.json")) == (1, 0, 0, 5)
    assert importer.reasons == [
        (2, "name is empty"),
        (3, 'cores "many" is not a number'),
        (4, 'tdp_w "hot" is not a number'),
        (5, "the row is not an object"),
        (6, "the row contains a NUL character"),
    ]


async def test_cpu_import_waits_for_cpu_writers_lock(importer: FileImporter) -> None:
    async with importer.resources.write() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CPU_WRITERS_LOCK})
        waiting = asyncio.create_task(importer.cpus("name\nA\n"))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
    assert checked_counts(await waiting) == (1, 0, 0, 0)


async def test_cpu_import_twice_in_one_transaction_succeeds(importer: FileImporter) -> None:
    """Loading the sample data does this: the second import replaces the staging table of the first."""
    paths = [importer.file("name\nA\n", "a.csv"), importer.file("title,cpu,price,marketplace\nT,A,1,m\n", "b.csv")]
    options = ImportOptions(importer.rejects_file)
    async with importer.resources.write() as tx:
        assert checked_counts(await import_cpus(tx, open_cpus(paths[0]), options)) == (1, 0, 0, 0)
        assert checked_counts(await import_listings(tx, open_listings(paths[1]), options)) == (1, 0, 0, 0)


async def test_passmark_export_imported_twice_changes_nothing(importer: FileImporter, data_set: DataSet) -> None:
    rows = 6066 if data_set.is_complete else len(export_rows())
    assert checked_counts(await importer.load(open_cpus(data_set.passmark), import_cpus)) == (rows, 0, 0, 0)
    assert checked_counts(await importer.load(open_cpus(data_set.passmark), import_cpus)) == (0, 0, rows, 0)
    marks = (41174, 4133) if data_set.is_complete else (41000, 4100)
    assert await importer.rows(f"{FIGURES.split(' FROM')[0]} FROM cpu WHERE name = 'Intel Core i9-12900K'") == [
        ("Intel Core i9-12900K", 16, 24, 241, 2021, *marks)
    ]
    assert await importer.rows("SELECT count(*) FROM cpu WHERE name LIKE '[%' AND name NOT LIKE '[%CPU] %'") == [(0,)]
