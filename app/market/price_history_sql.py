"""Statements about past prices.

A row of `price_observation` is valid from its `seen_at` until the next row of its listing, or until now. The price that
counts is its `adjusted_price`, the price that counted in price targets at that time: USD with shipping. It is null if
the offer was gone, in a currency without a rate, for parts, or a lot. Only prices above 0 that were valid for some time
count.
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

# Maximum number of points in the history of a CPU; a longer history has the newest ones.
MAX_POINTS = 400

# Common table expressions that end with `period`: one row per price of a listing of the CPUs :ids and the time in which
# it was valid, before :now. Columns: cpu_id, listing_id, price, since, until (UTC without a time zone). Active and
# other listings are selected separately, because each kind has its own index: `listing_active_idx`,
# `listing_inactive_idx`.
_PRICE_PERIODS = """
    WITH moment AS (
        SELECT CAST(:now AS timestamptz) AT TIME ZONE 'UTC' AS now
    ), offer AS MATERIALIZED (
        SELECT id, cpu_id FROM listing
        WHERE cpu_id = ANY(CAST(:ids AS bigint[])) AND status = 'active' AND condition <> 'for_parts'
        UNION ALL
        SELECT id, cpu_id FROM listing
        WHERE cpu_id = ANY(CAST(:ids AS bigint[])) AND status <> 'active' AND condition <> 'for_parts'
    ), observed AS (
        SELECT
            listing_id, CASE WHEN state <> 'gone' AND adjusted_price > 0 THEN adjusted_price END AS price,
            seen_at AT TIME ZONE 'UTC' AS since,
            least(lead(seen_at) OVER (PARTITION BY listing_id ORDER BY seen_at), CAST(:now AS timestamptz))
                AT TIME ZONE 'UTC' AS until
        FROM price_observation
        WHERE listing_id = ANY(ARRAY(SELECT id FROM offer)) AND seen_at < CAST(:now AS timestamptz)
    ), period AS {materialized} (
        SELECT cpu_id, listing_id, price, since, until
        FROM observed JOIN offer ON offer.id = listing_id
        WHERE price IS NOT NULL AND until > since
    )
    """

# The price history of the CPUs :ids in intervals of :unit (day, week from Monday, month), from :since or, if that is
# null, from the first price. Rows: cpu_id, at, until (bounds of the interval), lowest, average (weighted by time),
# listings.
#
# Each price period (`span`, with the first interval `opening` and the last interval `closing`) contributes to intervals
# in two ways:
#
# 1. To the intervals in which it begins or ends: `piece` has its price and the seconds inside the interval. `listings`
#    is 0 if the previous period of the same listing is counted in that interval already.
# 2. To the intervals that it covers completely. `covering` groups such periods by their first and last covered
#    interval. Their number and sum are running totals of `change`, the differences between consecutive intervals.
#    For the lowest price, `lowest_covering` expands only groups that are not undercut by a group that begins in the
#    same interval and lasts at least as long.
HISTORY = text(
    _PRICE_PERIODS.format(materialized="")
    + """
    , unit_length AS (
        SELECT CAST('1 ' || CAST(:unit AS text) AS interval) AS one_unit
    ), clipped AS (
        SELECT cpu_id, listing_id, price, greatest(since, start) AS since, until
        FROM period CROSS JOIN moment CROSS JOIN unit_length CROSS JOIN LATERAL (
            SELECT coalesce(
                CAST(:since AS timestamptz) AT TIME ZONE 'UTC',
                date_trunc(CAST(:unit AS text), now) - (CAST(:points AS integer) - 1) * one_unit) AS start
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
            extract(epoch FROM least(until, opening + one_unit) - since) AS seconds,
            extract(epoch FROM least(until, opening + one_unit) - since) * price AS weighted
        FROM span CROSS JOIN unit_length
        UNION ALL
        SELECT
            cpu_id, closing, price, 1,
            extract(epoch FROM until - closing), extract(epoch FROM until - closing) * price
        FROM span WHERE closing > opening
    ), covering AS (
        SELECT
            cpu_id, opening + one_unit AS begins, closing AS ends,
            min(price) AS lowest, count(*) AS n, sum(price) AS total
        FROM span CROSS JOIN unit_length WHERE closing > opening + one_unit
        GROUP BY cpu_id, begins, ends
    ), lowest_covering AS (
        SELECT cpu_id, at, lowest
        FROM (
            SELECT *, min(lowest) OVER (
                PARTITION BY cpu_id, begins ORDER BY ends DESC ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW
            ) AS undercut_by
            FROM covering
        ) AS compared
        CROSS JOIN unit_length
        CROSS JOIN LATERAL generate_series(begins, ends - one_unit, one_unit) AS covered_interval (at)
        WHERE undercut_by IS NULL OR lowest < undercut_by
    ), partial AS (
        SELECT
            cpu_id, at, min(lowest) AS lowest, sum(weighted) AS weighted, sum(seconds) AS seconds,
            sum(listings) AS listings
        FROM (
            SELECT cpu_id, at, lowest, weighted, seconds, listings FROM piece
            UNION ALL SELECT cpu_id, at, lowest, 0, 0, 0 FROM lowest_covering
        ) AS pieces
        GROUP BY cpu_id, at
    ), change AS (
        SELECT cpu_id, at, sum(n) AS n, sum(total) AS total
        FROM (
            SELECT cpu_id, begins AS at, n, total FROM covering UNION ALL SELECT cpu_id, ends, -n, -total FROM covering
        ) AS changes
        GROUP BY cpu_id, at
    ), covered AS (
        SELECT cpu_id, coalesce(CAST(:since AS timestamptz) AT TIME ZONE 'UTC', min(since)) AS since
        FROM span GROUP BY cpu_id
    ), totals AS (
        SELECT
            cpu_id, at, covered.since, lowest, coalesce(weighted, 0) AS weighted, coalesce(seconds, 0) AS seconds,
            coalesce(listings, 0) AS listings, extract(epoch FROM at + one_unit - at) AS length,
            coalesce(sum(change.n) OVER along, 0) AS n, coalesce(sum(change.total) OVER along, 0) AS total
        FROM covered CROSS JOIN moment CROSS JOIN unit_length
        CROSS JOIN LATERAL generate_series(
            date_trunc(CAST(:unit AS text), covered.since), now - interval '1 microsecond', one_unit) AS series (at)
        LEFT JOIN partial USING (cpu_id, at)
        LEFT JOIN change USING (cpu_id, at)
        WINDOW along AS (PARTITION BY cpu_id ORDER BY at)
    )
    SELECT
        cpu_id,
        greatest(at, since) AT TIME ZONE 'UTC' AS at,
        least(at + one_unit, now) AT TIME ZONE 'UTC' AS until,
        lowest::double precision AS lowest,
        round((weighted + total * length) / nullif(seconds + n * length, 0), 2)::double precision AS average,
        (listings + n)::integer AS listings
    FROM totals CROSS JOIN moment CROSS JOIN unit_length
    ORDER BY cpu_id, at
    """
)

# Lowest prices, one row per CPU that ever had a price: of all time, of the last 90 and 30 days, and of the 30 days
# before `current_since`. Since that time the current lowest price has been the lowest without a gap. Each low has the
# time when that price was first seen; min() over arrays of price and time finds the earliest time.
_LOWS = {
    "all_time": "true",
    "days_90": "until > now - interval '90 days'",
    "days_30": "until > now - interval '30 days'",
    "prior_30": "until > current_since - interval '30 days' AND since < current_since",
}
LOWS = text(
    _PRICE_PERIODS.format(materialized="MATERIALIZED")
    + f"""
    , current_low AS (
        SELECT cpu_id, now, min(price) FILTER (WHERE until = now) AS current
        FROM period CROSS JOIN moment GROUP BY cpu_id, now
    ), current_period AS (
        SELECT
            cpu_id, since,
            max(until) OVER (PARTITION BY cpu_id ORDER BY since, until ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)
                AS previous_until
        FROM period JOIN current_low USING (cpu_id) WHERE price = current
    ), lower_period AS (
        SELECT cpu_id, max(until) AS at
        FROM period JOIN current_low USING (cpu_id) WHERE price < current GROUP BY cpu_id
    ), unbroken_start AS (
        SELECT cpu_id, max(since) AS at
        FROM current_period WHERE previous_until IS NULL OR previous_until < since GROUP BY cpu_id
    ), current_state AS (
        SELECT current_low.*, greatest(lower_period.at, unbroken_start.at) AS current_since
        FROM current_low LEFT JOIN lower_period USING (cpu_id) LEFT JOIN unbroken_start USING (cpu_id)
    ), low AS (
        SELECT
            cpu_id, current, current_since,
            {
        ", ".join(
            f"min(ARRAY[price, extract(epoch FROM since)]) FILTER (WHERE {condition}) AS {name}"
            for name, condition in _LOWS.items()
        )
    }
        FROM period JOIN current_state USING (cpu_id)
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
def select_points(page_shape: PageShape) -> Select[Any]:
    """Return the statement for a page of the observations of each of the listings `:ids` from `:since` on."""
    requested = func.unnest(IDS).table_valued(column("id", BigInteger)).render_derived("requested")
    observations = select(*POINT).where(price_observation.c.listing_id == requested.c.id, SINCE)
    page = NEWEST_FIRST.paginate(observations, page_shape).lateral("page")
    return select(page).select_from(requested.join(page, true()))


# The :first newest events of each of the listings :ids: the first observation and every change of the state. A listing
# that was first observed as missing or gone has two events at that time.
LIFECYCLE = text("""
    WITH observed AS (
        SELECT listing_id, seen_at, state, lag(state) OVER (PARTITION BY listing_id ORDER BY seen_at) AS previous
        FROM price_observation WHERE listing_id = ANY(CAST(:ids AS bigint[]))
    ), event AS (
        SELECT listing_id, seen_at AS at, ordinal, kind
        FROM observed CROSS JOIN LATERAL unnest(CASE
            WHEN previous = state THEN '{}'
            WHEN previous IS NULL AND state = 'active' THEN '{seen}'
            WHEN previous IS NULL THEN ARRAY['seen', state]
            WHEN state = 'active' THEN '{back}'
            ELSE ARRAY[state] END) WITH ORDINALITY AS kinds (kind, ordinal)
    )
    SELECT listing_id, at, kind
    FROM (
        SELECT *, row_number() OVER (PARTITION BY listing_id ORDER BY at DESC, ordinal DESC) AS number FROM event
    ) AS numbered
    WHERE number <= CAST(:first AS integer)
    ORDER BY listing_id, number
    """)
