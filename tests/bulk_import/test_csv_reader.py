"""Reading CSV and JSON files in the forms in which people and programs write them."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest

from app.bulk_import.csv_reader import MAX_LINE_LENGTH, CsvRecords
from app.bulk_import.records import RejectedRow
from app.catalog.cpu_import import open_cpus
from app.core.errors import BadInput

KNOWN = ("name", "price", "note")


def write(folder: Path, content: str | bytes) -> Path:
    """Write a file with this content, without changing line ends."""
    path = folder / "file.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes, encoding: str | None = None) -> list[tuple[int, list[str] | str]]:
    """Return line and cells of each row; line and reason of a rejected row."""
    rows = CsvRecords(write(folder, content), KNOWN, ["name"], encoding)
    return [(line, cells.reason if isinstance(cells, RejectedRow) else list(cells)) for line, cells in rows]


def error_message(folder: Path, content: str | bytes, encoding: str | None = None) -> str:
    """Return the error message for a file that is rejected as a whole."""
    with pytest.raises(BadInput) as caught:
        read(folder, content, encoding)
    assert caught.value.message.endswith(".")
    return caught.value.message


TEXT = "name,price\nCafé,1\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TEXT.encode(), id="utf-8"),
        pytest.param(codecs.BOM_UTF8 + TEXT.encode(), id="utf-8 with BOM"),
        pytest.param(TEXT.encode("utf-16"), id="utf-16"),
        pytest.param(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), id="utf-16 big-endian"),
        pytest.param(TEXT.encode("utf-32"), id="utf-32"),
        pytest.param(TEXT.replace("\n", "\r\n").encode(), id="line ends of Windows"),
        pytest.param(TEXT.replace("\n", "\r").encode(), id="line ends of old Macs"),
        pytest.param(TEXT.rstrip("\n").encode(), id="no line end at the end"),
        pytest.param(TEXT.replace(",", ";").encode(), id="semicolons"),
        pytest.param(TEXT.replace(",", "\t").encode(), id="tabs"),
        pytest.param(("\n \n" + TEXT.replace("name,price", ' NAME , "Price"')).encode(), id="header with spaces"),
    ],
)
def test_csv_encodings_and_delimiters_are_detected(tmp_path: Path, content: bytes) -> None:
    assert [cells for _, cells in read(tmp_path, content)] == [["Café", "1"]]


def test_csv_in_another_encoding_requires_its_name(tmp_path: Path) -> None:
    content = "name,note\nIntel,ok\nAMD,für Bastler\n".encode("cp1252")
    assert error_message(tmp_path, content) == (
        "file.csv, line 3, is not valid utf-8: "
        "save the file as UTF-8, or pass its encoding with --encoding (for example cp1252)."
    )
    assert read(tmp_path, content, "cp1252") == [(2, ["Intel", "ok"]), (3, ["AMD", "für Bastler"])]
    assert '"klingon" is not a known encoding' in error_message(tmp_path, content, "klingon")
    for name in ("rot13", "idna", "punycode", "unicode_escape"):
        assert f'"{name}" is not a known encoding' in error_message(tmp_path, content, name)


def test_csv_undecodable_line_is_counted_across_chunks(tmp_path: Path) -> None:
    rows = b"a name of some length,1\r\n" * 40_000
    assert "line 40002," in error_message(tmp_path, b"name,price\r\n" + rows + b"\xff\xfe,1\r\n")
    odd = codecs.BOM_UTF16_LE + "name,price\nx,1\n".encode("utf-16-le") + b"\x00\xd8\x00"
    assert "line 3, is not valid utf-16-le" in error_message(tmp_path, odd)


def test_csv_quotes_and_multiline_cells_are_parsed(tmp_path: Path) -> None:
    content = 'name,price,note\n"a ""b"", c",1,"two\nlines"\n\n , ,\nnext, "2,5" ,24" wide\n'
    assert read(tmp_path, content) == [
        (2, ['a "b", c', "1", "two\nlines"]),
        (6, "text follows a closing quote (a quote inside a quoted cell is written twice)"),
    ]
    assert read(tmp_path, 'name,price\n"x\ny",1\n\n,,\nz,2\n') == [(2, ["x\ny", "1"]), (6, ["z", "2"])]


def test_csv_unclosed_quote_rejects_one_line(tmp_path: Path) -> None:
    content = 'name,price\na,1\n"b,2\nc,3\nd,"4"\ne,5\n"f,6'
    assert read(tmp_path, content) == [
        (2, ["a", "1"]),
        (3, "text follows a closing quote (a quote inside a quoted cell is written twice)"),
        (4, ["c", "3"]),
        (5, ["d", "4"]),
        (6, ["e", "5"]),
        (7, "a quote is opened but never closed"),
    ]


def test_csv_lines_that_each_end_a_quote_and_open_another_are_all_rejected(tmp_path: Path) -> None:
    lines = 20_000
    rows = read(tmp_path, "name,price\n" + 'a","b\n' * lines + "c,1\n")
    assert [line for line, _ in rows] == list(range(2, lines + 3))
    assert {reason for _, reason in rows[:-1]} == {"a quote is opened but never closed"}


def test_csv_unclosed_quote_in_a_large_file_rejects_one_line(tmp_path: Path) -> None:
    lines = 120_000
    rows = read(tmp_path, 'name,price\n"b,2\n' + "an unremarkable name,3\n" * lines)
    assert rows[0] == (2, "a quote is opened but never closed")
    assert rows[1:] == [(line, ["an unremarkable name", "3"]) for line in range(3, lines + 3)]


def test_csv_rows_with_a_wrong_number_of_cells_are_rejected(tmp_path: Path) -> None:
    assert read(tmp_path, 'name,price\na\nb,1,2\n"c\nd"\ne,5\n') == [
        (2, "the row has 1 cell, the header 2"),
        (3, "the row has 3 cells, the header 2"),
        (4, "the row (lines 4 to 5) has 1 cell, the header 2"),
        (6, ["e", "5"]),
    ]


def test_csv_columns_are_found_in_any_order_and_unknown_ones_ignored(tmp_path: Path) -> None:
    rows = CsvRecords(write(tmp_path, "Colour,PRICE,Size,Name,\nred,1,L,x,\n"), KNOWN, ["name"])
    assert (rows.columns, rows.ignored_columns) == (["price", "name"], ["colour", "size"])
    assert [(line, list(cells)) for line, cells in rows if not isinstance(cells, RejectedRow)] == [(2, ["1", "x"])]
    one = CsvRecords(write(tmp_path, "x,name\n1,a\n"), KNOWN, ["name"])
    assert list(one) == [(2, ["a"])]
    spaced = CsvRecords(write(tmp_path, "vendor item-ID\n1\n"), ["vendor_item_id"], ["vendor_item_id"])
    assert list(spaced) == [(2, ["1"])]


def test_csv_file_without_a_usable_header_is_rejected(tmp_path: Path) -> None:
    assert error_message(tmp_path, "") == "file.csv is empty."
    assert error_message(tmp_path, codecs.BOM_UTF8 + b"\n \n,,\n") == "file.csv is empty."
    assert error_message(tmp_path, "price,note\n1,2\n") == (
        'file.csv has no column "name"; the header (line 1) has "price", "note".'
    )
    assert error_message(tmp_path, "name,price,Name\n") == 'file.csv has more than one column "name".'
    assert error_message(tmp_path, '"name,price\n') == "file.csv, line 1: the header has an unclosed quote."
    assert "line 3, is not valid utf-8" in error_message(tmp_path, bytes(range(256)) * 1000)
    many = error_message(tmp_path, ",".join(f"column {number} {'x' * 100}" for number in range(1000)))
    assert len(many) < 1500


def test_csv_header_without_rows_is_accepted(tmp_path: Path) -> None:
    assert read(tmp_path, "name,price") == []


def test_csv_huge_file_without_line_ends_is_rejected_early(tmp_path: Path) -> None:
    path = tmp_path / "sparse.csv"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    done: list[int] = []
    with pytest.raises(BadInput, match=r"sparse.csv, line 1, is longer than 1 MiB: this is not a CSV file\."):
        CsvRecords(path, KNOWN, ["name"], progress=done.append)
    assert max(done) < 2 * MAX_LINE_LENGTH


def test_csv_line_length_is_limited(tmp_path: Path) -> None:
    fits = "name,price\n" + "x" * (MAX_LINE_LENGTH - 2) + ",1\n"
    assert [len(cells[0]) for _, cells in read(tmp_path, fits)] == [MAX_LINE_LENGTH - 2]
    assert "line 2, is longer" in error_message(tmp_path, fits.replace("x,1", "xx,1"))


def test_unreadable_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing.csv cannot be read: No such file or directory\."):
        CsvRecords(tmp_path / "missing.csv", KNOWN, ["name"])
    with pytest.raises(BadInput, match=r"cannot be read: Is a directory\."):
        CsvRecords(tmp_path, KNOWN, ["name"])


def test_csv_progress_ends_at_the_file_size(tmp_path: Path) -> None:
    path = write(tmp_path, "name,price\n" + "x,1\n" * 300_000)
    done: list[int] = []
    assert sum(1 for _ in CsvRecords(path, KNOWN, ["name"], progress=done.append)) == 300_000
    assert done == sorted(done)
    assert len(done) > 2
    assert done[-1] == path.stat().st_size


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cpus.json is empty."),
        (b"{", "cpus.json, line 1, is not JSON"),
        (b"[]", "cpus.json is not a PassMark export"),
        (b'{"data": {}}', "cpus.json is not a PassMark export"),
        (b'{"data": [\n\xff]}', "cpus.json, line 2, is not valid utf-8"),
    ],
)
def test_passmark_json_of_another_shape_is_rejected(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "cpus.json"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        open_cpus(path)
    assert caught.value.message.startswith(sentence)


def test_passmark_json_too_large_or_missing_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "cpus.json"
    with pytest.raises(BadInput, match="cannot be read"):
        open_cpus(path)
    with path.open("wb") as file:
        file.truncate(300 * 1024**2)
    with pytest.raises(BadInput, match="larger than 256 MiB"):
        open_cpus(path)


def test_passmark_json_rows_that_are_not_objects_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "cpus.json"
    path.write_text(json.dumps({"data": [{"name": "A", "cores": "2", "logicals": "2"}, None, ["x"]]}), "utf-16")
    rows = list(open_cpus(path))
    assert [line for line, _ in rows] == [1, 2, 3]
    assert [cells.reason for _, cells in rows[1:] if isinstance(cells, RejectedRow)] == ["the row is not an object"] * 2
