"""Stream rows from a CSV file with bounded memory.

Accepts any text encoding, with or without BOM, comma, semicolon or tab as delimiter, and quotes as in RFC 4180.
A row that cannot be parsed becomes a RejectedRow; an error is raised only if the whole file is unusable.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from app.bulk_import.records import BytesReadCallback, NumberedRow, ReadableFile, RejectedRow, ignore_progress
from app.bulk_import.text_decoding import StreamDecoder
from app.core.errors import BadInput

CHUNK_BYTES = 256 * 1024
# In characters. Without a limit, a binary file of 2 GB would be read into memory in search of a line end.
MAX_LINE_LENGTH = 1024 * 1024
# Characters that may be parsed again, in addition to as many as have been read. See `_reject`.
MAX_REPEATED_LENGTH = 2 * MAX_LINE_LENGTH
UNCLOSED_QUOTE = "a quote is opened but never closed"
STRAY_QUOTE = "text follows a closing quote (a quote inside a quoted cell is written twice)"


class CsvRecords:
    """Reader of a CSV file with a header line. The constructor reads the header, and iteration the rows.

    `columns` are the `known` columns that the file has, in the file's order. Other columns are skipped and listed in
    `ignored_columns`. Raises BadInput if the file cannot be read, is not CSV, or lacks a `required` column.
    """

    def __init__(
        self,
        path: ReadableFile,
        known: Sequence[str],
        required: Sequence[str],
        encoding: str | None = None,
        progress: BytesReadCallback = ignore_progress,
    ) -> None:
        # The limit of the csv module is process-wide and by default smaller than a line may be.
        csv.field_size_limit(MAX_LINE_LENGTH)
        self._name = path.name
        self._report_progress, self._bytes_read = progress, 0
        self._lines = _lines(path, encoding, self._progress)
        self._unread: deque[str] = deque()  # lines to parse again after an unclosed quote
        self._record_lines: list[str] = []  # lines of the current record
        self._lines_read = 0  # number of lines of all records read so far
        self._repeated_length = 0  # characters of all lines that have been in `_unread`
        header = self._read_header()
        self._width = len(header)
        indexes = [index for index, name in enumerate(header) if name in known]
        self.columns: Sequence[str] = [header[index] for index in indexes]
        self.ignored_columns = [name for name in header if name and name not in known]
        self._check_columns(required)
        self._select: Callable[[list[str]], Sequence[str]] | None = None  # None: all columns are selected
        if len(indexes) < self._width:
            self._select = itemgetter(*indexes) if len(indexes) > 1 else lambda cells: [cells[indexes[0]]]

    def _progress(self, bytes_read: int) -> None:
        self._bytes_read = bytes_read
        self._report_progress(bytes_read)

    def _read_header(self) -> list[str]:
        for line in self._lines:
            self._lines_read += 1
            if line.strip(" \t\n,;"):
                break
        else:
            raise BadInput(f"{self._name} is empty.")
        self._delimiter = max(",;\t", key=line.count)
        try:
            cells = next(self._reader([line]))
        except csv.Error:
            raise BadInput(f"{self._name}, line {self._lines_read}: the header has an unclosed quote.") from None
        return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]

    def _check_columns(self, required: Sequence[str]) -> None:
        if duplicates := sorted(name for name, count in Counter(self.columns).items() if count > 1):
            raise BadInput(f"{self._name} has more than one column {_quoted_list(duplicates)}.")
        if missing := [name for name in required if name not in self.columns]:
            names = _quoted_list([*self.columns, *self.ignored_columns]) or "no columns"
            raise BadInput(
                f"{self._name} has no column{'s' * (len(missing) > 1)} {_quoted_list(missing)}; "
                f"the header (line {self._lines_read}) has {names}."
            )

    def _reader(self, lines: Any) -> Any:
        return csv.reader(lines, delimiter=self._delimiter, strict=True, skipinitialspace=True)

    def __iter__(self) -> Iterator[NumberedRow]:
        while True:
            try:
                yield from self._rows()
            except csv.Error as error:
                yield from self._reject(error)
            else:
                return

    def _rows(self) -> Iterator[NumberedRow]:
        """Yield rows up to the end of the file, or up to a record that the csv module rejects."""
        reader = self._reader(self._feed())
        record_lines, select, width, start = self._record_lines, self._select, self._width, self._lines_read
        for cells in reader:
            record_lines.clear()
            line = self._lines_read + 1
            self._lines_read = start + reader.line_num
            if not any(cells):
                continue  # a blank line, or an empty row of a spreadsheet
            if len(cells) == width:
                yield line, select(cells) if select else cells
            else:
                yield line, RejectedRow(self._width_mismatch(line, len(cells)), cells)

    def _feed(self) -> Iterator[str]:
        """Yield the lines of the file, and remember those of the current record in case it must be parsed again."""
        while self._unread:
            self._record_lines.append(self._unread.popleft())
            yield self._record_lines[-1]
        record_lines = self._record_lines
        length = sum(map(len, record_lines))
        for line in self._lines:
            length = length + len(line) if record_lines else 0
            if length > MAX_LINE_LENGTH:
                self._unread.append(line)
                raise csv.Error(UNCLOSED_QUOTE)
            record_lines.append(line)
            yield line

    def _reject(self, error: csv.Error) -> Iterator[NumberedRow]:
        """Reject the first line of a record that cannot be parsed, and continue with its second line.

        Each of thousands of lines can end one quote and open another, so that all lines are parsed again for each. If
        that happens too often, all lines of the record are rejected.
        """
        reason = STRAY_QUOTE if "expected after" in str(error) else UNCLOSED_QUOTE
        self._repeated_length += sum(map(len, self._record_lines[1:]))
        may_repeat = self._repeated_length <= self._bytes_read + MAX_REPEATED_LENGTH
        rejected = self._record_lines[:1] if may_repeat else self._record_lines[:]
        self._unread.extendleft(reversed(self._record_lines[len(rejected) :]))
        self._record_lines.clear()
        for line in rejected:
            self._lines_read += 1
            yield self._lines_read, RejectedRow(reason, [line.rstrip("\n")])

    def _width_mismatch(self, line: int, count: int) -> str:
        lines = f" (lines {line} to {self._lines_read})" if self._lines_read > line else ""
        return f"the row{lines} has {count} cell{'s' * (count != 1)}, the header {self._width}"


def _quoted_list(names: Sequence[str]) -> str:
    """Return names in quotes, shortened, because a file that is not CSV may have many and long ones."""
    shown = [f'"{name[:40]}"' for name in names[:20]]
    return ", ".join([*shown, "..."] if len(names) > 20 else shown)


def _lines(path: ReadableFile, encoding: str | None, progress: BytesReadCallback) -> Iterator[str]:
    """Yield the lines of a file. Each ends with a line feed, except the last if the file does not end with one."""
    tail, count = "", 0
    for text in _texts(path, encoding, progress):
        text = tail + text
        end = text.rfind("\n") + 1
        # Only the first line can be too long: the others lie in this chunk, which is shorter than the limit.
        if (text.find("\n") if end else len(text)) > MAX_LINE_LENGTH:
            raise BadInput(f"{path.name}, line {count + 1}, is longer than 1 MiB: this is not a CSV file.")
        count += text.count("\n")
        tail = text[end:]
        yield from io.StringIO(text[:end], newline="\n")
    if tail:
        yield tail


def _texts(path: ReadableFile, encoding: str | None, progress: BytesReadCallback) -> Iterator[str]:
    """Yield the text of a file in chunks."""
    try:
        with path.open("rb") as file:
            chunk = file.read(CHUNK_BYTES)
            decoder = StreamDecoder(path.name, chunk, encoding)
            while chunk:
                yield decoder.decode(chunk)
                progress(file.tell())
                chunk = file.read(CHUNK_BYTES)
            yield decoder.decode(b"", final=True)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
