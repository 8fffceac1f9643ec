"""Statements that merge the parsed rows of an import into `listing`.

Two temporary tables, which live until the end of the transaction, hold the rows on the way:

- `offer`: one row per row of the file, created by `app.bulk_import.staging.stage` from the query of `listing_offers` or
  `snapshot_offers`. Columns: line, reason and cells (of rejected rows), the columns CONTENT of `listing`, seen_at,
  dated (the file has the time of the row), offer_key (null for rows that are rejected or have no price), superseded (a
  later row about the same offer counts) and repeated (another row about the same offer and time counts).
- `known_offer`: the offers that are stored already, compared with their listings. Created by `_create_known_offer`.

The triggers of `listing` record price observations. A row with a time of its own is an observation of that time,
regardless of when it is imported; INSERT_OBSERVATIONS adds those that the triggers do not see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import DateTime, Executable, bindparam, text

from app.bulk_import.staging import rejected_cells_sql
from app.db.transaction import Transaction
from app.market.imports.parse_sql import (
    CREATE_CPU_ALIAS,
    CREATE_CPU_MATCH,
    CREATE_TITLE_ATTRIBUTE,
    LISTING_ROWS,
    SNAPSHOT_MARKETPLACE,
    SNAPSHOT_ROWS,
)
from app.market.offer_key import OFFER_KEY
from app.valuation.adjusted_price import COMPONENT_COLUMNS, VALUATION_INPUTS, adjusted_price, valuation

# Column of `listing` -> its value in a parsed row.
_ROW_VALUES = {
    "cpu_id": "cpu_id",
    "title": "title",
    "url": "url",
    "marketplace": "marketplace",
    "seller": "seller",
    "vendor_item_id": "vendor_item_id",
    "condition": "CASE WHEN broken THEN 'for_parts' ELSE coalesce(condition_meaning, 'unknown') END",
    "status": "coalesce(status_meaning, 'active')",
    "price": "price_value",
    "shipping": "shipping_value",
    "currency": "coalesce(currency, 'USD')",
}
# The same for the attributes that the title mentions.
_ATTRIBUTE_VALUES = {
    **{name: name for name in COMPONENT_COLUMNS},
    "quantity": "coalesce(quantity, 1)",
    "flags": "flags",
}
_REQUIRED = ("cpu_id", "title", "marketplace", "price")
_OBSERVED = ("price", "shipping", "currency", "adjusted_price")
CONTENT = (*_ROW_VALUES, *_ATTRIBUTE_VALUES, "is_sample")

# Other writers of listings wait, so that comparisons stay valid. Readers and recalculations continue.
LOCK = text("LOCK TABLE listing IN SHARE ROW EXCLUSIVE MODE")


# --- Find CPUs and attributes of the staged chunk --------------------------------------------------------------------

INSERT_TITLE_ATTRIBUTES = text("""
    INSERT INTO title_attribute
    SELECT * FROM jsonb_to_recordset(CAST(:titles AS jsonb)) AS attributes (
        listing_title text, memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text,
        quantity integer, flags text[], broken boolean)
    """)

UPDATE_CPU_MATCH = text("""
    UPDATE cpu_match SET cpu_id = matched.cpu_id, no_match_reason = matched.reason
    FROM unnest(CAST(:names AS text[]), CAST(:cpu_ids AS bigint[]), CAST(:reasons AS text[]))
        AS matched (written_name, cpu_id, reason)
    WHERE matched.written_name = cpu_match.written_name
    """)


async def create_cpu_alias(tx: Transaction) -> None:
    """Create `cpu_alias`, and `cpu_match` without rows; the queries of `parse_sql` read them."""
    await tx.execute(text(CREATE_CPU_ALIAS))
    await tx.execute(text("ANALYZE cpu_alias"))
    await tx.execute(text(CREATE_CPU_MATCH))


async def fill_cpu_match(tx: Transaction, find_known_names: str) -> list[str]:
    """Fill `cpu_match` with the names in the staged chunk; return the names without an alias of a CPU."""
    await tx.execute(text("TRUNCATE cpu_match"))
    await tx.execute(text(find_known_names))
    rows = await tx.rows(text("SELECT written_name FROM cpu_match WHERE cpu_id IS NULL"))
    return [row.written_name for row in rows]


async def save_name_matches(
    tx: Transaction, names: Sequence[str], cpu_ids: Sequence[int | None], reasons: Sequence[str]
) -> None:
    """Store in `cpu_match` how these names were matched: the CPU, or None and the reason why it is uncertain."""
    await tx.execute(UPDATE_CPU_MATCH, {"names": names, "cpu_ids": cpu_ids, "reasons": reasons})


async def create_title_attribute(tx: Transaction) -> None:
    """Create `title_attribute` without rows; LISTING_ROWS reads it."""
    await tx.execute(text(CREATE_TITLE_ATTRIBUTE))


async def save_title_attributes(tx: Transaction, attributes_by_title: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace the rows of `title_attribute` by those for the staged chunk. Titles without attributes need none."""
    await tx.execute(text("TRUNCATE title_attribute"))
    if attributes_by_title:
        titles = orjson.dumps(list(attributes_by_title.values())).decode()
        await tx.execute(INSERT_TITLE_ATTRIBUTES, {"titles": titles})


# --- Queries for `offer` ---------------------------------------------------------------------------------------------


def _offers(rows: str, columns: Sequence[str], is_sample: bool) -> str:
    """Return the query for the rows of `offer` in the staged chunk. `superseded` and `repeated` are set later.

    Ordered by `offer_key`, so that inserts reach neighbouring pages of its unique index, which takes a third less time.
    """
    values = {**_ROW_VALUES, **_ATTRIBUTE_VALUES}
    return f"""
        SELECT
            line, reason, {rejected_cells_sql(columns)} AS cells,
            {", ".join(f"{value} AS {column}" for column, value in values.items())},
            {str(is_sample).lower()} AS is_sample,
            coalesce(seen_value, now()) AS seen_at, seen_value IS NOT NULL AS dated,
            CASE WHEN reason IS NULL AND price_value IS NOT NULL THEN {OFFER_KEY} END AS offer_key,
            false AS superseded, false AS repeated
        FROM ({rows} OFFSET 0) AS checked
        ORDER BY offer_key
        """


def listing_offers(columns: Sequence[str], is_sample: bool) -> str:
    """Return the query for the rows of `offer` in a staged file of listings with these columns."""
    return _offers(LISTING_ROWS, columns, is_sample)


def snapshot_offers(columns: Sequence[str]) -> str:
    """Return the query for the rows of `offer` in a staged snapshot with the time `:seen_at`."""
    return _offers(SNAPSHOT_ROWS, columns, False)


# --- Merge `offer` into `listing` ------------------------------------------------------------------------------------

# The latest of several rows about an offer counts; of rows with the same time, the first in the order `preference`.
_MARK_SUPERSEDED = """
    UPDATE offer SET superseded = true, repeated = ranked.rank_at_time > 1
    FROM (
        SELECT
            line,
            row_number() OVER (PARTITION BY offer_key ORDER BY seen_at DESC, {preference}) AS rank,
            row_number() OVER (PARTITION BY offer_key, seen_at ORDER BY {preference}) AS rank_at_time
        FROM offer
        WHERE offer_key IN (
            SELECT offer_key FROM offer WHERE offer_key IS NOT NULL GROUP BY offer_key HAVING count(*) > 1)
    ) AS ranked
    WHERE ranked.line = offer.line AND ranked.rank > 1
    """

# Months of the file, for their partitions. Dates before 2000 are misprints and go to the default partition.
MONTHS = text("""
    SELECT DISTINCT date_trunc('month', seen_at AT TIME ZONE 'UTC')::date AS month
    FROM offer WHERE offer_key IS NOT NULL AND seen_at >= '2000-01-01Z' ORDER BY 1
    """)


def _merged_values(present: Sequence[str]) -> dict[str, str]:
    """Return column of `listing` -> SQL for its new value, from offer `o` and stored listing `l`.

    Columns that are not `present` in the file keep their values. Attributes that the title does not mention keep theirs
    too, because they may come from another source. A title that says that the item is broken sets the condition even
    if the file has no condition.
    """
    merged = {column: f"{'o' if column in _REQUIRED or column in present else 'l'}.{column}" for column in _ROW_VALUES}
    merged |= {column: f"coalesce(o.{column}, l.{column})" for column in (*COMPONENT_COLUMNS, "flags")}
    if "condition" not in present:
        merged["condition"] = "CASE WHEN o.condition = 'for_parts' THEN o.condition ELSE l.condition END"
    return {**merged, "quantity": "o.quantity", "is_sample": "o.is_sample"}


def _create_known_offer(merged: Mapping[str, str]) -> Executable:
    """Return the statement that creates `known_offer`: the offers with a stored listing, compared with it.

    Columns: line; listing_id; the merged price, shipping, currency and adjusted_price; valuation; state (active or
    gone, at the time of the row); stale (the listing was seen later); differs (the row changes the listing, or the
    listing was missing). The join uses the unique index on `listing.offer_key`.
    """
    inputs = {**merged, "seen_at": "o.seen_at"}
    compared = {**merged, "adjusted_price": adjusted_price(inputs, "valuation.valuation")}
    return text(f"""
        CREATE TEMP TABLE known_offer ON COMMIT DROP AS
        SELECT
            o.line, l.id AS listing_id,
            {", ".join(f"{compared[column]} AS {column}" for column in _OBSERVED)}, valuation.valuation,
            CASE WHEN CASE WHEN o.seen_at < l.seen_at THEN o.status ELSE {merged["status"]} END = 'active'
                THEN 'active' ELSE 'gone' END AS state,
            o.seen_at < l.seen_at AS stale,
            ({", ".join(compared.values())}) IS DISTINCT FROM ({", ".join(f"l.{column}" for column in compared)})
                OR (o.dated AND o.seen_at > l.seen_at) OR l.missing_since IS NOT NULL AS differs
        FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
        CROSS JOIN LATERAL (SELECT {valuation(inputs)} AS valuation OFFSET 0) AS valuation
        """)


def _update_listings(merged: Mapping[str, str]) -> Executable:
    """Return the statement that updates the listings that rows of the file change."""
    updated = {**merged, "adjusted_price": "known_offer.adjusted_price", "valuation": "known_offer.valuation"}
    return text(f"""
        UPDATE listing AS l SET
            {", ".join(f"{column} = {value}" for column, value in updated.items() if value != f"l.{column}")},
            seen_at = o.seen_at, missing_since = NULL, updated_at = now()
        FROM offer AS o JOIN known_offer USING (line)
        WHERE known_offer.listing_id = l.id AND known_offer.differs AND NOT known_offer.stale AND NOT o.superseded
        """)


_OFFER_VALUES = {name: f"o.{name}" for name in VALUATION_INPUTS}
INSERT_LISTINGS = text(f"""
    INSERT INTO listing ({", ".join(CONTENT)}, offer_key, seen_at, valuation, adjusted_price)
    SELECT
        {", ".join(CONTENT)}, offer_key, seen_at, valuation.valuation,
        {adjusted_price(_OFFER_VALUES, "valuation.valuation")}
    FROM offer AS o CROSS JOIN LATERAL (SELECT {valuation(_OFFER_VALUES)} AS valuation OFFSET 0) AS valuation
    WHERE offer_key IS NOT NULL AND NOT superseded
        AND NOT EXISTS (SELECT FROM known_offer WHERE known_offer.line = o.line)
    """)
# Adds the superseded rows of offers that INSERT_LISTINGS has stored. They are used as observations only, hence stale.
INSERT_KNOWN_OFFERS = text(f"""
    INSERT INTO known_offer (line, listing_id, price, shipping, currency, adjusted_price, state, stale, differs)
    SELECT
        o.line, l.id, o.price, o.shipping, o.currency, {adjusted_price(_OFFER_VALUES, "valuation.valuation")},
        CASE WHEN o.status = 'active' THEN 'active' ELSE 'gone' END, true, false
    FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
    CROSS JOIN LATERAL (SELECT {valuation(_OFFER_VALUES)} AS valuation OFFSET 0) AS valuation
    WHERE o.superseded AND NOT EXISTS (SELECT FROM known_offer WHERE known_offer.line = o.line)
    """)

# Adds the observations of rows with a time of their own, unless the triggers have recorded the same.
INSERT_OBSERVATIONS = text(f"""
    INSERT INTO price_observation AS p (listing_id, seen_at, {", ".join(_OBSERVED)}, state)
    SELECT k.listing_id, o.seen_at, {", ".join(f"k.{column}" for column in _OBSERVED)}, k.state
    FROM known_offer AS k
    JOIN offer AS o USING (line)
    LEFT JOIN price_observation AS recorded ON recorded.listing_id = k.listing_id AND recorded.seen_at = o.seen_at
    WHERE o.dated AND NOT o.repeated
        AND (recorded.listing_id IS NULL
            OR (recorded.price, recorded.shipping, recorded.currency, recorded.state)
                IS DISTINCT FROM (k.price, k.shipping, k.currency, k.state))
    ON CONFLICT (listing_id, seen_at) DO UPDATE SET
        {", ".join(f"{column} = excluded.{column}" for column in (*_OBSERVED, "state"))}
    """)

# The time that the trigger function `record_price_observations` gives to observations of the statements that follow in
# this transaction: a time, "seen" for the `seen_at` of each row, or empty for the default.
SET_EFFECTIVE_TIME = text("SELECT set_config('dealmark.effective_at', :moment, true)")


async def lock_listings(tx: Transaction) -> None:
    """Lock `listing` against other writers until the transaction ends."""
    await tx.execute(LOCK)


async def partitions(tx: Transaction) -> list[date]:
    """Return the months (first days, UTC) of the offers, for which `price_observation` needs partitions."""
    return [row.month for row in await tx.rows(MONTHS)]


async def mark_superseded(tx: Transaction, preference: str) -> int:
    """Mark the rows of `offer` that another row about the same offer replaces; return their number.

    `preference` is the ORDER BY list that picks one of several rows with the same time.
    """
    return (await tx.execute(text(_MARK_SUPERSEDED.format(preference=preference)))).rowcount


async def merge(tx: Transaction, present: Sequence[str], superseded: int) -> tuple[int, int, int]:
    """Write new and changed offers; return the numbers of listings created, listings updated and observations added.

    The observations are those in addition to the ones that the triggers of `listing` record.
    """
    merged = _merged_values(present)
    known = (await tx.execute(_create_known_offer(merged))).rowcount
    async with effective_at(tx, "seen"):
        updated = (await tx.execute(_update_listings(merged))).rowcount if known else 0
    created = (await tx.execute(INSERT_LISTINGS)).rowcount
    if superseded:
        await tx.execute(INSERT_KNOWN_OFFERS)
    observed = (await tx.execute(INSERT_OBSERVATIONS)).rowcount if known or superseded else 0
    return created, updated, observed


@asynccontextmanager
async def effective_at(tx: Transaction, moment: str) -> AsyncIterator[None]:
    """Record the writes to `listing` in the block as observations of this moment; see SET_EFFECTIVE_TIME."""
    await tx.execute(SET_EFFECTIVE_TIME, {"moment": moment})
    yield
    await tx.execute(SET_EFFECTIVE_TIME, {"moment": ""})


# --- Price snapshots -------------------------------------------------------------------------------------------------

_REJECTED_NAMES = "SELECT vendor_item_id FROM offer WHERE reason IS NOT NULL AND vendor_item_id IS NOT NULL"
# Parts without a price in the latest snapshot are no longer on sale. `seen_at` keeps the time when they were last on
# sale, so that the result does not depend on the order of imports. Parts with a rejected row do not change.
END_UNPRICED = text(f"""
    WITH ended AS (
        UPDATE listing SET status = 'ended', updated_at = now()
        WHERE marketplace = '{SNAPSHOT_MARKETPLACE}' AND status = 'active' AND seen_at < :seen_at
            AND vendor_item_id NOT IN ({_REJECTED_NAMES})
        RETURNING vendor_item_id
    )
    SELECT count(*) AS ended, count(*) FILTER (WHERE vendor_item_id IN (SELECT vendor_item_id FROM offer)) AS named
    FROM ended
    """)

# A part with a price was on sale on the day of the snapshot, also if it has ended by now.
MARK_PRICED_ACTIVE = text("""
    UPDATE price_observation AS p SET state = 'active'
    FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
    WHERE p.listing_id = l.id AND p.seen_at = :seen_at AND p.state <> 'active'
    """)
# A part that was on sale is gone on the day of the next snapshot without a price for it. For parts of earlier snapshots
# that can be the day of this snapshot; for parts of this one, the day of a later snapshot that is stored already.
INSERT_GAPS = text(f"""
    INSERT INTO price_observation (listing_id, seen_at, {", ".join(_OBSERVED)}, state)
    WITH part AS (
        SELECT id, vendor_item_id FROM listing WHERE marketplace = '{SNAPSHOT_MARKETPLACE}'
    ), observed AS (
        SELECT p.*, part.vendor_item_id FROM part JOIN price_observation AS p ON p.listing_id = part.id
    ), next_snapshot AS (
        SELECT min(seen_at) AS day FROM observed WHERE state = 'active' AND seen_at > :seen_at
    ), latest AS (
        SELECT DISTINCT ON (listing_id) * FROM observed WHERE seen_at <= :seen_at ORDER BY listing_id, seen_at DESC
    )
    SELECT listing_id, CASE WHEN seen_at < :seen_at THEN :seen_at ELSE day END, {", ".join(_OBSERVED)}, 'gone'
    FROM latest CROSS JOIN next_snapshot
    WHERE state = 'active' AND CASE
        WHEN seen_at < :seen_at THEN vendor_item_id NOT IN ({_REJECTED_NAMES})
        ELSE day IS NOT NULL END
    ON CONFLICT (listing_id, seen_at) DO NOTHING
    """).bindparams(bindparam("seen_at", type_=DateTime(timezone=True)))


async def end_unpriced(tx: Transaction, seen_at: datetime) -> Any:
    """End the listings without a price in this snapshot, if it is the latest.

    Return a row with the number of listings that `ended`, and of those that the snapshot `named`.
    """
    async with effective_at(tx, seen_at.isoformat()):
        row = await tx.row(END_UNPRICED, {"seen_at": seen_at})
    assert row is not None
    return row


async def record_snapshot(tx: Transaction, seen_at: datetime) -> int:
    """Record when parts were on sale according to this snapshot; return the number of observations that changed."""
    activated = (await tx.execute(MARK_PRICED_ACTIVE, {"seen_at": seen_at})).rowcount
    return activated + (await tx.execute(INSERT_GAPS, {"seen_at": seen_at})).rowcount
