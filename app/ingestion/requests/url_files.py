"""Files of URLs: CSV with a column `url`, or JSON like `[{"url": "https://..."}]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import Fault
from app.bulk_import.uploaded_file import UploadedFile
from app.core.errors import BadInput
from app.db.tables import ImportSource
from app.ingestion.extract.offer import clean
from app.ingestion.requests.import_requests import LONGEST_NAME, Wanted

MOST_ROWS = 1000
BOM = b"\xef\xbb\xbf"
LONGEST_SHOWN = 200  # characters of a row that is none


def read_urls(file: UploadedFile, encoding: str | None = None) -> tuple[ImportSource, list[Wanted]]:
    """The rows of a file, in their order. `encoding` is of CSV that is neither UTF-8 nor says so by a BOM.

    Raises BadInput, one sentence, when the file cannot be read, or has no rows, or more than MOST_ROWS.
    """
    file = UploadedFile(clean(file.name, LONGEST_NAME) or "The file", file.content)
    start = file.content.removeprefix(BOM).lstrip()[:1]
    if not start:
        raise BadInput(f"{file.name} is empty.")
    is_json = start in {b"[", b"{"}
    found = _from_json(file) if is_json else _from_csv(file, encoding)
    rows = list(islice(found, MOST_ROWS + 1))
    if not rows:
        raise BadInput(f"{file.name} has no rows.")
    if len(rows) > MOST_ROWS:
        raise BadInput(f"{file.name} has more than {MOST_ROWS:,} rows: import it in parts.")
    return ImportSource.JSON if is_json else ImportSource.CSV, rows


def _from_csv(file: UploadedFile, encoding: str | None) -> Iterator[Wanted]:
    records = CsvRecords(file, ("url",), ("url",), encoding)
    is_alone = not records.ignored
    for _, cells in records:
        if not isinstance(cells, Fault):
            yield Wanted(cells[0].strip(), None if cells[0].strip() else "The cell `url` is empty.")
        elif is_alone and len(cells.cells) > 1:
            yield Wanted(",".join(cells.cells).strip())  # commas belong to the URL where there is no other column
        else:
            shown = ",".join(cells.cells)[:LONGEST_SHOWN]
            yield Wanted(shown, f"The row cannot be read: {cells.reason}.")


def _from_json(file: UploadedFile) -> Iterable[Wanted]:
    try:
        content = orjson.loads(file.content.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{file.name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if not isinstance(content, list):
        raise BadInput(f'{file.name} must be a JSON list of objects: [{{"url": "https://..."}}].')
    return map(_wanted, content)


def _wanted(item: Any) -> Wanted:
    url = item.get("url") if isinstance(item, dict) else None
    if isinstance(url, str) and url.strip():
        return Wanted(url.strip())
    try:
        shown = orjson.dumps(item).decode()[:LONGEST_SHOWN]
    except orjson.JSONEncodeError:  # it reads what is nested deeper than it writes
        shown = ""
    return Wanted(shown, "The row is no object with a text `url`.")
