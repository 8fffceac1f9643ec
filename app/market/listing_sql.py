"""Statements about listings. Builders return statements, so that a test can EXPLAIN them."""

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
    column,
    func,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import NullType

from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.tables import cpu, listing, price_observation

# DOMAIN: an active price is the adjusted price of an active listing, not null and above 0.
IS_ACTIVE = listing.c.status == text("'active'")


def _selected(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Money is selected as it is encoded: a float holds what two decimals say exactly as written. JSON is read when it
    is asked for; asyncpg could not read it within an array of rows."""
    if isinstance(column.type, Numeric):
        return cast(column, Double).label(column.name)
    return cast(column, Text).label(column.name) if isinstance(column.type, JSONB) else column


COLUMNS: dict[str, ColumnElement[Any]] = {
    column.name: _selected(column) for column in listing.c if column.name not in {"offer_key", "is_sample"}
}
# An import may tell later what was seen earlier, so the first time is looked up.
COLUMNS["first_seen_at"] = func.least(
    select(func.min(price_observation.c.seen_at))
    .where(price_observation.c.listing_id == listing.c.id)
    .correlate(listing)
    .scalar_subquery(),
    listing.c.seen_at,
    type_=listing.c.seen_at.type,
).label("first_seen_at")

# Cheapest first; a listing without a price comes last.
CHEAPEST_FIRST = Keyset(
    "listings", [SortKey("adjusted_price", listing.c.adjusted_price, nullable=True), SortKey("id", listing.c.id)]
)

# cpu_id, lo, hi (USD, 4 decimals) and prices (how many) of bins of equal width from the lowest to the highest active
# price, empty ones included, in their order; the last one includes its upper bound. One price only is one bin.
_DISTRIBUTION = """
    WITH price AS (
        SELECT cpu_id, adjusted_price AS price
        FROM listing
        WHERE {condition} AND status = 'active' AND adjusted_price > 0
    ), spread AS (
        SELECT
            cpu_id, min(price) AS lowest, max(price) - min(price) AS width,
            CASE WHEN min(price) = max(price) THEN 1 ELSE CAST(:bins AS integer) END AS bins
        FROM price
        GROUP BY cpu_id
    ), counted AS (
        SELECT
            cpu_id,
            CASE WHEN width = 0 THEN 0 ELSE least(div((price - lowest) * bins, width), bins - 1) END::integer AS bin,
            count(*) AS prices
        FROM price JOIN spread USING (cpu_id)
        GROUP BY cpu_id, bin
    )
    SELECT
        cpu_id,
        round(lowest + width * bin / bins, 4)::double precision AS lo,
        round(lowest + width * (bin + 1) / bins, 4)::double precision AS hi,
        coalesce(prices, 0) AS prices
    FROM spread CROSS JOIN LATERAL generate_series(0, bins - 1) AS series (bin) LEFT JOIN counted USING (cpu_id, bin)
    ORDER BY cpu_id, bin
    """
DISTRIBUTION = text(_DISTRIBUTION.format(condition="cpu_id = ANY(CAST(:ids AS bigint[]))"))
# The same as a column of a statement about CPUs.
DISTRIBUTION_WITHIN = text(
    f"""ARRAY(
    SELECT ROW(lo, hi, prices) FROM ({_DISTRIBUTION.format(condition="cpu_id = cpu.id")}) AS bins ORDER BY lo
    ) AS price_distribution"""
)
DISTRIBUTION_NAMES = ("lo", "hi", "prices")

IDS = bindparam("ids", type_=ARRAY(BigInteger))


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


def pages(cpu_ids: Sequence[int], request: PageRequest, wanted: frozenset[str] | None = None) -> Statement:
    """A page of the active listings of each of these CPUs, with these columns (None: all)."""
    position, values = CHEAPEST_FIRST.position(request)
    return Statement(_pages(position, wanted), {"ids": cpu_ids, **values})


@lru_cache(maxsize=512)
def _pages(position: Position, wanted: frozenset[str] | None) -> Select[Any]:
    """For every CPU a walk along `listing_active_idx`."""
    of = func.unnest(IDS).table_valued(column("id", BigInteger)).render_derived("wanted")
    selected = {each.name: each for each in (*columns(wanted), listing.c.cpu_id, *CHEAPEST_FIRST.columns)}
    each = select(*selected.values()).where(listing.c.cpu_id == of.c.id, IS_ACTIVE)
    page = CHEAPEST_FIRST.apply(each, position).lateral("page")
    return select(page).select_from(of.join(page, true()))


@lru_cache(maxsize=512)
def page_within(wanted: frozenset[str] | None = None) -> tuple[ColumnElement[Any], tuple[str, ...]]:
    """The first active listings as a column of a statement about CPUs: an array of records with these names."""
    selected = {each.name: each for each in (*columns(wanted), *CHEAPEST_FIRST.columns)}
    each = select(func.row(*selected.values())).where(listing.c.cpu_id == cpu.c.id, IS_ACTIVE)
    page = CHEAPEST_FIRST.apply(each, Position()).correlate(cpu).scalar_subquery()
    return func.array(page, type_=NullType()).label("first_listings"), tuple(selected)


@lru_cache(maxsize=512)
def by_id(wanted: frozenset[str] | None = None) -> Select[Any]:
    """Listings with the ids in `:ids`, in any order."""
    return select(*columns(wanted)).where(listing.c.id == any_(IDS))


def columns(wanted: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """The columns of these names (None: all), and the id."""
    return [each for name, each in COLUMNS.items() if wanted is None or name in wanted or name == "id"]
