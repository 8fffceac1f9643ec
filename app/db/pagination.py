"""Keyset pagination in SQL: pages that stay stable while rows change, at the same cost for the first and the last.

A cursor is the sort key of a row. The next page is what sorts after it; nothing is counted or skipped, so rows that
appear or go elsewhere never make a row show up twice or not at all. Nulls sort last, whatever the direction.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Integer, Numeric, Select, and_, bindparam, false, or_, tuple_

from app.core.errors import BadCursor, BadInput

MAX_PAGE = 200
DEFAULT_PAGE = 50
# Anything longer was not made here, and need not be decoded to know it: the longest sort key is four texts of 200
# characters, up to 6 bytes each in JSON, a third more in base64.
MAX_CURSOR = 8_000


@dataclass(frozen=True)
class SortKey:
    """One column of an ordering. `label` names it in cursors."""

    label: str
    column: ColumnElement[Any]
    descending: bool = False
    nullable: bool = False

    @cached_property
    def source(self) -> str:
        """The name of the exact value in a row: what goes out under the label of a NUMERIC is a rounded float."""
        return f"exact_{self.label}" if isinstance(self.column.type, Numeric) else self.label


@dataclass(frozen=True)
class PageRequest:
    """Which page: `limit` rows after (forward) or before (backward) the cursor, or from the respective end."""

    limit: int = DEFAULT_PAGE
    cursor: str | None = None
    backward: bool = False


@dataclass(frozen=True)
class Position:
    """The shape of a page request: all that the text of its statement depends on, but no value.

    `nulls`: which values of the cursor are null; None without a cursor.
    """

    backward: bool = False
    nulls: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Page:
    """Rows in ascending sort order. Their cursors are made when asked for."""

    keyset: Keyset
    items: Sequence[Any]
    has_next: bool
    has_previous: bool

    def cursor(self, index: int) -> str | None:
        """Of the first (0) or last (-1) item; None on an empty page."""
        return self.keyset.cursor(self.items[index]) if self.items else None


def page_request(
    first: int | None, after: str | None, last: int | None, before: str | None, default: int = DEFAULT_PAGE
) -> PageRequest:
    """The arguments of a Relay connection, validated. Raises BadInput, which says what to ask instead."""
    if first is not None and last is not None:
        raise BadInput("Give either `first` or `last`, not both: a page is read in one direction.")
    if after is not None and before is not None:
        raise BadInput("Give either `after` or `before`, not both: a page is read in one direction.")
    if (after is not None and last is not None) or (before is not None and first is not None):
        raise BadInput("`first` goes with `after`, `last` goes with `before`.")
    name, limit = ("last", last) if last is not None else ("first", first)
    if limit is not None and not 1 <= limit <= MAX_PAGE:
        raise BadInput(f"`{name}` must be from 1 to {MAX_PAGE}, not {limit}.")
    backward = last is not None or before is not None
    return PageRequest(limit or default, before if backward else after, backward)


class Keyset:
    """An ordering with a unique last key, and the cursors that belong to it."""

    def __init__(self, scope: str, keys: Sequence[SortKey]) -> None:
        self.keys = tuple(keys)
        spelled = ",".join(f"{key.label}{'-' if key.descending else '+'}" for key in self.keys)
        # A cursor of another list or ordering must be refused, not silently read as a position in this one.
        self.fingerprint = zlib.crc32(f"{scope}:{spelled}".encode())

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """What a statement selects so that cursors can be made of its rows."""
        return [key.column.label(key.source) for key in self.keys]

    def cursor(self, row: Mapping[str, Any]) -> str:
        """The opaque position of a row."""
        values = [self.fingerprint, *(row[key.source] for key in self.keys)]
        return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).rstrip(b"=").decode()

    def decode(self, cursor: str) -> list[Any]:
        """The sort key in a cursor. Raises BadCursor."""
        wrong = BadCursor("This cursor belongs to another list or ordering: take it from `pageInfo` of the same query.")
        if len(cursor) > MAX_CURSOR:
            raise wrong
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, binascii.Error):
            raise wrong from None
        if not isinstance(values, list) or len(values) != len(self.keys) + 1 or values[0] != self.fingerprint:
            raise wrong
        try:
            return [_typed(key, value) for key, value in zip(self.keys, values[1:], strict=True)]
        except (TypeError, ValueError, InvalidOperation):
            raise wrong from None

    def position(self, page: PageRequest) -> tuple[Position, dict[str, Any]]:
        """The shape of a request, and the values of the parameters that `apply` makes. Raises BadCursor."""
        values: dict[str, Any] = {"limit": page.limit + 1}
        if page.cursor is None:
            return Position(page.backward), values
        decoded = self.decode(page.cursor)
        values.update((_parameter(i), value) for i, value in enumerate(decoded) if value is not None)
        return Position(page.backward, tuple(value is None for value in decoded)), values

    def apply(self, statement: Select[Any], position: Position) -> Select[Any]:
        """The statement ordered, positioned, and limited to one row more than the page: is there more?"""
        if position.nulls is not None:
            statement = statement.where(self._beyond(position.nulls, position.backward))
        return statement.order_by(*self.order_by(position.backward)).limit(bindparam("limit", type_=Integer))

    def order_by(self, backward: bool = False) -> list[ColumnElement[Any]]:
        """The ORDER BY terms; backward they are reversed, so that LIMIT takes the rows next to the cursor."""
        return [_term(key, backward) for key in self.keys]

    def page(self, rows: Sequence[Any], request: PageRequest) -> Page:
        """The page that the statement of `apply` found."""
        more = len(rows) > request.limit
        kept = list(rows[: request.limit])
        if request.backward:
            kept.reverse()
        beyond = request.cursor is not None
        return Page(
            keyset=self,
            items=kept,
            has_next=beyond if request.backward else more,
            has_previous=more if request.backward else beyond,
        )

    def _beyond(self, nulls: Sequence[bool], backward: bool) -> ColumnElement[bool]:
        values = [
            None if null else bindparam(_parameter(i), type_=key.column.type)
            for i, (key, null) in enumerate(zip(self.keys, nulls, strict=True))
        ]
        if self._is_plain():
            # A row comparison is what an index on the same columns can start from.
            mine, theirs = tuple_(*(key.column for key in self.keys)), tuple_(*values)
            return mine < theirs if backward else mine > theirs
        either = []
        for position, key in enumerate(self.keys):
            same = [_equal(k, v) for k, v in zip(self.keys[:position], values[:position], strict=True)]
            either.append(and_(*same, _past(key, values[position], backward)))
        return or_(*either)

    def _is_plain(self) -> bool:
        return not any(key.descending or key.nullable for key in self.keys)


def _parameter(index: int) -> str:
    return f"after_{index}"


def _term(key: SortKey, backward: bool) -> ColumnElement[Any]:
    down = key.descending != backward
    term = key.column.desc() if down else key.column.asc()
    if not key.nullable:
        return term
    return term.nulls_first() if backward else term.nulls_last()


def _equal(key: SortKey, value: Any) -> ColumnElement[bool]:
    return key.column.is_(None) if value is None else key.column == value


def _past(key: SortKey, value: Any, backward: bool) -> ColumnElement[bool]:
    """Strictly later in the direction of reading. Nulls are last: nothing is after one, all values are before."""
    if value is None:
        return key.column.is_not(None) if backward else false()
    past: ColumnElement[bool] = key.column < value if key.descending != backward else key.column > value
    return past if backward or not key.nullable else or_(past, key.column.is_(None))


def _typed(key: SortKey, value: Any) -> Any:
    """A JSON value as the column's Python type. Raises TypeError or ValueError."""
    if value is None:
        if not key.nullable:
            raise TypeError
        return None
    kind = key.column.type
    if isinstance(kind, Numeric):
        return _decimal(value, kind)
    if kind.python_type is datetime:
        return datetime.fromisoformat(value)
    bits = 63 if isinstance(kind, BigInteger) else 31
    if type(value) is int and not -(2**bits) <= value < 2**bits:
        raise ValueError
    if type(value) is not kind.python_type or "\0" in str(value):
        raise TypeError
    return value


def _decimal(value: Any, kind: Numeric[Any]) -> Decimal:
    """A number that the column could hold: PostgreSQL refuses to compare with another. Raises ValueError."""
    number = Decimal(str(value))
    precision, scale = kind.precision or 0, kind.scale or 0
    if not number.is_finite() or number.adjusted() >= precision - scale or int(number.as_tuple().exponent) < -scale:
        raise ValueError
    return number
