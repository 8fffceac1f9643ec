"""Staging table: text arrives unchanged, and bad rows are written to the file of rejects."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from app.bulk_import.records import NumberedRow, RejectedRow
from app.bulk_import.staging import ImportOptions, parse_number_sql, rejected_cells_sql, stage, write_rejects
from app.core.errors import BadInput
from app.resources import Resources


class ListRecords:
    """Records read from a list."""

    def __init__(self, columns: list[str], rows: list[NumberedRow]) -> None:
        self.columns = columns
        self._rows = rows

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._rows)


def checked(reason: str, *columns: str) -> str:
    """Return a query like those of the imports."""
    staged = f"(SELECT *, {reason} AS reason FROM staged) AS checked_rows"
    return f"SELECT line, reason, {rejected_cells_sql(columns)} AS cells FROM {staged}"


async def test_stage_keeps_every_character(resources: Resources) -> None:
    odd = ["a\tb", "a\\nb\\", "two\nlines\r\n more", "\\N", "\\.", "  trimmed \u00a0", "", "żółć 日本 🙂", "'\"%s:x;"]
    async with resources.write() as tx:
        records = ListRecords(["a", "b"], [(n, [cell, f"{n}"]) for n, cell in enumerate(odd)])
        assert await stage(tx.connection, ["a", "b", "c"], records, "checked", "SELECT * FROM staged") == len(odd)
        rows = await tx.rows(text("SELECT line, fault, raw, a, b, c FROM checked ORDER BY line"))
    expected = [cell.strip() or None for cell in odd]
    assert [tuple(row) for row in rows] == [(n, None, None, cell, f"{n}", None) for n, cell in enumerate(expected)]


async def test_stage_rejects_rows_with_unstorable_characters(resources: Resources, tmp_path: Path) -> None:
    options = ImportOptions(tmp_path / "rejects.csv")
    rows: list[NumberedRow] = [
        (1, ["fine", "1"]),
        (2, ["nul\0", "2"]),
        (3, ["half \ud800", "3"]),
        (4, RejectedRow("bad\trow", ["x\ty"])),
    ]
    async with resources.write() as tx:
        await stage(tx.connection, ["a", "b"], ListRecords(["a", "b"], rows), "checked", checked("fault", "a", "b"))
        assert await write_rejects(tx.connection, "checked", ["a", "b"], options) == 3
    with options.rejects_path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason", "a", "b"],
            ["2", "the row contains a NUL character", "nul\ufffd", "2"],
            ["3", "the row contains half of a surrogate pair, which is not a character", "half ?", "3"],
            ["4", "bad\trow", "x\ty"],
        ]


async def test_rejects_file_keeps_the_order_and_shortens_cells(resources: Resources, tmp_path: Path) -> None:
    options = ImportOptions(tmp_path / "rejects.csv")
    rows: list[NumberedRow] = [(n, [f"{n}"]) for n in range(3000, 1, -1)]
    rows.append((1, RejectedRow("no", ["x" * 5000] * 200)))
    async with resources.write() as tx:
        await stage(tx.connection, ["a"], ListRecords(["a"], rows), "checked", checked("'why'", "a"))
        assert await write_rejects(tx.connection, "checked", ["a"], options) == 3000
    with options.rejects_path.open(newline="") as file:
        rejects = list(csv.reader(file))[1:]
    assert [int(row[0]) for row in rejects] == list(range(1, 3001))
    assert [len(cell) for cell in rejects[0][2:]] == [1000] * 100
    assert rejects[1] == ["2", "why", "2"]


async def test_rejects_file_is_not_written_without_rejects_and_reports_write_errors(
    resources: Resources, tmp_path: Path
) -> None:
    async with resources.write() as tx:
        await stage(tx.connection, ["a"], ListRecords(["a"], [(1, ["x"])]), "checked", checked("fault", "a"))
        assert (
            await write_rejects(
                tx.connection, "checked", ["a"], ImportOptions(tmp_path / "no" / "rejects.csv", strict=True)
            )
            == 0
        )
        await tx.execute(text("UPDATE checked SET reason = 'why', cells = '[\"x\"]'"))
        with pytest.raises(BadInput, match=r"rejects.csv, the file of rejected rows, cannot be written: No such file"):
            await write_rejects(tx.connection, "checked", ["a"], ImportOptions(tmp_path / "no" / "rejects.csv"))
        with pytest.raises(BadInput, match=r"Nothing was loaded, because 1 row was rejected: see .*strict.csv\."):
            await write_rejects(tx.connection, "checked", ["a"], ImportOptions(tmp_path / "strict.csv", strict=True))
    assert (tmp_path / "strict.csv").read_text().splitlines() == ["line,reason,a", "1,why,x"]


NUMBERS = {
    "12": "12", "12.50": "12.5", ".5": "0.5", "7.": "7", "-3": "-3", "$12": "12", "1,299.00": "1299", "-$.25": "-0.25",
    "1,234,567": "1234567", "$1,000": "1000", "9" * 40: "9" * 40,
}  # fmt: skip
NO_NUMBERS = [
    "", ".", "-", "$", "abc", "1e5", "NaN", "Infinity", "0x1F", "1_000", "1.2.3", "12,34", "1,2345", "1 000", "1299,00",
    "--1", "+1", "\uff11\uff12", "9" * 41, "12 USD", "1,,000", "..", "1.-2",
]  # fmt: skip


async def test_parse_number_sql_accepts_plain_decimal_numbers(resources: Resources) -> None:
    query = text(f"SELECT cell, {parse_number_sql('cell')} AS number FROM unnest(CAST(:cells AS text[])) AS c (cell)")
    async with resources.read() as session:
        rows = await session.rows(query, {"cells": [*NUMBERS, *NO_NUMBERS]})
    expected = {cell: Decimal(number) for cell, number in NUMBERS.items()} | dict.fromkeys(NO_NUMBERS)
    assert {row.cell: row.number for row in rows} == expected
