"""Statements about valuation rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

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

from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement
from app.db.tables import valuation_rule
from app.db.transaction import Transaction

# Name -> expression of every column that GraphQL fields read: money as float, JSON as text, as they are encoded.
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
COUNT_RULES = select(func.count()).select_from(valuation_rule)

# Transactions that change rules wait for each other; transactions that read rules do not wait.
LOCK = text("LOCK TABLE valuation_rule IN SHARE ROW EXCLUSIVE MODE")
NOW = text("SELECT now()")
CONFLICTING_RULE = text("""
    SELECT id FROM valuation_rule
    WHERE component = :component AND lower(kind) IS NOT DISTINCT FROM lower(:kind) AND valid_from = :valid_from
    """)


def select_page(request: PageRequest, column_names: frozenset[str] | None = None) -> BoundStatement:
    """Return the statement for a page of rules in the order of their creation, with these columns (None: all)."""
    page_shape, values = OLDEST_FIRST.bind(request)
    return BoundStatement(_select_page(page_shape, column_names), values)


@lru_cache(maxsize=512)
def _select_page(page_shape: PageShape, column_names: frozenset[str] | None) -> Select[Any]:
    return OLDEST_FIRST.paginate(select(*_selected_columns(column_names)), page_shape)


@lru_cache(maxsize=512)
def select_by_id(column_names: frozenset[str] | None = None) -> Select[Any]:
    """Return the statement for the rules with the ids in `:ids`, in any order."""
    return select(*_selected_columns(column_names)).where(valuation_rule.c.id == any_(IDS))


def _selected_columns(column_names: frozenset[str] | None) -> Sequence[ColumnElement[Any]]:
    return [column for name, column in COLUMNS.items() if column_names is None or name in column_names or name == "id"]


async def lock_rules(tx: Transaction) -> Any:
    """Lock the rules against changes by other transactions; return the time of this transaction."""
    await tx.execute(LOCK)
    return await tx.scalar(NOW)


async def find_rule(tx: Transaction, key: int) -> dict[str, Any] | None:
    """Return all columns of the rule with this id, or None."""
    row = await tx.row(select(valuation_rule).where(valuation_rule.c.id == key))
    return None if row is None else dict(row._mapping)


async def find_conflicting_rule(tx: Transaction, values: Mapping[str, Any]) -> int | None:
    """Return the id of a rule with the same component, kind and start, or None."""
    key = await tx.scalar(CONFLICTING_RULE, {name: values[name] for name in ("component", "kind", "valid_from")})
    return None if key is None else int(key)


async def create_rule(tx: Transaction, values: Mapping[str, Any]) -> int:
    """Insert a rule and return its id."""
    return int(await tx.scalar(insert(valuation_rule).values(**values).returning(valuation_rule.c.id)))


async def update_rule(tx: Transaction, key: int, values: Mapping[str, Any]) -> None:
    """Set these columns of the rule with this id."""
    await tx.execute(update(valuation_rule).where(valuation_rule.c.id == key).values(**values, updated_at=func.now()))


async def delete_rule(tx: Transaction, key: int) -> None:
    """Delete the rule with this id."""
    await tx.execute(delete(valuation_rule).where(valuation_rule.c.id == key))
