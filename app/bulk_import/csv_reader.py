"""Rows of a file, read as a stream: memory stays bounded, and every complaint names a line.

CSV as it occurs: UTF-8, UTF-16 and others, with and without BOM, separated by commas, semicolons or tabs,
quoted as in RFC 4180. One bad row is one `Fault`; only what makes the whole file unreadable is an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from app.bulk_import.records import Fault, File, Progress, Row, no_progress
from app.bulk_import.text_decoding import _Decoder
from app.core.errors import BadInput

CHUNK_BYTES = 256 * 1024
# Characters. Without a bound a file of 2 GB that is no CSV would be read into memory in search of a line end.
LONGEST_LINE = 1024 * 1024
UNCLOSED = "a quote is opened and never closed"
STRAY_QUOTE = "text follows a closing quote (a quote inside a quoted cell is written twice)"


class CsvRecords:
    """A CSV file with a header line. Opening it reads the header; iterating reads the rows.

    Columns are found by name: `known` ones in any order, others left out and named in `ignored`.
    Raises BadInput, one sentence, when the file cannot be read, is not CSV, or lacks a `required` column.
    """

    def __init__(
        self,
        path: File,
        known: Sequence[str],
        required: Sequence[str],
        encoding: str | None = None,
        progress: Progress = no_progress,
    ) -> None:
        # A field may hold a whole line, no more; csv's own limit is process-wide and smaller.
        csv.field_size_limit(LONGEST_LINE)
        self._name = path.name
        self._lines = _lines(path, encoding, progress)
        self._backlog: deque[str] = deque()  # lines given back after a quote that was never closed
        self._held: list[str] = []  # lines of the record being read
        self._consumed = 0  # lines of the records that were read
        header = self._read_header()
        self._width = len(header)
        found = [index for index, name in enumerate(header) if name in known]
        self.columns: Sequence[str] = [header[index] for index in found]
        self.ignored = [name for name in header if name and name not in known]
        self._check_columns(required)
        self._pick: Callable[[list[str]], Sequence[str]] | None = None  # none needed when every column is wanted
        if len(found) < self._width:
            self._pick = itemgetter(*found) if len(found) > 1 else lambda cells: [cells[found[0]]]

    def _read_header(self) -> list[str]:
        for line in self._lines:
            self._consumed += 1
            if line.strip(" \t\n,;"):
                break
        else:
            raise BadInput(f"{self._name} is empty.")
        self._delimiter = max(",;\t", key=line.count)
        try:
            cells = next(self._reader([line]))
        except csv.Error:
            raise BadInput(f"{self._name}, line {self._consumed}: the header has an unclosed quote.") from None
        return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]

    def _check_columns(self, required: Sequence[str]) -> None:
        if twice := sorted({name for name in self.columns if self.columns.count(name) > 1}):
            raise BadInput(f"{self._name} has more than one column {_listed(twice)}.")
        if missing := [name for name in required if name not in self.columns]:
            names = _listed([*self.columns, *self.ignored]) or "nothing"
            raise BadInput(
                f"{self._name} has no column{'s' * (len(missing) > 1)} {_listed(missing)}; "
                f"line {self._consumed}, the header, names {names}."
            )

    def _reader(self, lines: Any) -> Any:
        return csv.reader(lines, delimiter=self._delimiter, strict=True, skipinitialspace=True)

    def __iter__(self) -> Iterator[Row]:
        while True:
            try:
                yield from self._rows()
            except csv.Error as error:
                yield self._give_back(error)
            else:
                return

    def _rows(self) -> Iterator[Row]:
        """Rows up to the end, or up to a record that csv refuses."""
        reader = self._reader(self._feed())
        held, pick, width, start = self._held, self._pick, self._width, self._consumed
        for cells in reader:
            held.clear()
            line = self._consumed + 1
            self._consumed = start + reader.line_num
            if not any(cells):
                continue  # a blank line, or one of a spreadsheet's empty rows
            if len(cells) == width:
                yield line, pick(cells) if pick else cells
            else:
                yield line, Fault(self._ragged(line, len(cells)), cells)

    def _feed(self) -> Iterator[str]:
        """Physical lines for csv.reader; those of the current record are held, in case it has to begin again."""
        while self._backlog:
            self._held.append(self._backlog.popleft())
            yield self._held[-1]
        held, more = self._held, 0
        for line in self._lines:
            more = more + len(line) if held else 0
            if more > LONGEST_LINE:
                self._backlog.append(line)
                raise csv.Error(UNCLOSED)
            held.append(line)
            yield line

    def _give_back(self, error: csv.Error) -> Row:
        """Blames the first line of the refused record; reading goes on with the second.

        Nothing is read often: lines that keep a quote open have none of their own to open another with.
        """
        self._consumed += 1
        first, *rest = self._held
        self._backlog.extendleft(reversed(rest))
        self._held.clear()
        return self._consumed, Fault(STRAY_QUOTE if "expected after" in str(error) else UNCLOSED, [first.rstrip("\n")])

    def _ragged(self, line: int, count: int) -> str:
        lines = f" (lines {line} to {self._consumed})" if self._consumed > line else ""
        return f"the row{lines} has {count} cell{'s' * (count != 1)}, the header {self._width}"


def _listed(names: Sequence[str]) -> str:
    """Names in quotes; a file that is no CSV may have very many, and long ones."""
    shown = [f'"{name[:40]}"' for name in names[:20]]
    return ", ".join([*shown, "..."] if len(names) > 20 else shown)


def _lines(path: File, encoding: str | None, progress: Progress) -> Iterator[str]:
    """The lines of a file; each but perhaps the last ends with a line feed, whatever it ended with in the file."""
    tail, count = "", 0
    for text in _texts(path, encoding, progress):
        text = tail + text
        end = text.rfind("\n") + 1
        # Only the first line can be long: the others began in this chunk, which is shorter than the limit.
        if (text.find("\n") if end else len(text)) > LONGEST_LINE:
            raise BadInput(f"{path.name}, line {count + 1}, is longer than 1 MiB: this is not a CSV file.")
        count += text.count("\n")
        tail = text[end:]
        yield from io.StringIO(text[:end], newline="\n")
    if tail:
        yield tail


def _texts(path: File, encoding: str | None, progress: Progress) -> Iterator[str]:
    """The text of a file in pieces."""
    try:
        with path.open("rb") as file:
            chunk = file.read(CHUNK_BYTES)
            decoder = _Decoder(path.name, chunk, encoding)
            while chunk:
                yield decoder.decode(chunk)
                progress(file.tell())
                chunk = file.read(CHUNK_BYTES)
            yield decoder.decode(b"", final=True)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
