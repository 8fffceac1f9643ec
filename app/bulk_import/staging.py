"""The way in for rows of a file: COPY into a temporary table, check them there, tell which were rejected and why.

`staged` holds rows as text, trimmed, empty cells as null. A domain's query reads them, typed, into a table that also
has the columns `line`, `reason` (null: good) and `cells`, and merges the good ones. All of it is one transaction.
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

from app.bulk_import.records import Fault, Records, Row
from app.core.errors import BadInput

N = TypeVar("N")

# The first chunk is small, so that the database soon has something to do; each next one is twice as large.
FIRST_CHUNK_BYTES = 1024 * 1024
LARGEST_CHUNK_BYTES = 16 * 1024 * 1024
# Of a row that cannot be read, as much goes into the file of rejects as helps to recognise it.
LONGEST_SHOWN_CELL = 1000
MOST_SHOWN_CELLS = 100
# Above so many changed rows the planner should not have to wait for autovacuum to learn of them.
ANALYZE_ABOVE = 10_000

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NUL = "the row contains a NUL character"
NOT_TEXT = "the row contains half a surrogate pair, which is no character"

SETTINGS = (
    # The planner's estimates for temporary tables can start the JIT compiler, which costs more than it saves.
    "SET LOCAL jit = off",
    # Times without a zone are UTC whatever the server's zone is.
    "SET LOCAL timezone = 'UTC'",
    # Hash joins and sorts over a million rows that would otherwise go through files.
    "SET LOCAL work_mem = '128MB'",
)


@dataclass(frozen=True)
class Options:
    """How to treat bad rows: where to write them, and whether one of them is one too many."""

    rejects: Path
    strict: bool = False


@dataclass(frozen=True)
class Summary:
    """What an import did: rows = created + updated + unchanged + rejected.

    `superseded` of the unchanged rows were followed by another row about the same thing in the same file.
    `notes` are sentences about anything else that happened.
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
    known: Sequence[str],
    records: Records,
    into: str,
    query: str,
    values: Mapping[str, Any] | None = None,
    note: Callable[[Sequence[str]], N | None] | None = None,
    prepare: Callable[[list[N]], Awaitable[None]] | None = None,
) -> int:
    """Makes the table `into` of what `query` makes of these records; returns how many records there were.

    The query reads `staged`: line, fault and raw (null for rows that could be read) and the `known` columns. It runs
    once per chunk of the file, after `prepare`, while a thread reads the next one: so both have a processor, and no
    more than two chunks are in memory. The thread also calls `note` with the cells of each row; what it returns, but
    for None, is given to `prepare` of the chunk. Raises BadInput when the records turn out to be unreadable.
    """
    for setting in SETTINGS:
        await connection.execute(text(setting))
    columns = ", ".join(f"{name} text" for name in known)
    await connection.execute(text("DROP TABLE IF EXISTS pg_temp.staged"))  # of an import earlier in the transaction
    staged = f"CREATE TEMP TABLE staged (line bigint, fault text, raw text, {columns}) ON COMMIT DROP"
    await connection.execute(text(staged))
    await connection.execute(text(f"CREATE TEMP TABLE {into} ON COMMIT DROP AS {query} WITH NO DATA"), values)
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    names = ["line", "fault", "raw", *records.columns]
    chunks = _Chunks(records, note)
    chunk, noted = chunks.take()
    while chunk:
        # A view, because asyncpg takes bytes for the path of a file.
        await driver.copy_to_table("staged", source=memoryview(chunk), columns=names, null="")
        # Not earlier: sending and reading would only keep each other from Python's lock.
        reading = asyncio.create_task(asyncio.to_thread(chunks.take))
        try:
            if prepare is not None:
                await prepare(noted)
            await connection.execute(text(f"INSERT INTO {into} {query}"), values)
        finally:
            await asyncio.wait([reading])  # nobody leaves this transaction before the thread is out of the file
        chunk, noted = await reading
        await connection.execute(text("TRUNCATE staged"))
    return chunks.rows


async def reject(connection: AsyncConnection, checked: str, columns: Sequence[str], options: Options) -> int:
    """Writes the rows of the table `checked` that have a reason to the file of rejects; returns how many.

    Nothing is written when there are none. Raises BadInput when there are some and the import is strict.
    """
    count = (await connection.execute(text(f"SELECT count(*) FROM {checked} WHERE reason IS NOT NULL"))).scalar_one()
    if not count:
        return 0
    query = text(f"SELECT line, reason, cells FROM {checked} WHERE reason IS NOT NULL ORDER BY line")
    try:
        with options.rejects.open("w", encoding="utf-8", newline="") as file:
            await _write(connection, query, columns, file)
    except OSError as error:
        raise BadInput(f"{options.rejects}, the file of rejected rows, cannot be written: {error.strerror}.") from None
    if options.strict:
        rows = "1 row is" if count == 1 else f"{count:,} rows are"
        raise BadInput(f"Nothing was loaded, because {rows} bad: see {options.rejects}.")
    return int(count)


async def analyze(connection: AsyncConnection, changed: int, *tables: str) -> None:
    """Has the planner learn of a large change."""
    if changed > ANALYZE_ABOVE:
        await connection.execute(text(f"ANALYZE {', '.join(tables)}"))


async def _write(connection: AsyncConnection, query: Any, columns: Sequence[str], file: TextIO) -> None:
    """The rejects, streamed: there may be as many as the file has rows."""
    writer = csv.writer(file)
    writer.writerow(["line", "reason", *columns])
    async with connection.stream(query) as result:
        async for line, reason, cells in result:
            writer.writerow([line, reason, *orjson.loads(cells)])


class _Chunks(Generic[N]):
    """Records in COPY's text format, a chunk at a time; counts them on the way, and gathers what is noted of them."""

    def __init__(self, records: Records, note: Callable[[Sequence[str]], N | None] | None) -> None:
        self._lines = map(self._line, records)
        self._note = note
        self._noted: list[N] = []
        self._width = len(records.columns)
        self._most = FIRST_CHUNK_BYTES
        self.rows = 0

    def take(self) -> tuple[bytes, list[N]]:
        """The next chunk, empty after the last, and what was noted of its rows."""
        self._noted = []
        lines: list[bytes] = []
        size = 0
        for line in self._lines:
            lines.append(line)
            size += len(line)
            if size > self._most:
                break
        self._most = min(2 * self._most, LARGEST_CHUNK_BYTES)
        self.rows += len(lines)
        return b"".join(lines), self._noted

    def _line(self, row: Row) -> bytes:
        """One line of COPY text: line, fault, raw cells, cells."""
        number, cells = row
        if isinstance(cells, Fault):
            return self._faulty(number, cells.reason, cells.cells)
        line = "\t".join(map(str.strip, cells))
        if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= self._width:
            line = "\t".join([cell.strip().translate(ESCAPES) for cell in cells])
        if "\0" in line:
            return self._faulty(number, NUL, cells)
        try:
            encoded = f"{number}\t\t\t{line}\n".encode()
        except UnicodeEncodeError:
            return self._faulty(number, NOT_TEXT, cells)
        if self._note is not None and (noted := self._note(cells)) is not None:
            self._noted.append(noted)
        return encoded

    def _faulty(self, number: int, reason: str, cells: Sequence[str]) -> bytes:
        shown = [cell[:LONGEST_SHOWN_CELL] for cell in cells[:MOST_SHOWN_CELLS]]
        raw = orjson.dumps([_printable(cell) for cell in shown]).decode()
        return f"{number}\t{reason.translate(ESCAPES)}\t{raw.translate(ESCAPES)}".encode() + b"\t" * self._width + b"\n"


def _printable(cell: str) -> str:
    """The cell without what neither a table nor a file could hold."""
    return cell.replace("\0", "\ufffd").encode(errors="replace").decode()


def cells(columns: Sequence[str]) -> str:
    """SQL: the cells of a staged row with a `reason`, as JSON for the file of rejects; null for good ones."""
    values = ", ".join(f"coalesce({column}, '')" for column in columns)
    return f"CASE WHEN reason IS NOT NULL THEN coalesce(raw, json_build_array({values})::text) END"


def shown(value: str) -> str:
    """SQL: the text expression `value`, cut short and quoted, for a reason."""
    return f"""'"' || left({value}, 80) || '"'"""


_NUMBER = r"'^-?\$?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?$|^-?\$?\.[0-9]+$'"


def as_number(value: str) -> str:
    """SQL: the text expression as a numeric, null when it is not a plain decimal number.

    Thousands commas and a leading $ are fine. The first case decides nothing, but spares most cells the costly pattern.
    """
    return (
        f"CASE WHEN length({value}) > 40 THEN NULL "
        f"WHEN {value} ~ '^[0-9.]+$' AND pg_input_is_valid({value}, 'numeric') THEN {value}::numeric "
        f"WHEN {value} ~ {_NUMBER} THEN translate({value}, '$,', '')::numeric END"
    )
