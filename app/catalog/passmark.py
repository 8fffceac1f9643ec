"""PassMark's export of CPUs, read into the columns that an import of CPUs knows.

The export prints what the site prints: "5,830", "NA", "Aug 2025"; threads are per core, everything is per socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson

from app.bulk_import.records import Fault, Progress, Row, no_progress
from app.bulk_import.text_decoding import decode
from app.core.errors import BadInput

# Decoded and parsed it takes some ten times as much memory; the real export has 4 MB.
LARGEST = 256 * 1024 * 1024
COLUMNS = (
    "name", "socket", "category", "cores", "threads", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single",
)  # fmt: skip
ABSENT = {"", "NA", "Unknown"}
SEVERAL = {2: "Dual", 4: "Quad"}


class PassMarkRecords:
    """The rows of an export, `{"data": [{...}]}`; a row's "line" is its place in the list, from 1.

    Raises BadInput, one sentence, when the file is something else.
    """

    columns = COLUMNS

    def __init__(self, path: Path, encoding: str | None = None, progress: Progress = no_progress) -> None:
        try:
            size = path.stat().st_size
            if size > LARGEST:
                raise BadInput(f"{path.name} is larger than 256 MiB: this is not an export of CPUs.")
            data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
        self._rows = _rows(path.name, decode(path.name, data, encoding))
        progress(size)

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(self._rows, start=1):
            if isinstance(row, dict):
                yield number, list(_cells(row).values())
            else:
                yield number, Fault("the row is not an object", [str(row)[:1000]])


def _rows(name: str, text: str) -> list[Any]:
    if not text.strip():
        raise BadInput(f"{name} is empty.")
    try:
        export = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name}, line {error.lineno}, is not JSON: {error.msg.split(':')[0]}.") from None
    rows = export.get("data") if isinstance(export, dict) else None
    if not isinstance(rows, list):
        raise BadInput(f'{name} is not a PassMark export: it must look like {{"data": [{{"name": ...}}]}}.')
    return rows


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as cells. What is no number where one is expected is left for the import to reject."""
    count = max(_integer(row, "cpuCount"), 1)
    cores, threads = _cores_and_threads(row)
    return {
        "name": _name(row, count),
        "socket": _text(row, "socket"),
        "category": _text(row, "cat"),
        "cores": str(cores * count) if cores else _text(row, "cores"),
        "threads": str(threads * count) if threads else "",
        "tdp_w": _watts(_text(row, "tdp"), count),
        "release_year": (re.findall(r"\b\d{4}$", _text(row, "date")) or [""])[0],
        "cpu_mark_multi": _mark(row, "cpumark"),
        "cpu_mark_single": _mark(row, "thread"),
    }


def _name(row: Mapping[str, Any], count: int) -> str:
    """The name as printed; the same chip on a board with several of them is another row, and another name."""
    name = _text(row, "name")
    return f"[{SEVERAL.get(count, f'{count}-Way')} CPU] {name}" if count > 1 and name else name


def _cores_and_threads(row: Mapping[str, Any]) -> tuple[int, int]:
    """Per socket: performance and efficiency cores together; `logicals` are threads per core."""
    first, second = _integer(row, "cores"), _integer(row, "secondaryCores")
    threads = first * _integer(row, "logicals") + second * _integer(row, "secondaryLogicals")
    return first + second, threads


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    collapsed = "" if value is None else " ".join(str(value).split())
    return "" if collapsed in ABSENT else collapsed


def _integer(row: Mapping[str, Any], key: str) -> int:
    """The number, 0 for none."""
    cell = _text(row, key).replace(",", "")
    return int(cell) if re.fullmatch(r"[0-9]{1,9}", cell) else 0


def _mark(row: Mapping[str, Any], key: str) -> str:
    """A mark; zero means that none was measured."""
    cell = _text(row, key)
    return "" if cell == "0" else cell


def _watts(cell: str, count: int) -> str:
    try:
        watts = (Decimal(cell.replace(",", "")) * count).quantize(Decimal(1), ROUND_HALF_UP)
    except InvalidOperation:
        return cell
    return str(watts) if watts else ""
