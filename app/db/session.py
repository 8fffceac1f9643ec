"""Reading PostgreSQL: statements of SQLAlchemy Core, compiled once, run by asyncpg as prepared statements.

A request reads a few statements and hundreds of rows, and what SQLAlchemy's own execution costs per statement and per
row is many times what asyncpg takes. So statements of the read path are made once (constants of a module, or functions
with a cache by shape), get their values apart, and their rows are asyncpg's records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import asyncpg
from sqlalchemy import Executable, text

from app.db.pool import LOST, MEND_SECONDS, Held, Pool
from app.db.statements import Row, compiled, row_class, with_versions

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
VERSIONS = text("SELECT domain, version FROM data_version")

# Of PostgreSQL's own errors those that end a connection: not that of a statement that took too long (57014).
ENDING_STATES = ("08", "57P")


class MoreThanOneStatement(Exception):
    """A reader that was made for one statement cannot do what it is asked: a snapshot must be opened instead."""


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
