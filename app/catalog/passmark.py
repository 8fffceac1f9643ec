"""Reader of PassMark exports: converts their entries into the columns of a CPU import.

An export holds values as the site prints them: "5,830", "NA", "Aug 2025". Thread counts are per core; core counts and
watts are per socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson

from app.bulk_import.records import BytesReadCallback, NumberedRow, RejectedRow, ignore_progress
from app.bulk_import.text_decoding import decode_text
from app.core.errors import BadInput

# Parsing takes about ten times the file's size in memory. PassMark's export is 4 MB.
MAX_FILE_BYTES = 256 * 1024 * 1024
COLUMNS = (
    "name", "socket", "category", "cores", "threads", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single",
)  # fmt: skip
PLACEHOLDERS = {"", "NA", "Unknown"}
SOCKET_COUNT_WORDS = {2: "Dual", 4: "Quad"}


class PassMarkRecords:
    """Rows of an export, `{"data": [{...}]}`. The "line" of a row is its position in the list, from 1.

    Raises BadInput if the file cannot be read or is not such an export.
    """

    columns = COLUMNS

    def __init__(self, path: Path, encoding: str | None = None, progress: BytesReadCallback = ignore_progress) -> None:
        try:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                raise BadInput(f"{path.name} is larger than 256 MiB: this is not an export of CPUs.")
            data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
        self._rows = _rows(path.name, decode_text(path.name, data, encoding))
        progress(size)

    def __iter__(self) -> Iterator[NumberedRow]:
        """Yield each entry as cells in the order of `columns`, or as a rejected row if it is not an object."""
        for number, row in enumerate(self._rows, start=1):
            if isinstance(row, dict):
                yield number, list(_cells(row).values())
            else:
                yield number, RejectedRow("the row is not an object", [str(row)[:1000]])


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
    """Return the entry as cells by column. Texts in place of numbers are kept, so that the import rejects them."""
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
    """Return the printed name, with the number of sockets in front if there are several: "[Dual CPU] Xeon ...".

    PassMark lists a chip on a multi-socket board as a separate entry with the same name.
    """
    name = _text(row, "name")
    return f"[{SOCKET_COUNT_WORDS.get(count, f'{count}-Way')} CPU] {name}" if count > 1 and name else name


def _cores_and_threads(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return the numbers of cores and threads per socket, performance and efficiency cores together.

    `logicals` and `secondaryLogicals` are threads per core.
    """
    cores, secondary_cores = _integer(row, "cores"), _integer(row, "secondaryCores")
    threads = cores * _integer(row, "logicals") + secondary_cores * _integer(row, "secondaryLogicals")
    return cores + secondary_cores, threads


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    collapsed = "" if value is None else " ".join(str(value).split())
    return "" if collapsed in PLACEHOLDERS else collapsed


def _integer(row: Mapping[str, Any], key: str) -> int:
    """Return the number, or 0 if there is none."""
    cell = _text(row, key).replace(",", "")
    return int(cell) if re.fullmatch(r"[0-9]{1,9}", cell) else 0


def _mark(row: Mapping[str, Any], key: str) -> str:
    """Return a mark; an exported 0 means that it was never measured and becomes an empty cell."""
    cell = _text(row, key)
    return "" if cell == "0" else cell


def _watts(cell: str, count: int) -> str:
    try:
        watts = (Decimal(cell.replace(",", "")) * count).quantize(Decimal(1), ROUND_HALF_UP)
    except InvalidOperation:
        return cell
    return str(watts) if watts else ""
