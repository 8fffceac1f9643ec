"""SQL statements compiled once, and the rows they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, ClassVar, Self

import asyncpg
from sqlalchemy import Executable, Select, literal_column
from sqlalchemy.dialects.postgresql.asyncpg import dialect

DIALECT = dialect()  # type: ignore[no-untyped-call]

# The versions as one text: "analytics 12,catalog 7".
SPELLED_VERSIONS = "(SELECT string_agg(domain || ' ' || version, ',') FROM data_version)"


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
