"""Keyset pagination in SQL: pages are stable while rows change, and the last page costs as much as the first.

A cursor is the sort key of a row, and the next page holds the rows that sort after it. There is no OFFSET, so rows
inserted or deleted elsewhere do not repeat or hide a row. Nulls sort last in both directions.
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

MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 50
# The longest sort key is four texts of 200 characters, up to 6 bytes each in JSON, times 4/3 in base64. A longer cursor
# is rejected without decoding it.
MAX_CURSOR_LENGTH = 8_000


@dataclass(frozen=True)
class SortKey:
    """A column of an ordering. `label` is its name in cursors and rows."""

    label: str
    column: ColumnElement[Any]
    descending: bool = False
    nullable: bool = False

    @cached_property
    def row_column(self) -> str:
        """Name of the exact value in a row. Under the label of a NUMERIC column, a row holds a rounded float."""
        return f"exact_{self.label}" if isinstance(self.column.type, Numeric) else self.label


@dataclass(frozen=True)
class PageRequest:
    """A page: `limit` rows after (or, if `backward`, before) the cursor, or from the start (or end) of the list."""

    limit: int = DEFAULT_PAGE_SIZE
    cursor: str | None = None
    backward: bool = False


@dataclass(frozen=True)
class PageShape:
    """Those properties of a page request on which the SQL text depends; hashable, so that statements can be cached.

    `nulls` says which values of the cursor are null; None without a cursor.
    """

    backward: bool = False
    nulls: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Page:
    """Rows of a page, in the order of the keyset."""

    keyset: Keyset
    items: Sequence[Any]
    has_next: bool
    has_previous: bool

    def cursor_at(self, index: int) -> str | None:
        """Return the cursor of the first (0) or last (-1) item; None on an empty page."""
        return self.keyset.encode(self.items[index]) if self.items else None


def parse_page_arguments(
    first: int | None, after: str | None, last: int | None, before: str | None, default: int = DEFAULT_PAGE_SIZE
) -> PageRequest:
    """Validate the arguments of a Relay connection. Raise BadInput if they conflict or are out of range."""
    if first is not None and last is not None:
        raise BadInput("Give either `first` or `last`, not both: a page is read in one direction.")
    if after is not None and before is not None:
        raise BadInput("Give either `after` or `before`, not both: a page is read in one direction.")
    if (after is not None and last is not None) or (before is not None and first is not None):
        raise BadInput("`first` goes with `after`, `last` goes with `before`.")
    name, limit = ("last", last) if last is not None else ("first", first)
    if limit is not None and not 1 <= limit <= MAX_PAGE_SIZE:
        raise BadInput(f"`{name}` must be from 1 to {MAX_PAGE_SIZE}, not {limit}.")
    backward = last is not None or before is not None
    return PageRequest(limit or default, before if backward else after, backward)


class Keyset:
    """An ordering with a unique last key, and its cursors. `scope` is the name of the list in them."""

    def __init__(self, scope: str, keys: Sequence[SortKey]) -> None:
        self.keys = tuple(keys)
        ordering = ",".join(f"{key.label}{'-' if key.descending else '+'}" for key in self.keys)
        # Part of each cursor: a cursor of another list or ordering is rejected instead of misread.
        self.fingerprint = zlib.crc32(f"{scope}:{ordering}".encode())

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """Columns that a statement must select so that `encode` can read its rows."""
        return [key.column.label(key.row_column) for key in self.keys]

    def encode(self, row: Mapping[str, Any]) -> str:
        """Return the cursor of a row."""
        values = [self.fingerprint, *(row[key.row_column] for key in self.keys)]
        return base64.urlsafe_b64encode(orjson.dumps(values, default=str)).rstrip(b"=").decode()

    def decode(self, cursor: str) -> list[Any]:
        """Return the sort key in a cursor. Raise BadCursor if it is malformed or of another list or ordering."""
        if len(cursor) > MAX_CURSOR_LENGTH:
            raise _foreign_cursor()
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (ValueError, binascii.Error):
            raise _foreign_cursor() from None
        if not isinstance(values, list) or len(values) != len(self.keys) + 1 or values[0] != self.fingerprint:
            raise _foreign_cursor()
        try:
            return [_coerce(key, value) for key, value in zip(self.keys, values[1:], strict=True)]
        except (TypeError, ValueError, InvalidOperation):
            raise _foreign_cursor() from None

    def bind(self, page: PageRequest) -> tuple[PageShape, dict[str, Any]]:
        """Return the shape of a request, and the values of the parameters that `paginate` adds. Raise BadCursor."""
        values: dict[str, Any] = {"limit": page.limit + 1}
        if page.cursor is None:
            return PageShape(page.backward), values
        decoded = self.decode(page.cursor)
        values.update((_parameter_name(i), value) for i, value in enumerate(decoded) if value is not None)
        return PageShape(page.backward, tuple(value is None for value in decoded)), values

    def paginate(self, statement: Select[Any], shape: PageShape) -> Select[Any]:
        """Order a statement, start it at the cursor, and limit it to the page.

        The limit is one row more than the page has, which shows whether there is another page.
        """
        if shape.nulls is not None:
            statement = statement.where(self._after_cursor(shape.nulls, shape.backward))
        return statement.order_by(*self.order_by(shape.backward)).limit(bindparam("limit", type_=Integer))

    def order_by(self, backward: bool = False) -> list[ColumnElement[Any]]:
        """Return the ORDER BY terms. Backward, they are reversed, so that LIMIT takes the rows next to the cursor."""
        return [_order_term(key, backward) for key in self.keys]

    def build_page(self, rows: Sequence[Any], request: PageRequest) -> Page:
        """Build the page from the rows of a statement of `paginate`."""
        has_more = len(rows) > request.limit
        items = list(rows[: request.limit])
        if request.backward:
            items.reverse()
        has_cursor = request.cursor is not None  # the row of the cursor lies on the other side of the page
        return Page(
            keyset=self,
            items=items,
            has_next=has_cursor if request.backward else has_more,
            has_previous=has_more if request.backward else has_cursor,
        )

    def _after_cursor(self, nulls: Sequence[bool], backward: bool) -> ColumnElement[bool]:
        values = [
            None if null else bindparam(_parameter_name(i), type_=key.column.type)
            for i, (key, null) in enumerate(zip(self.keys, nulls, strict=True))
        ]
        if self._supports_row_comparison():
            # An index on the same columns can start at a row comparison.
            row_key, cursor_key = tuple_(*(key.column for key in self.keys)), tuple_(*values)
            return row_key < cursor_key if backward else row_key > cursor_key
        alternatives = []
        for index, key in enumerate(self.keys):
            equal_before = [_equals(k, v) for k, v in zip(self.keys[:index], values[:index], strict=True)]
            alternatives.append(and_(*equal_before, _sorts_after(key, values[index], backward)))
        return or_(*alternatives)

    def _supports_row_comparison(self) -> bool:
        return not any(key.descending or key.nullable for key in self.keys)


def _parameter_name(index: int) -> str:
    return f"after_{index}"


def _order_term(key: SortKey, backward: bool) -> ColumnElement[Any]:
    descending = key.descending != backward
    term = key.column.desc() if descending else key.column.asc()
    if not key.nullable:
        return term
    return term.nulls_first() if backward else term.nulls_last()


def _equals(key: SortKey, value: Any) -> ColumnElement[bool]:
    return key.column.is_(None) if value is None else key.column == value


def _sorts_after(key: SortKey, value: Any, backward: bool) -> ColumnElement[bool]:
    """Return the condition for rows strictly after `value` in reading direction. Nulls are last."""
    if value is None:
        return key.column.is_not(None) if backward else false()
    after: ColumnElement[bool] = key.column < value if key.descending != backward else key.column > value
    return after if backward or not key.nullable else or_(after, key.column.is_(None))


def _foreign_cursor() -> BadCursor:
    return BadCursor("This cursor belongs to another list or ordering: take it from `pageInfo` of the same query.")


def _coerce(key: SortKey, value: Any) -> Any:
    """Convert a JSON value to the column's Python type. Raise TypeError or ValueError if it cannot be such a value."""
    if value is None:
        if not key.nullable:
            raise TypeError
        return None
    kind = key.column.type
    if isinstance(kind, Numeric):
        return _coerce_decimal(value, kind)
    if kind.python_type is datetime:
        return datetime.fromisoformat(value)
    bits = 63 if isinstance(kind, BigInteger) else 31
    if type(value) is int and not -(2**bits) <= value < 2**bits:
        raise ValueError
    if type(value) is not kind.python_type or "\0" in str(value):
        raise TypeError
    return value


def _coerce_decimal(value: Any, kind: Numeric[Any]) -> Decimal:
    """Return a number that the column can hold; PostgreSQL raises an error for others. Raise ValueError."""
    number = Decimal(str(value))
    precision, scale = kind.precision or 0, kind.scale or 0
    if not number.is_finite() or number.adjusted() >= precision - scale or int(number.as_tuple().exponent) < -scale:
        raise ValueError
    return number
