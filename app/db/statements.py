"""SQL statements compiled once, and the rows they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, Self

import asyncpg
from sqlalchemy import Executable, Select, literal_column
from sqlalchemy.dialects.postgresql.asyncpg import dialect

DIALECT = dialect()  # type: ignore[no-untyped-call]

# Clients choose the columns and the shapes of statements, so the caches for them have limits.
MAX_STATEMENTS = 1_024
MAX_ROW_CLASSES = 2_048

# All data versions in one text column: "analytics 12,catalog 7".
VERSIONS_AS_TEXT = "(SELECT string_agg(domain || ' ' || version, ',') FROM data_version)"


class BoundStatement(NamedTuple):
    """A statement and the values of its parameters.

    Functions that build statements cache them by shape and return the same object each time, because compiled SQL is
    cached by the statement's identity.
    """

    statement: Select[Any]
    values: Mapping[str, Any]


class Row(asyncpg.Record):  # type: ignore[misc]
    """A row: `row["name"]`, or the slower `row.name`.

    Each statement has a subclass of its own for its rows, so all rows of one class have the same columns in the same
    order. `columns` holds their names once a row was read. Code that reads many rows can unpack them by position.
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
        """The row itself, for code written for SQLAlchemy rows."""
        return self


class EmbeddedRow(tuple[Any, ...]):
    """A row embedded as a value in a column of another row: a record of the columns named in `columns`."""

    __slots__ = ()
    columns: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @lru_cache(maxsize=MAX_ROW_CLASSES)
    def of(cls, *columns: str) -> type[Self]:
        """Return the subclass for rows with these columns; its constructor takes the values in the same order."""
        return type(cls.__name__, (cls,), {"__slots__": (), "columns": columns})

    def __getitem__(self, name: Any) -> Any:
        try:
            return super().__getitem__(self.columns.index(name))
        except ValueError:
            raise KeyError(name) from None


@dataclass(frozen=True)
class CompiledStatement:
    """SQL text, parameter names by position, and the values of parameters that were bound in the statement itself."""

    sql: str
    names: tuple[str, ...]
    values: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any] | None) -> list[Any]:
        """Return the parameter values by position. Raise KeyError if one is missing."""
        if not values:
            return [self.values[name] for name in self.names]
        if not self.values:
            return [values[name] for name in self.names]
        return [values[name] if name in values else self.values[name] for name in self.names]


@lru_cache(maxsize=MAX_STATEMENTS)
def compile_statement(statement: Executable) -> CompiledStatement:
    """Return the SQL and parameters of a statement, cached by its identity."""
    result: Any = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    required = {name for name, parameter in result.binds.items() if parameter.required}
    values = {name: value for name, value in result.params.items() if name not in required}
    return CompiledStatement(str(result), tuple(result.positiontup or ()), values)


@lru_cache(maxsize=MAX_STATEMENTS)
def compile_with_versions(statement: Executable) -> CompiledStatement:
    """Compile a statement with an additional column `data_versions`: the data versions seen by that statement."""
    if isinstance(statement, Select):
        return compile_statement(statement.add_columns(literal_column(VERSIONS_AS_TEXT).label("data_versions")))
    original = compile_statement(statement)
    sql = f"SELECT answer.*, {VERSIONS_AS_TEXT} AS data_versions FROM ({original.sql}) AS answer"
    return replace(original, sql=sql)


@lru_cache(maxsize=MAX_ROW_CLASSES)
def row_class(sql: str, kind: Any) -> Any:
    """Return the subclass of the row class `kind` for the rows of one statement."""
    return type(kind.__name__, (kind,), {"__slots__": ()})
