"""Statements about listings. Builders return statements, so that a test can EXPLAIN them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Row, Select, cast, column, func, select, text, true

from app.keyset import Keyset, PageRequest, SortKey
from app.resources import Session
from app.tables import listing

# DOMAIN: an active price is the adjusted price of an active listing, not null and above 0.
IS_ACTIVE = listing.c.status == text("'active'")

COLUMNS = tuple(c for c in listing.c if c.name not in {"offer_key", "is_sample", "seen_at"})

# Cheapest first; a listing without a price comes last.
CHEAPEST_FIRST = Keyset(
    "listings", [SortKey("adjusted_price", listing.c.adjusted_price, nullable=True), SortKey("id", listing.c.id)]
)

# Bins of equal width from the lowest to the highest active price; the last one includes its upper bound.
DISTRIBUTION = text(
    """
    WITH price AS (
        SELECT
            cpu_id, adjusted_price AS price,
            min(adjusted_price) OVER w AS lowest, max(adjusted_price) OVER w AS highest
        FROM listing
        WHERE cpu_id = ANY(CAST(:ids AS bigint[])) AND status = 'active' AND adjusted_price > 0
        WINDOW w AS (PARTITION BY cpu_id)
    )
    SELECT
        cpu_id, lowest, highest,
        CASE WHEN highest = lowest THEN 0
             ELSE least(div((price - lowest) * CAST(:bins AS integer), highest - lowest), CAST(:bins AS integer) - 1)
        END::integer AS bin,
        count(*) AS prices
    FROM price
    GROUP BY cpu_id, lowest, highest, bin
    """
)


def bigints(keys: Sequence[int]) -> ColumnElement[Any]:
    """Keys as one array parameter: the statement's text, and so its plan, is the same for any number of them."""
    return cast(list(keys), ARRAY(BigInteger))


def pages(cpu_ids: Sequence[int], request: PageRequest) -> Select[Any]:
    """A page of the active listings of each of these CPUs: for every CPU a walk along `listing_active_idx`."""
    wanted = func.unnest(bigints(cpu_ids)).table_valued(column("id", BigInteger)).render_derived("wanted")
    each = CHEAPEST_FIRST.apply(select(*COLUMNS).where(listing.c.cpu_id == wanted.c.id, IS_ACTIVE), request)
    page = each.lateral("page")
    return select(page).select_from(wanted.join(page, true()))


def counts(cpu_ids: Sequence[int]) -> Select[Any]:
    """The number of active listings of each of these CPUs that has any."""
    return (
        select(listing.c.cpu_id, func.count().label("listings"))
        .where(listing.c.cpu_id == func.any(bigints(cpu_ids)), IS_ACTIVE)
        .group_by(listing.c.cpu_id)
    )


async def distributions(session: Session, cpu_ids: Sequence[int], bins: int) -> Sequence[Row[Any]]:
    """cpu_id, lowest, highest, bin (from 0) and prices (how many), for the bins that are not empty."""
    return await session.rows(DISTRIBUTION, {"ids": list(cpu_ids), "bins": bins})


async def listings_by_id(session: Session, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Listings, in any order."""
    return await session.rows(select(*COLUMNS).where(listing.c.id.in_(ids)))
