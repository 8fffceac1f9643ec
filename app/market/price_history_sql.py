"""Statements about prices as they stood.

A row of `price_observation` stands from its `seen_at` until the next one of its listing, or until now. What it counts
for is its `adjusted_price`, that is, what the offer counted for in price targets then: USD, with shipping. None when it
was gone, in a currency that could not be converted, for parts, or a lot. A price must be above 0 and stand for longer
than no time at all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Double,
    Select,
    any_,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
    true,
)

from app.db.pagination import Keyset, PageShape, SortKey
from app.db.tables import price_observation

# Of a CPU's points; a history that were longer ends at the newest ones.
MAX_POINTS = 400

# `stood`: cpu_id, listing_id, price, since, until (UTC, without a zone) of the CPUs :ids before :now. Offers that are
# active and others are apart, because each has an index of its own.
_STOOD = """
    WITH moment AS (
        SELECT CAST(:now AS timestamptz) AT TIME ZONE 'UTC' AS now
    ), offer AS MATERIALIZED (
        SELECT id, cpu_id FROM listing
        WHERE cpu_id = ANY(CAST(:ids AS bigint[])) AND status = 'active' AND condition <> 'for_parts'
        UNION ALL
        SELECT id, cpu_id FROM listing
        WHERE cpu_id = ANY(CAST(:ids AS bigint[])) AND status <> 'active' AND condition <> 'for_parts'
    ), told AS (
        SELECT
            listing_id, CASE WHEN state <> 'gone' AND adjusted_price > 0 THEN adjusted_price END AS price,
            seen_at AT TIME ZONE 'UTC' AS since,
            least(lead(seen_at) OVER (PARTITION BY listing_id ORDER BY seen_at), CAST(:now AS timestamptz))
                AT TIME ZONE 'UTC' AS until
        FROM price_observation
        WHERE listing_id = ANY(ARRAY(SELECT id FROM offer)) AND seen_at < CAST(:now AS timestamptz)
    ), stood AS {materialized} (
        SELECT cpu_id, listing_id, price, since, until
        FROM told JOIN offer ON offer.id = listing_id
        WHERE price IS NOT NULL AND until > since
    )
    """

# Intervals of :unit (day, week from Monday, month) from :since on, where that is null from the first price on; the
# first and the last may be cut short. An interval's figures are made of what prices add to it that begin or end within
# (`piece`), and of those that stood all through it. The latter are summed up along the time: `change` is by how much
# their number and sum differ from the interval before. Their lowest is looked for among those only that no other one
# undercuts which began in the same interval and stood as long (`bottom`). `listings` of a piece is 0 where the same
# listing's price before is counted in that interval already.
HISTORY = text(
    _STOOD.format(materialized="")
    + """
    , step AS (
        SELECT CAST('1 ' || CAST(:unit AS text) AS interval) AS one
    ), clipped AS (
        SELECT cpu_id, listing_id, price, greatest(since, start) AS since, until
        FROM stood CROSS JOIN moment CROSS JOIN step CROSS JOIN LATERAL (
            SELECT coalesce(
                CAST(:since AS timestamptz) AT TIME ZONE 'UTC',
                date_trunc(CAST(:unit AS text), now) - (CAST(:points AS integer) - 1) * one) AS start
        ) AS starting
        WHERE until > start
    ), placed AS (
        SELECT
            *, date_trunc(CAST(:unit AS text), since) AS opening,
            date_trunc(CAST(:unit AS text), until - interval '1 microsecond') AS closing
        FROM clipped
    ), span AS MATERIALIZED (
        SELECT
            *, CASE WHEN opening = lag(closing) OVER (PARTITION BY listing_id ORDER BY since) THEN 0 ELSE 1 END AS first
        FROM placed
    ), piece AS (
        SELECT
            cpu_id, opening AS at, price AS lowest, first AS listings,
            extract(epoch FROM least(until, opening + one) - since) AS seconds,
            extract(epoch FROM least(until, opening + one) - since) * price AS weighted
        FROM span CROSS JOIN step
        UNION ALL
        SELECT
            cpu_id, closing, price, 1,
            extract(epoch FROM until - closing), extract(epoch FROM until - closing) * price
        FROM span WHERE closing > opening
    ), alike AS (
        SELECT
            cpu_id, opening + one AS begins, closing AS ends, min(price) AS lowest, count(*) AS n, sum(price) AS total
        FROM span CROSS JOIN step WHERE closing > opening + one
        GROUP BY cpu_id, begins, ends
    ), bottom AS (
        SELECT cpu_id, at, lowest
        FROM (
            SELECT *, min(lowest) OVER (
                PARTITION BY cpu_id, begins ORDER BY ends DESC ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS below
            FROM alike
        ) AS compared
        CROSS JOIN step
        CROSS JOIN LATERAL generate_series(begins, ends - one, one) AS whole (at)
        WHERE below IS NULL OR lowest < below
    ), partly AS (
        SELECT
            cpu_id, at, min(lowest) AS lowest, sum(weighted) AS weighted, sum(seconds) AS seconds,
            sum(listings) AS listings
        FROM (
            SELECT cpu_id, at, lowest, weighted, seconds, listings FROM piece
            UNION ALL SELECT cpu_id, at, lowest, 0, 0, 0 FROM bottom
        ) AS pieces
        GROUP BY cpu_id, at
    ), change AS (
        SELECT cpu_id, at, sum(n) AS n, sum(total) AS total
        FROM (
            SELECT cpu_id, begins AS at, n, total FROM alike UNION ALL SELECT cpu_id, ends, -n, -total FROM alike
        ) AS changes
        GROUP BY cpu_id, at
    ), covered AS (
        SELECT cpu_id, coalesce(CAST(:since AS timestamptz) AT TIME ZONE 'UTC', min(since)) AS since
        FROM span GROUP BY cpu_id
    ), figure AS (
        SELECT
            cpu_id, at, covered.since, lowest, coalesce(weighted, 0) AS weighted, coalesce(seconds, 0) AS seconds,
            coalesce(listings, 0) AS listings, extract(epoch FROM at + one - at) AS length,
            coalesce(sum(change.n) OVER along, 0) AS n, coalesce(sum(change.total) OVER along, 0) AS total
        FROM covered CROSS JOIN moment CROSS JOIN step
        CROSS JOIN LATERAL generate_series(
            date_trunc(CAST(:unit AS text), covered.since), now - interval '1 microsecond', one) AS series (at)
        LEFT JOIN partly USING (cpu_id, at)
        LEFT JOIN change USING (cpu_id, at)
        WINDOW along AS (PARTITION BY cpu_id ORDER BY at)
    )
    SELECT
        cpu_id,
        greatest(at, since) AT TIME ZONE 'UTC' AS at,
        least(at + one, now) AT TIME ZONE 'UTC' AS until,
        lowest::double precision AS lowest,
        round((weighted + total * length) / nullif(seconds + n * length, 0), 2)::double precision AS average,
        (listings + n)::integer AS listings
    FROM figure CROSS JOIN moment CROSS JOIN step
    ORDER BY cpu_id, at
    """
)

# A row per CPU that ever had a price: the lowest of all times, of the last 90 and 30 days, and of the 30 days before
# the lowest price of today stood: `current_since` is since when nothing lower stood, and that price without a pause.
# The time of a low is when that price was first seen, and of several the first: a low is an array of price and time.
_LOWS = {
    "all_time": "true",
    "days_90": "until > now - interval '90 days'",
    "days_30": "until > now - interval '30 days'",
    "prior_30": "until > current_since - interval '30 days' AND since < current_since",
}
LOWS = text(
    _STOOD.format(materialized="MATERIALIZED")
    + f"""
    , today AS (
        SELECT cpu_id, now, min(price) FILTER (WHERE until = now) AS current
        FROM stood CROSS JOIN moment GROUP BY cpu_id, now
    ), level AS (
        SELECT
            cpu_id, since,
            max(until) OVER (PARTITION BY cpu_id ORDER BY since, until ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)
                AS before
        FROM stood JOIN today USING (cpu_id) WHERE price = current
    ), risen AS (
        SELECT cpu_id, max(until) AS at FROM stood JOIN today USING (cpu_id) WHERE price < current GROUP BY cpu_id
    ), offered AS (
        SELECT cpu_id, max(since) AS at FROM level WHERE before IS NULL OR before < since GROUP BY cpu_id
    ), standing AS (
        SELECT today.*, greatest(risen.at, offered.at) AS current_since
        FROM today LEFT JOIN risen USING (cpu_id) LEFT JOIN offered USING (cpu_id)
    ), low AS (
        SELECT
            cpu_id, current, current_since,
            {
        ", ".join(
            f"min(ARRAY[price, extract(epoch FROM since)]) FILTER (WHERE {condition}) AS {name}"
            for name, condition in _LOWS.items()
        )
    }
        FROM stood JOIN standing USING (cpu_id)
        GROUP BY cpu_id, current, current_since
    )
    SELECT
        cpu_id, current::double precision AS current, current_since AT TIME ZONE 'UTC' AS current_since,
        {
        ", ".join(
            f"{name}[1]::double precision AS {name}, to_timestamp({name}[2]::double precision) AS {name}_at"
            for name in _LOWS
        )
    }
    FROM low
    """
)

# What an offer cost, newest first.
NEWEST_FIRST = Keyset("price_history", [SortKey("at", price_observation.c.seen_at, descending=True)])
IDS = bindparam("ids", type_=ARRAY(BigInteger))
SINCE = price_observation.c.seen_at >= bindparam("since", type_=DateTime(timezone=True))
POINT = (
    price_observation.c.listing_id,
    price_observation.c.seen_at.label("at"),
    *(cast(price_observation.c[name], Double).label(name) for name in ("price", "shipping")),
    price_observation.c.currency,
    cast(price_observation.c.price + func.coalesce(price_observation.c.shipping, 0), Double).label("total"),
    cast(price_observation.c.adjusted_price, Double).label("adjusted_price"),
    price_observation.c.state,
)
COUNT_POINTS = (
    select(price_observation.c.listing_id, func.count().label("points"))
    .where(price_observation.c.listing_id == any_(IDS), SINCE)
    .group_by(price_observation.c.listing_id)
)


@lru_cache(maxsize=64)
def select_points(position: PageShape) -> Select[Any]:
    """A page of what was seen of each of the listings `:ids` from `:since` on."""
    of = func.unnest(IDS).table_valued(column("id", BigInteger)).render_derived("wanted")
    each = select(*POINT).where(price_observation.c.listing_id == of.c.id, SINCE)
    page = NEWEST_FIRST.paginate(each, position).lateral("page")
    return select(page).select_from(of.join(page, true()))


# What befell offers, newest first, :first of each: the first row of an offer, and every change of its state.
LIFECYCLE = text("""
    WITH told AS (
        SELECT listing_id, seen_at, state, lag(state) OVER (PARTITION BY listing_id ORDER BY seen_at) AS before
        FROM price_observation WHERE listing_id = ANY(CAST(:ids AS bigint[]))
    ), event AS (
        SELECT listing_id, seen_at AS at, place, kind
        FROM told CROSS JOIN LATERAL unnest(CASE
            WHEN before = state THEN '{}'
            WHEN before IS NULL AND state = 'active' THEN '{seen}'
            WHEN before IS NULL THEN ARRAY['seen', state]
            WHEN state = 'active' THEN '{back}'
            ELSE ARRAY[state] END) WITH ORDINALITY AS kinds (kind, place)
    )
    SELECT listing_id, at, kind
    FROM (
        SELECT *, row_number() OVER (PARTITION BY listing_id ORDER BY at DESC, place DESC) AS number FROM event
    ) AS numbered
    WHERE number <= CAST(:first AS integer)
    ORDER BY listing_id, number
    """)
