"""Load rows of a file through a staging table: COPY them into a temporary table, check them there, report rejects.

The temporary table `staged` holds the cells of one chunk as text, trimmed, with null for empty cells. A query of the
domain reads it, converts the types, and fills a second temporary table, which has in addition the columns `line`,
`reason` (null for valid rows) and `cells`; the domain then merges the valid rows. All of it is one transaction.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.bulk_import.records import NumberedRow, Records, RejectedRow
from app.core.disk_errors import is_disk_error
from app.core.errors import BadInput

MappedT = TypeVar("MappedT")

# The first chunk is small, so that PostgreSQL starts working soon; each next one is twice as large, up to the maximum.
FIRST_CHUNK_BYTES = 1024 * 1024
MAX_CHUNK_BYTES = 16 * 1024 * 1024
# Of a row that cannot be parsed, the file of rejects shows this much.
MAX_REJECTED_CELL_LENGTH = 1000
MAX_REJECTED_CELLS = 100
# After changes of more rows, the planner needs new statistics before autovacuum would collect them.
ANALYZE_MIN_ROWS = 10_000

COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NUL_CHARACTER = "the row contains a NUL character"
LONE_SURROGATE = "the row contains half of a surrogate pair, which is not a character"

IMPORT_SETTINGS = (
    # The planner overestimates temporary tables and starts the JIT compiler, which costs more than it saves.
    "SET LOCAL jit = off",
    # Times without a zone are in UTC and do not depend on the server's zone.
    "SET LOCAL timezone = 'UTC'",
    # Hash joins and sorts of a million rows would otherwise spill to disk.
    "SET LOCAL work_mem = '128MB'",
)


@dataclass(frozen=True)
class ImportOptions:
    """What to do with bad rows: write them to `rejects_path`; if `strict`, fail if there is any."""

    rejects_path: Path
    strict: bool = False


@dataclass(frozen=True)
class ImportSummary:
    """Row counts of an import: rows = created + updated + unchanged + rejected.

    `superseded` of the unchanged rows were replaced by a later row of the same file. `notes` are further sentences for
    the user.
    """

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    superseded: int = 0
    notes: tuple[str, ...] = ()


async def stage(
    connection: AsyncConnection,
    known_columns: Sequence[str],
    records: Records,
    table: str,
    query: str,
    values: Mapping[str, Any] | None = None,
    map_row: Callable[[Sequence[str]], MappedT | None] | None = None,
    prepare: Callable[[list[MappedT]], Awaitable[None]] | None = None,
) -> int:
    """Fill the new temporary table `table` with the rows that `query` returns; return the number of records read.

    `query` reads the temporary table `staged`: `line`, `fault` and `raw` (the reason and the cells of a row that cannot
    be parsed, else null), and the `known_columns`. It runs once per chunk of the file, after `prepare`, while a thread
    reads the next chunk: both use a processor, and at most two chunks are in memory. The thread calls `map_row` with
    the cells of each row; `prepare` gets the results of its chunk, without None. Raise BadInput if the records turn out
    to be unreadable.
    """
    for setting in IMPORT_SETTINGS:
        await connection.execute(text(setting))
    # `staged` may exist from an earlier import in the same transaction. Both temporary tables end with the transaction.
    await connection.execute(text("DROP TABLE IF EXISTS pg_temp.staged"))
    columns = ", ".join(f"{name} text" for name in known_columns)
    create_staged = f"CREATE TEMP TABLE staged (line bigint, fault text, raw text, {columns}) ON COMMIT DROP"
    await connection.execute(text(create_staged))
    await connection.execute(text(f"CREATE TEMP TABLE {table} ON COMMIT DROP AS {query} WITH NO DATA"), values)
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    names = ["line", "fault", "raw", *records.columns]
    encoder = _ChunkEncoder(records, map_row)
    chunk, mapped = encoder.next_chunk()
    while chunk:
        # A memoryview, because asyncpg takes bytes for the path of a file.
        await driver.copy_to_table("staged", source=memoryview(chunk), columns=names, null="")
        # Started only now: sending and reading at the same time would compete for Python's global lock.
        next_chunk = asyncio.create_task(asyncio.to_thread(encoder.next_chunk))
        try:
            if prepare is not None:
                await prepare(mapped)
            await connection.execute(text(f"INSERT INTO {table} {query}"), values)
        finally:
            await asyncio.wait([next_chunk])  # the caller may close the file only after the thread has left it
        chunk, mapped = await next_chunk
        await connection.execute(text("TRUNCATE staged"))
    return encoder.rows


async def write_rejects(connection: AsyncConnection, table: str, columns: Sequence[str], options: ImportOptions) -> int:
    """Write the rows of `table` that have a reason to the file of rejects; return their number.

    No file is written if there are none. Raise BadInput if there are some and the import is strict.
    """
    count = (await connection.execute(text(f"SELECT count(*) FROM {table} WHERE reason IS NOT NULL"))).scalar_one()
    if not count:
        return 0
    query = text(f"SELECT line, reason, cells FROM {table} WHERE reason IS NOT NULL ORDER BY line")
    path = options.rejects_path
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            await _write_csv(connection, query, columns, file)
    except OSError as error:
        if not is_disk_error(error):  # the connection to the database
            raise
        raise BadInput(f"{path}, the file of rejected rows, cannot be written: {error.strerror}.") from None
    if options.strict:
        rows = "1 row was" if count == 1 else f"{count:,} rows were"
        raise BadInput(f"Nothing was loaded, because {rows} rejected: see {path}.")
    return int(count)


async def analyze(connection: AsyncConnection, changed: int, *tables: str) -> None:
    """Update the planner's statistics of `tables` if many rows changed."""
    if changed > ANALYZE_MIN_ROWS:
        await connection.execute(text(f"ANALYZE {', '.join(tables)}"))


async def _write_csv(connection: AsyncConnection, query: Any, columns: Sequence[str], file: TextIO) -> None:
    """Stream the rejects to a file; there may be as many as the imported file has rows."""
    writer = csv.writer(file)
    writer.writerow(["line", "reason", *columns])
    async with connection.stream(query) as result:
        async for line, reason, cells in result:
            writer.writerow([line, reason, *orjson.loads(cells)])


class _ChunkEncoder(Generic[MappedT]):
    """Encodes records in COPY's text format, one chunk at a time.

    `rows` counts the records encoded so far.
    """

    def __init__(self, records: Records, map_row: Callable[[Sequence[str]], MappedT | None] | None) -> None:
        self._lines = map(self._encode_row, records)
        self._map_row = map_row
        self._mapped: list[MappedT] = []
        self._width = len(records.columns)
        self._chunk_bytes = FIRST_CHUNK_BYTES
        self.rows = 0

    def next_chunk(self) -> tuple[bytes, list[MappedT]]:
        """Return the next chunk, empty after the last one, and the results of `map_row` for its rows."""
        self._mapped = []
        lines: list[bytes] = []
        size = 0
        for line in self._lines:
            lines.append(line)
            size += len(line)
            if size > self._chunk_bytes:
                break
        self._chunk_bytes = min(2 * self._chunk_bytes, MAX_CHUNK_BYTES)
        self.rows += len(lines)
        return b"".join(lines), self._mapped

    def _encode_row(self, row: NumberedRow) -> bytes:
        """Return one line of COPY text: line, fault, raw, cells."""
        number, cells = row
        if isinstance(cells, RejectedRow):
            return self._encode_rejected(number, cells.reason, cells.cells)
        line = "\t".join(map(str.strip, cells))
        if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= self._width:
            line = "\t".join([cell.strip().translate(COPY_ESCAPES) for cell in cells])
        if "\0" in line:
            return self._encode_rejected(number, NUL_CHARACTER, cells)
        try:
            encoded = f"{number}\t\t\t{line}\n".encode()
        except UnicodeEncodeError:
            return self._encode_rejected(number, LONE_SURROGATE, cells)
        if self._map_row is not None and (mapped := self._map_row(cells)) is not None:
            self._mapped.append(mapped)
        return encoded

    def _encode_rejected(self, number: int, reason: str, cells: Sequence[str]) -> bytes:
        excerpt = [cell[:MAX_REJECTED_CELL_LENGTH] for cell in cells[:MAX_REJECTED_CELLS]]
        raw = orjson.dumps([_storable(cell) for cell in excerpt]).decode()
        line = f"{number}\t{reason.translate(COPY_ESCAPES)}\t{raw.translate(COPY_ESCAPES)}"
        return line.encode() + b"\t" * self._width + b"\n"


def _storable(cell: str) -> str:
    """Replace the characters that PostgreSQL and UTF-8 files cannot store."""
    return cell.replace("\0", "\ufffd").encode(errors="replace").decode()


def rejected_cells_sql(columns: Sequence[str]) -> str:
    """Return SQL for the cells of a staged row with a `reason`, as JSON for the file of rejects; else null."""
    values = ", ".join(f"coalesce({column}, '')" for column in columns)
    return f"CASE WHEN reason IS NOT NULL THEN coalesce(raw, json_build_array({values})::text) END"


def quoted_sql(value: str) -> str:
    """Return SQL that shortens and quotes the text expression `value`, for use in a reason."""
    return f"""'"' || left({value}, 80) || '"'"""


_NUMBER = r"'^-?\$?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?$|^-?\$?\.[0-9]+$'"


def parse_number_sql(value: str) -> str:
    """Return SQL that converts the text expression `value` to numeric, or to null if it is not a plain decimal number.

    Thousands separators (commas) and a leading $ are accepted. The second branch is only a shortcut, which spares most
    cells the expensive pattern.
    """
    return (
        f"CASE WHEN length({value}) > 40 THEN NULL "
        f"WHEN {value} ~ '^[0-9.]+$' AND pg_input_is_valid({value}, 'numeric') THEN {value}::numeric "
        f"WHEN {value} ~ {_NUMBER} THEN translate({value}, '$,', '')::numeric END"
    )
