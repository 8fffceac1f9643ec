"""Statements that read listings. Builders return statements and do not execute them, so that tests can EXPLAIN them."""

from __future__ import annotations

from collections.abc import Sequence
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
    column,
    func,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import NullType

from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement
from app.db.tables import cpu, listing, price_observation

IS_ACTIVE = listing.c.status == text("'active'")


def _encodable(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the column in the type that clients receive.

    Money becomes a float, which prints two decimals exactly. JSON becomes text, which resolvers parse: asyncpg cannot
    decode JSON within an array of records.
    """
    if isinstance(column.type, Numeric):
        return cast(column, Double).label(column.name)
    return cast(column, Text).label(column.name) if isinstance(column.type, JSONB) else column


# Name -> expression of every column that GraphQL fields read.
COLUMNS: dict[str, ColumnElement[Any]] = {
    column.name: _encodable(column) for column in listing.c if column.name not in {"offer_key", "is_sample"}
}
# An import can add an observation that is older than the listing, so the first time comes from the observations.
COLUMNS["first_seen_at"] = func.least(
    select(func.min(price_observation.c.seen_at))
    .where(price_observation.c.listing_id == listing.c.id)
    .correlate(listing)
    .scalar_subquery(),
    listing.c.seen_at,
    type_=listing.c.seen_at.type,
).label("first_seen_at")

# Listings without a price come last.
CHEAPEST_FIRST = Keyset(
    "listings", [SortKey("adjusted_price", listing.c.adjusted_price, nullable=True), SortKey("id", listing.c.id)]
)

# Histogram of active prices: the adjusted prices above 0 of active listings. Rows: cpu_id, lo, hi (bounds in USD, 4
# decimals), prices (their number). Bins have equal width and reach from the lowest to the highest price; empty bins are
# included, and the last one includes its upper bound. If all prices are equal there is one bin. Uses
# `listing_active_idx`.
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
# The same as a column of a statement about `cpu`: an array of records with the fields DISTRIBUTION_FIELDS.
DISTRIBUTION_COLUMN = text(
    f"""ARRAY(
    SELECT ROW(lo, hi, prices) FROM ({_DISTRIBUTION.format(condition="cpu_id = cpu.id")}) AS bins ORDER BY lo
    ) AS price_distribution"""
)
DISTRIBUTION_FIELDS = ("lo", "hi", "prices")

IDS = bindparam("ids", type_=ARRAY(BigInteger))


def select_pages(
    cpu_ids: Sequence[int], request: PageRequest, column_names: frozenset[str] | None = None
) -> BoundStatement:
    """Return the statement for a page of active listings of each of these CPUs, with these columns (None: all).

    For each CPU it walks along `listing_active_idx`, cheapest first.
    """
    page_shape, values = CHEAPEST_FIRST.bind(request)
    return BoundStatement(_select_pages(page_shape, column_names), {"ids": cpu_ids, **values})


@lru_cache(maxsize=512)
def _select_pages(page_shape: PageShape, column_names: frozenset[str] | None) -> Select[Any]:
    requested = func.unnest(IDS).table_valued(column("id", BigInteger)).render_derived("requested")
    columns = _unique_by_name(*selected_columns(column_names), listing.c.cpu_id, *CHEAPEST_FIRST.columns)
    active_listings = select(*columns.values()).where(listing.c.cpu_id == requested.c.id, IS_ACTIVE)
    page = CHEAPEST_FIRST.paginate(active_listings, page_shape).lateral("page")
    return select(page).select_from(requested.join(page, true()))


@lru_cache(maxsize=512)
def first_page_column(column_names: frozenset[str] | None = None) -> tuple[ColumnElement[Any], tuple[str, ...]]:
    """Return a column for statements about `cpu`: the first active listings as an array of records.

    The second item holds the names of the records' fields.
    """
    columns = _unique_by_name(*selected_columns(column_names), *CHEAPEST_FIRST.columns)
    active_listings = select(func.row(*columns.values())).where(listing.c.cpu_id == cpu.c.id, IS_ACTIVE)
    page = CHEAPEST_FIRST.paginate(active_listings, PageShape()).correlate(cpu).scalar_subquery()
    return func.array(page, type_=NullType()).label("first_listings"), tuple(columns)


@lru_cache(maxsize=512)
def select_by_id(column_names: frozenset[str] | None = None) -> Select[Any]:
    """Return the statement for the listings with the ids in `:ids`, in any order."""
    return select(*selected_columns(column_names)).where(listing.c.id == any_(IDS))


def selected_columns(column_names: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """Return the columns of these names (None: all) and the id."""
    return [column for name, column in COLUMNS.items() if column_names is None or name in column_names or name == "id"]


def _unique_by_name(*columns: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    return {column.name: column for column in columns}
