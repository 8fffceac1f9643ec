"""Cursors and page arguments, without a database. The tests of the lists show that pages are correct."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, DateTime, MetaData, Table

from app.core.errors import BadCursor, BadInput
from app.db.pagination import MAX_CURSOR_LENGTH, MAX_PAGE_SIZE, Keyset, PageRequest, SortKey, parse_page_arguments
from app.db.tables import cpu

TIMES = Table("times", MetaData(), Column("seen", DateTime(timezone=True), nullable=False))
KEYS = [
    SortKey("price_good", cpu.c.price_good, descending=True, nullable=True),
    SortKey("name", cpu.c.name),
    SortKey("cores", cpu.c.cores, nullable=True),
    SortKey("id", cpu.c.id),
]
ORDER = Keyset("cpus", KEYS)


def row(**values: Any) -> dict[str, Any]:
    """Return a row from which a cursor can be encoded."""
    return values


def cursor_of(values: object) -> str:
    """Return a cursor with this content."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


@given(
    st.none() | st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=2),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
)
def test_cursor_decodes_to_the_sort_key(price: Decimal | None, name: str, cores: int | None, key: int) -> None:
    cursor = ORDER.encode(row(exact_price_good=price, name=name, cores=cores, id=key))
    assert ORDER.decode(cursor) == [price, name, cores, key]
    assert cursor.isascii()
    assert not set(cursor) & set("+/=& ?")


def test_cursor_of_a_time_keeps_its_zone() -> None:
    order = Keyset("times", [SortKey("seen", TIMES.c.seen)])
    seen = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
    assert order.decode(order.encode(row(seen=seen))) == [seen]
    wrongs: list[Any] = ["2023-02-29T00:00:00Z", "yesterday", 5, [], "99999-01-01"]
    for wrong in wrongs:
        with pytest.raises(BadCursor):
            order.decode(cursor_of([order.fingerprint, wrong]))


def test_longest_possible_cursor_is_accepted() -> None:
    texts = [SortKey(name, cpu.c[name]) for name in ("name", "manufacturer", "socket", "category")]
    order = Keyset("cpus", [*texts, SortKey("dollar", cpu.c.dollar_per_mark_multi), SortKey("id", cpu.c.id)])
    worst = row(
        **dict.fromkeys(("name", "manufacturer", "socket", "category"), "\x01" * 200),
        exact_dollar=Decimal("9" * 14 + "." + "9" * 30),
        id=2**63 - 1,
    )
    assert order.decode(order.encode(worst))[0] == "\x01" * 200


GOOD = [Decimal("1.50"), "x", 4, 1]
BAD: list[list[Any]] = [
    [
        *("NaN", "Infinity", "-Infinity", "sNaN", "abc", "", [], {}, True, "1e99", "1e-99", 10**14, "0.001"),
        *("99999999999999.999", "0e-5000", "1" * 5000),
    ],
    [None, 5, 1.5, [], {}, True, "a\0b"],
    ["4", 4.0, True, [], 2**31, -(2**31) - 1, 2**63],
    [None, "1", 1.0, False, {}, 2**63],
]


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, bad in enumerate(BAD) for value in bad])
def test_cursor_with_a_value_outside_of_the_column_type_is_rejected(place: int, value: object) -> None:
    values: list[Any] = [ORDER.fingerprint, "1.50", "x", 4, 1]
    assert ORDER.decode(cursor_of(values)) == GOOD
    values[place + 1] = value
    with pytest.raises(BadCursor, match="pageInfo"):
        ORDER.decode(cursor_of(values))


JUNK = [
    "",
    " ",
    "=",
    "====",
    "a",
    "abc",
    "not a cursor",
    "💥",
    "\0",
    "\ud800",
    "W",
    "A" * MAX_CURSOR_LENGTH,
    "A" * 10_000,
    "%",
    "../../etc/passwd",
    "'; DROP TABLE cpu; --",
    cursor_of(None),
    cursor_of({}),
    cursor_of([]),
    cursor_of("text"),
    cursor_of([0, "1.50", "x", 4, 1]),
    cursor_of([ORDER.fingerprint]),
    cursor_of([ORDER.fingerprint, "1.50", "x", 4]),
    cursor_of([ORDER.fingerprint, "1.50", "x", 4, 1, 1]),
    cursor_of([str(ORDER.fingerprint), "1.50", "x", 4, 1]),
    base64.b64encode(b"[" * 3000).decode(),
    base64.b64encode(b"\xff\xfe").decode(),
    base64.b64encode(b"[NaN]").decode(),
]


@pytest.mark.parametrize("junk", JUNK)
def test_malformed_cursor_is_rejected(junk: str) -> None:
    with pytest.raises(BadCursor):
        ORDER.decode(junk)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode()))
def test_arbitrary_cursor_is_decoded_or_rejected(junk: str) -> None:
    with pytest.raises(BadCursor):
        ORDER.decode(junk)


def test_truncated_cursor_is_rejected() -> None:
    cursor = ORDER.encode(row(exact_price_good=Decimal("1.50"), name="x", cores=4, id=12))
    for length in range(len(cursor)):
        with pytest.raises(BadCursor):
            ORDER.decode(cursor[:length])


@pytest.mark.parametrize(
    "other",
    [
        Keyset("cpus", KEYS[1:]),
        Keyset("listings", KEYS),
        Keyset("cpus", [SortKey("price_good", cpu.c.price_good, nullable=True), *KEYS[1:]]),
        Keyset("cpus", [KEYS[0], KEYS[2], KEYS[1], KEYS[3]]),
    ],
    ids=["fewer keys", "another list", "another direction", "another sequence"],
)
def test_cursor_of_another_list_or_ordering_is_rejected(other: Keyset) -> None:
    theirs = other.encode(row(exact_price_good=Decimal("1.50"), name="x", cores=4, id=1))
    with pytest.raises(BadCursor, match="another list or ordering"):
        ORDER.decode(theirs)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((None, None, None, None), PageRequest(50)),
        ((1, None, None, None), PageRequest(1)),
        ((MAX_PAGE_SIZE, "c", None, None), PageRequest(MAX_PAGE_SIZE, "c")),
        ((None, "c", None, None), PageRequest(50, "c")),
        ((None, None, 3, None), PageRequest(3, None, backward=True)),
        ((None, None, 3, "c"), PageRequest(3, "c", backward=True)),
        ((None, None, None, "c"), PageRequest(50, "c", backward=True)),
    ],
)
def test_page_arguments_are_parsed(arguments: tuple[Any, Any, Any, Any], wanted: PageRequest) -> None:
    assert parse_page_arguments(*arguments) == wanted


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ((0, None, None, None), "`first` must be from 1 to 200, not 0"),
        ((-1, None, None, None), "`first` must be from 1 to 200, not -1"),
        ((201, None, None, None), "`first` must be from 1 to 200, not 201"),
        ((None, None, 0, None), "`last` must be from 1 to 200, not 0"),
        ((None, None, 201, None), "`last` must be from 1 to 200, not 201"),
        ((1, None, 1, None), "either `first` or `last`"),
        ((None, "c", None, "c"), "either `after` or `before`"),
        ((1, None, None, "c"), "`first` goes with `after`"),
        ((None, "c", 1, None), "`last` goes with `before`"),
    ],
)
def test_conflicting_page_arguments_are_rejected(arguments: tuple[Any, Any, Any, Any], advice: str) -> None:
    with pytest.raises(BadInput, match=advice):
        parse_page_arguments(*arguments)
