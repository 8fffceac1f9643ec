"""Read files of URLs: CSV with a column `url`, or JSON like `[{"url": "https://..."}]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import orjson

from app.bulk_import.csv_reader import CsvRecords
from app.bulk_import.records import RejectedRow
from app.bulk_import.uploaded_file import UploadedFile
from app.core.errors import BadInput
from app.db.tables import ImportSource
from app.ingestion.extract.offer import clean_text
from app.ingestion.requests.import_requests import MAX_FILE_NAME_LENGTH, RequestedRow

MAX_ROWS = 1000
BOM = b"\xef\xbb\xbf"
MAX_EXCERPT_LENGTH = 200  # characters of an invalid row


def read_url_file(file: UploadedFile, encoding: str | None = None) -> tuple[ImportSource, list[RequestedRow]]:
    """Return the format of a file and its rows, in their order.

    `encoding` is the encoding of a CSV file without BOM that is not UTF-8. Raises BadInput if the file cannot be read,
    has no rows, or has more than MAX_ROWS rows.
    """
    file = UploadedFile(clean_text(file.name, MAX_FILE_NAME_LENGTH) or "The file", file.content)
    start = file.content.removeprefix(BOM).lstrip()[:1]
    if not start:
        raise BadInput(f"{file.name} is empty.")
    is_json = start in {b"[", b"{"}
    all_rows = _read_json(file) if is_json else _read_csv(file, encoding)
    rows = list(islice(all_rows, MAX_ROWS + 1))
    if not rows:
        raise BadInput(f"{file.name} has no rows.")
    if len(rows) > MAX_ROWS:
        raise BadInput(f"{file.name} has more than {MAX_ROWS:,} rows: import it in parts.")
    return ImportSource.JSON if is_json else ImportSource.CSV, rows


def _read_csv(file: UploadedFile, encoding: str | None) -> Iterator[RequestedRow]:
    records = CsvRecords(file, ("url",), ("url",), encoding)
    is_only_column = not records.ignored_columns
    for _, cells in records:
        if not isinstance(cells, RejectedRow):
            url = cells[0].strip()
            yield RequestedRow(url, None if url else "The cell `url` is empty.")
        elif is_only_column and len(cells.cells) > 1:
            yield RequestedRow(",".join(cells.cells).strip())  # without other columns, commas belong to the URL
        else:
            excerpt = ",".join(cells.cells)[:MAX_EXCERPT_LENGTH]
            yield RequestedRow(excerpt, f"The row cannot be read: {cells.reason}.")


def _read_json(file: UploadedFile) -> Iterable[RequestedRow]:
    try:
        content = orjson.loads(file.content.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{file.name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if not isinstance(content, list):
        raise BadInput(f'{file.name} must be a JSON list of objects: [{{"url": "https://..."}}].')
    return map(_requested_row, content)


def _requested_row(item: Any) -> RequestedRow:
    url = item.get("url") if isinstance(item, dict) else None
    if isinstance(url, str) and url.strip():
        return RequestedRow(url.strip())
    try:
        excerpt = orjson.dumps(item).decode()[:MAX_EXCERPT_LENGTH]
    except orjson.JSONEncodeError:  # orjson reads deeper nesting than it writes
        excerpt = ""
    return RequestedRow(excerpt, "The row is not an object with a string `url`.")
