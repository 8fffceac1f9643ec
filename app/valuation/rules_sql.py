"""Statements about valuation rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    Numeric,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.tables import valuation_rule
from app.db.transaction import Tx

# Money is selected as it is encoded.
COLUMNS: dict[str, ColumnElement[Any]] = {
    column.name: cast(column, Double).label(column.name)
    if isinstance(column.type, Numeric)
    else cast(column, Text).label(column.name)
    if isinstance(column.type, JSONB)
    else column
    for column in valuation_rule.c
    if column.name != "in_force"
}

OLDEST_FIRST = Keyset("valuation rules", [SortKey("id", valuation_rule.c.id)])
IDS = bindparam("ids", type_=ARRAY(BigInteger))
COUNT = select(func.count()).select_from(valuation_rule)

# Those who change rules take turns; those who value by them do not wait.
LOCK = text("LOCK TABLE valuation_rule IN SHARE ROW EXCLUSIVE MODE")
NOW = text("SELECT now()")
TAKEN = text("""
    SELECT id FROM valuation_rule
    WHERE component = :component AND lower(kind) IS NOT DISTINCT FROM lower(:kind) AND valid_from = :valid_from
    """)


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


def page(request: PageRequest, wanted: frozenset[str] | None = None) -> Statement:
    """A page of rules in the order that they were made in, with these columns (None: all)."""
    position, values = OLDEST_FIRST.position(request)
    return Statement(_page(position, wanted), values)


@lru_cache(maxsize=512)
def _page(position: Position, wanted: frozenset[str] | None) -> Select[Any]:
    return OLDEST_FIRST.apply(select(*_columns(wanted)), position)


@lru_cache(maxsize=512)
def by_id(wanted: frozenset[str] | None = None) -> Select[Any]:
    """Rules with the ids in `:ids`, in any order."""
    return select(*_columns(wanted)).where(valuation_rule.c.id == any_(IDS))


def _columns(wanted: frozenset[str] | None) -> Sequence[ColumnElement[Any]]:
    return [each for name, each in COLUMNS.items() if wanted is None or name in wanted or name == "id"]


async def lock(tx: Tx) -> Any:
    """Waits until nobody else is changing rules, and keeps others waiting; the time of this transaction."""
    await tx.execute(LOCK)
    return await tx.scalar(NOW)


async def find(tx: Tx, key: int) -> dict[str, Any] | None:
    """All columns of a rule, or None."""
    row = await tx.row(select(valuation_rule).where(valuation_rule.c.id == key))
    return None if row is None else dict(row._mapping)


async def taken(tx: Tx, values: Mapping[str, Any]) -> int | None:
    """The rule for the same component, kind and time, if there is one."""
    found = await tx.scalar(TAKEN, {name: values[name] for name in ("component", "kind", "valid_from")})
    return None if found is None else int(found)


async def create(tx: Tx, values: Mapping[str, Any]) -> int:
    """The id of a new rule."""
    return int(await tx.scalar(insert(valuation_rule).values(**values).returning(valuation_rule.c.id)))


async def change(tx: Tx, key: int, values: Mapping[str, Any]) -> None:
    """Changes a rule."""
    await tx.execute(update(valuation_rule).where(valuation_rule.c.id == key).values(**values, updated_at=func.now()))


async def remove(tx: Tx, key: int) -> None:
    """Deletes a rule."""
    await tx.execute(delete(valuation_rule).where(valuation_rule.c.id == key))
