"""Keyset pagination in SQL: pages that stay stable while rows change, at the same cost for the first and the last.

A cursor is the sort key of a row. The next page is what sorts after it; nothing is counted or skipped, so rows that
appear or go elsewhere never make a row show up twice or not at all. Nulls sort last, whatever the direction.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import BigInteger, ColumnElement, Numeric, Row, Select, and_, false, or_, tuple_

from app.errors import BadCursor, BadInput

MAX_PAGE = 200
DEFAULT_PAGE = 50
# Anything longer was not made here, and need not be decoded to know it: the longest sort key is four texts of 200
# characters, up to 6 bytes each in JSON, a third more in base64.
MAX_CURSOR = 8_000

T = TypeVar("T")


@dataclass(frozen=True)
class SortKey:
    """One column of an ordering. `label` names the value in a row."""

    label: str
    column: ColumnElement[Any]
    descending: bool = False
    nullable: bool = False


@dataclass(frozen=True)
class PageRequest:
    """Which page: `limit` rows after (forward) or before (backward) the cursor, or from the respective end."""

    limit: int = DEFAULT_PAGE
    cursor: str | None = None
    backward: bool = False


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows in ascending sort order, each with its cursor."""

    items: Sequence[T]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


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

    def cursor(self, row: Row[Any]) -> str:
        """The opaque position of a row."""
        values = [self.fingerprint, *(row._mapping[key.label] for key in self.keys)]
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

    def apply(self, statement: Select[Any], page: PageRequest) -> Select[Any]:
        """The statement ordered, positioned, and limited to one row more than the page: is there more?"""
        if page.cursor is not None:
            statement = statement.where(self._beyond(self.decode(page.cursor), page.backward))
        return statement.order_by(*self.order_by(page.backward)).limit(page.limit + 1)

    def order_by(self, backward: bool = False) -> list[ColumnElement[Any]]:
        """The ORDER BY terms; backward they are reversed, so that LIMIT takes the rows next to the cursor."""
        return [_term(key, backward) for key in self.keys]

    def page(self, rows: Sequence[Row[Any]], request: PageRequest) -> Page[Row[Any]]:
        """The page that the statement of `apply` found."""
        more = len(rows) > request.limit
        kept = list(rows[: request.limit])
        if request.backward:
            kept.reverse()
        beyond = request.cursor is not None
        return Page(
            items=kept,
            cursors=[self.cursor(row) for row in kept],
            has_next=beyond if request.backward else more,
            has_previous=more if request.backward else beyond,
        )

    def _beyond(self, values: list[Any], backward: bool) -> ColumnElement[bool]:
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
