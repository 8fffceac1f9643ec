"""Read PostgreSQL: SQLAlchemy Core statements, compiled once and run by asyncpg as prepared statements.

A request runs a few statements and reads hundreds of rows, and SQLAlchemy's own execution costs many times what asyncpg
takes per statement and per row. Therefore the statements of the read path are built once (constants of a module, or
functions cached by shape), their values are passed separately, and their rows are records of asyncpg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import asyncpg
from sqlalchemy import Executable, text

from app.core.errors import Unavailable
from app.db.errors import NEVER_MIGRATED
from app.db.pool import CONNECTION_ERRORS, RESET_TIMEOUT_SECONDS, PooledConnection, ReadPool
from app.db.statements import Row, compile_statement, compile_with_versions, row_class

BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
SELECT_VERSIONS = text("SELECT domain, version FROM data_version")

# Classes of SQLSTATE after which the connection is closed. A statement timeout (57014) is not among them.
CONNECTION_ENDING_SQLSTATES = ("08", "57P")


class SnapshotRequired(Exception):
    """A reader that was opened for a single statement is asked for more; the caller must start over with a snapshot."""


class Session:
    """Runs statements. Functions that read take a Session, functions that write take a Transaction."""

    async def rows(self, statement: Executable, values: Any = None) -> Sequence[Any]:
        """Run a statement and return all its rows."""
        raise NotImplementedError

    async def row(self, statement: Executable, values: Any = None) -> Any | None:
        """Run a statement and return its only row, or None."""
        rows = await self.rows(statement, values)
        assert len(rows) <= 1, "more than one row"
        return rows[0] if rows else None

    async def scalar(self, statement: Executable, values: Any = None) -> Any:
        """Run a statement and return the first column of its only row, or None."""
        row = await self.row(statement, values)
        return None if row is None else row[0]


class Reader(Session):
    """A read-only snapshot: all its statements see the database as of the first one.

    `statement_count` does not include the statement that reads the versions, which runs at most once per snapshot;
    `version_requests` counts the calls of `versions`.
    """

    def __init__(self, pool: ReadPool) -> None:
        self.pool = pool
        self.statement_count = 0
        self.version_requests = 0
        self._versions: Mapping[str, int] | None = None
        self._pooled: PooledConnection | None = None
        self._is_interrupted = False

    async def rows(self, statement: Executable, values: Any = None, record: type[Row] = Row) -> Sequence[Any]:
        """Run a statement and return all its rows, as records of the class `record`.

        Raise asyncpg's errors, OSError or Unavailable.
        """
        compiled = compile_statement(statement)
        self.statement_count += 1
        return await self._fetch(compiled.sql, compiled.arguments(values), record)

    async def versions(self) -> Mapping[str, int]:
        """Return the data versions of this snapshot. Raise Unavailable if the database was never migrated."""
        self.version_requests += 1
        if self._versions is None:
            try:
                rows = await self._fetch(compile_statement(SELECT_VERSIONS).sql, [], Row)
            except asyncpg.UndefinedTableError:  # every migrated database has this table
                raise Unavailable(NEVER_MIGRATED) from None
            self._versions = {row["domain"]: row["version"] for row in rows}
        return self._versions

    async def close(self) -> None:
        """End the snapshot and release its connection."""
        pooled, self._pooled = self._pooled, None
        if pooled is None:
            return
        try:
            # An interrupted connection may wait for the end of its statement; if the server hangs, that never comes.
            await pooled.connection.execute("COMMIT", timeout=RESET_TIMEOUT_SECONDS if self._is_interrupted else None)
        except BaseException as error:
            self.pool.discard(pooled)
            if not isinstance(error, Exception):
                raise
        else:
            self.pool.release(pooled)

    async def _fetch(self, sql: str, arguments: list[Any], record: Any) -> Sequence[Any]:
        if self.pool.statement_observer is not None:
            self.pool.statement_observer(sql)
        pooled = self._pooled or await self._begin()
        record_class = row_class(sql, record)
        try:
            rows: Sequence[Any] = await pooled.connection.fetch(sql, *arguments, record_class=record_class)
        except BaseException as error:
            self._is_interrupted |= not isinstance(error, asyncpg.PostgresError)
            raise
        if record_class.columns is None and rows:
            record_class.columns = tuple(rows[0].keys())
        return rows

    async def _begin(self) -> PooledConnection:
        """Open the snapshot. If a reused connection turns out to be dead, try the next one."""
        while True:
            pooled = await self.pool.acquire()
            try:
                await pooled.connection.execute(BEGIN_SNAPSHOT)
            except BaseException as error:
                self.pool.discard(pooled)
                if pooled.is_reused and isinstance(error, CONNECTION_ERRORS):
                    continue
                raise
            self._pooled = pooled
            return pooled


class SingleStatementReader(Reader):
    """Reader for exactly one statement, which is a snapshot without a transaction and returns the data versions, too.

    The caller must check `needs_snapshot` afterwards. If it is set, the rows are invalid, and the work must be repeated
    with a Reader. Any other error is final, as it would be with a Reader. `returned_no_rows` is set if the snapshot is
    needed only because the statement found no row to carry the versions.
    """

    def __init__(self, pool: ReadPool) -> None:
        super().__init__(pool)
        self.needs_snapshot = self.returned_no_rows = False
        self._versions_text: str | None = None

    async def rows(self, statement: Executable, values: Any = None, record: type[Row] = Row) -> Sequence[Any]:
        """Run the statement and return its rows. Raise SnapshotRequired if it is the second one or has no rows."""
        if self.statement_count:
            self._require_snapshot()
        self.statement_count += 1
        compiled = compile_with_versions(statement)
        try:
            rows = await self._fetch(compiled.sql, compiled.arguments(values), record)
        except CONNECTION_ERRORS as error:
            # A Reader would have noticed at its BEGIN that a reused connection is dead, and have taken another one.
            if _ends_connection(error) and self._pooled is not None:
                self._is_interrupted, self.needs_snapshot = True, self._pooled.is_reused
            raise
        if not rows:
            self.returned_no_rows = True
            self._require_snapshot()
        self._versions_text = rows[0]["data_versions"] or ""  # null if `data_version` has no rows yet
        return rows

    async def versions(self) -> Mapping[str, int]:
        """Return the data versions as of the statement. Raise SnapshotRequired if it has not run yet."""
        if self._versions_text is None:
            self._require_snapshot()
        pairs = (pair.split(" ") for pair in self._versions_text.split(",") if pair)
        return {domain: int(version) for domain, version in pairs}

    async def close(self) -> None:
        """Release the connection, or discard it if its statement was interrupted."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            (self.pool.discard if self._is_interrupted else self.pool.release)(pooled)

    async def _begin(self) -> PooledConnection:
        self._pooled = await self.pool.acquire()
        return self._pooled

    def _require_snapshot(self) -> NoReturn:
        self.needs_snapshot = True
        raise SnapshotRequired


def _ends_connection(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(CONNECTION_ENDING_SQLSTATES)
    return not isinstance(error, ValueError)  # an InterfaceError that is a ValueError: value of the wrong type
