"""Reading PostgreSQL: statements of SQLAlchemy Core, compiled once, run by asyncpg as prepared statements.

A request reads a few statements and hundreds of rows, and what SQLAlchemy's own execution costs per statement and per
row is many times what asyncpg takes. So statements of the read path are made once (constants of a module, or functions
with a cache by shape), get their values apart, and their rows are asyncpg's records.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any, ClassVar, NoReturn, Self

import asyncpg
import orjson
from sqlalchemy import Executable, Select, literal_column, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from app.core.errors import Unavailable

DIALECT = dialect()  # type: ignore[no-untyped-call]
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
VERSIONS = text("SELECT domain, version FROM data_version")

# Seconds that a request waits for a connection, after which one is made anew, and that one which was interrupted has to
# become usable again.
WAIT_SECONDS = 10.0
MAX_AGE_SECONDS = 1800.0
MEND_SECONDS = 1.0
# What asyncpg raises on a connection that has died; the third where PostgreSQL's farewell has come, but not the end.
LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# Of PostgreSQL's own errors those that end a connection: not that of a statement that took too long (57014).
ENDING_STATES = ("08", "57P")

# The versions as one text: "analytics 12,catalog 7".
SPELLED_VERSIONS = "(SELECT string_agg(domain || ' ' || version, ',') FROM data_version)"


class MoreThanOneStatement(Exception):
    """A reader that was made for one statement cannot do what it is asked: a snapshot must be opened instead."""


class Row(asyncpg.Record):  # type: ignore[misc]
    """A row: `row["name"]`, or `row.name` where speed does not matter.

    The rows of each statement have a class of their own, so that rows of one class have the same columns in the same
    order: `columns`, once there was one. Who reads many rows can unpack them instead of looking up names.
    """

    __slots__ = ()
    columns: ClassVar[tuple[str, ...] | None] = None

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def _mapping(self) -> Row:
        """As the rows of SQLAlchemy have it."""
        return self


class InnerRow(tuple[Any, ...]):
    """A row that came along as a value of another one: a record of these `columns`."""

    __slots__ = ()
    columns: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @cache
    def of(cls, *columns: str) -> type[Self]:
        """The class of such rows with these columns, which makes one of their values."""
        return type(cls.__name__, (cls,), {"__slots__": (), "columns": columns})

    def __getitem__(self, name: Any) -> Any:
        try:
            return super().__getitem__(self.columns.index(name))
        except ValueError:
            raise KeyError(name) from None


@dataclass(frozen=True)
class Compiled:
    """The text of a statement, the names of its parameters in their order, and values that the statement brings."""

    sql: str
    names: tuple[str, ...]
    values: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any] | None) -> list[Any]:
        """The values by position. Raises KeyError for one that is missing."""
        if not values:
            return [self.values[name] for name in self.names]
        if not self.values:
            return [values[name] for name in self.names]
        return [values[name] if name in values else self.values[name] for name in self.names]


@lru_cache(maxsize=1024)
def compiled(statement: Executable) -> Compiled:
    """What is sent for a statement; kept by the statement's identity."""
    made: Any = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    required = {name for name, parameter in made.binds.items() if parameter.required}
    values = {name: value for name, value in made.params.items() if name not in required}
    return Compiled(str(made), tuple(made.positiontup or ()), values)


@lru_cache(maxsize=1024)
def with_versions(statement: Executable) -> Compiled:
    """The same statement, each row of which also tells the data versions as of that statement."""
    if isinstance(statement, Select):
        return compiled(statement.add_columns(literal_column(SPELLED_VERSIONS).label("data_versions")))
    made = compiled(statement)
    return replace(made, sql=f"SELECT answer.*, {SPELLED_VERSIONS} AS data_versions FROM ({made.sql}) AS answer")


@lru_cache(maxsize=2048)
def row_class(sql: str, kind: Any) -> Any:
    """The class of the rows of one statement."""
    return type(kind.__name__, (kind,), {"__slots__": ()})


@dataclass(eq=False)
class Held:
    """A connection that is in use. `used` says that it was used before, so it may have died since."""

    connection: asyncpg.Connection
    made_at: float = field(default_factory=time.monotonic)
    used: bool = False


async def prepare(connection: asyncpg.Connection) -> None:
    """Has JSON arrive as Python objects, as it does where SQLAlchemy reads."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=str, decoder=orjson.loads)


class Pool:
    """Connections to read through: made when needed, at most `size`, the one used last first.

    Unlike asyncpg's own pool it runs nothing when one is given back: what readers do ends with their transaction.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self.in_use = 0
        # Told of the text of each statement.
        self.observer: Callable[[str], None] | None = None
        self._connect = connect
        self._idle: list[Held] = []
        self._permits = asyncio.Semaphore(size)
        self._closed = False

    async def acquire(self) -> Held:
        """A connection. Raises Unavailable when none is given back in time, and OSError when none can be made."""
        if self._permits.locked():
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self._permits.acquire()
            except TimeoutError:
                raise Unavailable("All connections to the database are busy; try again in a moment.") from None
        else:
            await self._permits.acquire()
        self.in_use += 1
        while self._idle:
            held = self._idle.pop()
            if self._usable(held):
                held.used = True
                return held
            held.connection.terminate()
        try:
            return Held(await self._made())
        except BaseException:
            self._returned()
            raise

    def release(self, held: Held) -> None:
        """Takes back a connection, outside of any transaction."""
        if self._closed or not self._usable(held):
            held.connection.terminate()
        else:
            self._idle.append(held)
        self._returned()

    def discard(self, held: Held) -> None:
        """Takes back a connection that is of no use any more."""
        held.connection.terminate()
        self._returned()

    async def close(self) -> None:
        """Ends the idle connections now, and those in use when they are given back."""
        self._closed = True
        while self._idle:
            held = self._idle.pop()
            try:
                await held.connection.close(timeout=MEND_SECONDS)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                held.connection.terminate()

    async def _made(self) -> asyncpg.Connection:
        """Raises OSError, whatever the reason: that there is no such database or account, too."""
        try:
            connection = await self._connect()
            try:
                await prepare(connection)
            except BaseException:
                connection.terminate()
                raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ConnectionError(str(error)) from error
        return connection

    def _returned(self) -> None:
        self.in_use -= 1
        self._permits.release()

    @staticmethod
    def _usable(held: Held) -> bool:
        return not held.connection.is_closed() and time.monotonic() - held.made_at < MAX_AGE_SECONDS


class Session:
    """Where statements run. Statement functions take this; those that write take a Tx."""

    async def rows(self, statement: Executable, values: Any = None) -> Sequence[Any]:
        """All rows of one statement."""
        raise NotImplementedError

    async def row(self, statement: Executable, values: Any = None) -> Any | None:
        """The only row, or None."""
        found = await self.rows(statement, values)
        assert len(found) <= 1, "more than one row"
        return found[0] if found else None

    async def scalar(self, statement: Executable, values: Any = None) -> Any:
        """The first column of the only row, or None."""
        found = await self.row(statement, values)
        return None if found is None else found[0]


class Reader(Session):
    """A read-only snapshot: all of its statements see the database as of the first."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        # Beside that for the versions, which are read once however often they are asked for.
        self.statements = 0
        self.versions_asked = 0
        self._versions: Mapping[str, int] | None = None
        self._held: Held | None = None
        self._interrupted = False

    async def rows(self, statement: Executable, values: Any = None, record: type[Row] = Row) -> Sequence[Any]:
        """All rows of one statement, as records of this class. Raises asyncpg's errors, OSError and Unavailable."""
        made = compiled(statement)
        self.statements += 1
        return await self._fetch(made.sql, made.arguments(values), record)

    async def versions(self) -> Mapping[str, int]:
        """The data versions of this snapshot."""
        self.versions_asked += 1
        if self._versions is None:
            rows = await self._fetch(compiled(VERSIONS).sql, [], Row)
            self._versions = {row["domain"]: row["version"] for row in rows}
        return self._versions

    async def close(self) -> None:
        """Ends the snapshot and gives the connection back."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            # One that was interrupted may have to wait for the end of the statement, on a server that hangs for ever.
            await held.connection.execute("COMMIT", timeout=MEND_SECONDS if self._interrupted else None)
        except BaseException as error:
            self.pool.discard(held)
            if not isinstance(error, Exception):
                raise
        else:
            self.pool.release(held)

    async def _fetch(self, sql: str, arguments: list[Any], record: Any) -> Sequence[Any]:
        if self.pool.observer is not None:
            self.pool.observer(sql)
        held = self._held or await self._begin()
        kind = row_class(sql, record)
        try:
            found: Sequence[Any] = await held.connection.fetch(sql, *arguments, record_class=kind)
        except BaseException as error:
            self._interrupted |= not isinstance(error, asyncpg.PostgresError)
            raise
        if kind.columns is None and found:
            kind.columns = tuple(found[0].keys())
        return found

    async def _begin(self) -> Held:
        """Opens the snapshot, on another connection when this one has died since it was used last."""
        while True:
            held = await self.pool.acquire()
            try:
                await held.connection.execute(BEGIN)
            except BaseException as error:
                self.pool.discard(held)
                if held.used and isinstance(error, LOST):
                    continue
                raise
            self._held = held
            return held


class OneStatementReader(Reader):
    """A single statement, which is a snapshot by itself: no transaction is opened, and it brings the versions along.

    Whoever uses it must look at `again` in the end: if it is set, nothing that was read counts, and all is to be done
    once more with a snapshot. Other errors are final, as they are there. `empty`: it was a single statement, but there
    is no row to tell the versions.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.again = self.empty = False
        self._spelled: str | None = None

    async def rows(self, statement: Executable, values: Any = None, record: type[Row] = Row) -> Sequence[Any]:
        """All rows of the one statement, and MoreThanOneStatement when there are none to tell the versions."""
        if self.statements:
            self._give_up()
        self.statements += 1
        made = with_versions(statement)
        try:
            found = await self._fetch(made.sql, made.arguments(values), record)
        except LOST as error:
            # A snapshot would have noticed at its BEGIN that the connection has died since it was used last.
            if _ends_connection(error) and self._held is not None:
                self._interrupted, self.again = True, self._held.used
            raise
        if not found:
            self.empty = True
            self._give_up()
        self._spelled = found[0]["data_versions"] or ""  # of a database in which nothing ever changed
        return found

    async def versions(self) -> Mapping[str, int]:
        """The data versions as of the statement, which must have been run. Raises MoreThanOneStatement."""
        if self._spelled is None:
            self._give_up()
        pairs = (each.split(" ") for each in self._spelled.split(",") if each)
        return {domain: int(version) for domain, version in pairs}

    async def close(self) -> None:
        """Gives the connection back; one that was interrupted is of no use any more."""
        held, self._held = self._held, None
        if held is not None:
            (self.pool.discard if self._interrupted else self.pool.release)(held)

    async def _begin(self) -> Held:
        self._held = await self.pool.acquire()
        return self._held

    def _give_up(self) -> NoReturn:
        self.again = True
        raise MoreThanOneStatement


def _ends_connection(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(ENDING_STATES)
    return not isinstance(error, ValueError)  # a value of the wrong type
