"""Statements that store a few offers of fetched pages while other transactions do the same.

Offers arrive as one JSON array in `:offers`; `position` is the index of an offer. The triggers of `listing` write
`price_observation`, except for observations that are older than the listing (INSERT_PAST_OBSERVATIONS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from app.db.transaction import Transaction
from app.market.offer_key import OFFER_KEY
from app.valuation.adjusted_price import (
    ATTRIBUTE_COLUMNS,
    COMPONENT_COLUMNS,
    VALUATION_INPUTS,
    adjusted_price,
    valuation,
)

_OFFERS = """jsonb_to_recordset(CAST(:offers AS jsonb)) AS o (
    position integer, title text, url text, marketplace text, seller text, vendor_item_id text, condition text,
    status text, price numeric, currency text, shipping numeric, cpu_id bigint, images text[], seen_at timestamptz,
    memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text, quantity integer,
    flags text[])"""
_COLUMNS = (
    "cpu_id", "title", "url", "marketplace", "seller", "vendor_item_id", "condition", "status", "price", "shipping",
    "currency", "images", "seen_at", *ATTRIBUTE_COLUMNS,
)  # fmt: skip
_COLUMNS_WITH_DEFAULTS = ", ".join(
    {"currency": "coalesce(currency, 'USD') AS currency", "images": "coalesce(images, '{}') AS images"}.get(name, name)
    for name in _COLUMNS
)
_VALUATION_VALUES = {name: name for name in VALUATION_INPUTS}
_PRICE_COLUMNS = ("price", "shipping", "currency")

# Column of `listing` -> new value when a known offer is observed again. If the page has no price, the stored price with
# its shipping and currency is kept. If the title is unchanged and its CPU is uncertain now, the stored CPU is kept.
_MERGED_VALUES = {
    "cpu_id": "CASE WHEN excluded.cpu_id IS NULL AND excluded.title = l.title THEN l.cpu_id ELSE excluded.cpu_id END",
    "title": "excluded.title",
    "url": "coalesce(excluded.url, l.url)",
    "seller": "coalesce(excluded.seller, l.seller)",
    "condition": "CASE WHEN excluded.condition = 'unknown' THEN l.condition ELSE excluded.condition END",
    "status": "excluded.status",
    **{name: f"CASE WHEN excluded.price IS NULL THEN l.{name} ELSE excluded.{name} END" for name in _PRICE_COLUMNS},
    "images": "CASE WHEN excluded.images = '{}' THEN l.images ELSE excluded.images END",
    **{name: f"coalesce(excluded.{name}, l.{name})" for name in COMPONENT_COLUMNS},
    "quantity": "excluded.quantity",
    "flags": "excluded.flags",
}
_UPDATED_VALUES = {
    **_MERGED_VALUES,
    "adjusted_price": adjusted_price({**_MERGED_VALUES, "seen_at": "excluded.seen_at"}),
    "valuation": valuation({**_MERGED_VALUES, "seen_at": "excluded.seen_at"}),
    "is_sample": "false",
    "missing_since": "NULL",
}


def _row_expression(alias: str, names: Sequence[str]) -> str:
    return f"({', '.join(f'{alias}.{name}' for name in names)})"


OFFER_KEYS = text(f"SELECT position, {OFFER_KEY} AS offer_key FROM {_OFFERS}")
# Rows are inserted in the order of their keys, so that transactions that store the same offers lock them in one order.
# A listing that was seen later than the offer is not updated, and its id is null in the result.
UPSERT = text(
    f"""
    WITH offer AS (
        SELECT *, {adjusted_price(_VALUATION_VALUES, "valuation")} AS adjusted_price
        FROM (
            SELECT *, {valuation(_VALUATION_VALUES)} AS valuation
            FROM (SELECT position, {_COLUMNS_WITH_DEFAULTS}, {OFFER_KEY} AS offer_key FROM {_OFFERS}) AS parsed
            OFFSET 0
        ) AS valued
        WHERE position = ANY(CAST(:positions AS integer[]))
    ), stored AS (
        INSERT INTO listing AS l ({", ".join(_COLUMNS)}, adjusted_price, valuation, offer_key)
        SELECT {", ".join(_COLUMNS)}, adjusted_price, valuation, offer_key FROM offer ORDER BY offer_key
        ON CONFLICT (offer_key) DO UPDATE SET
            {", ".join(f"{column} = {value}" for column, value in _UPDATED_VALUES.items())},
            seen_at = excluded.seen_at,
            updated_at = CASE
                WHEN ({", ".join(_MERGED_VALUES.values())}) IS DISTINCT FROM {_row_expression("l", list(_MERGED_VALUES))}
                    THEN now()
                ELSE l.updated_at END
        WHERE excluded.seen_at >= l.seen_at
        RETURNING
            new.id, new.offer_key,
            old.id IS NULL OR {_row_expression("new", list(_UPDATED_VALUES))}
                IS DISTINCT FROM {_row_expression("old", list(_UPDATED_VALUES))} AS changed
    )
    SELECT position, id, coalesce(changed, false) AS changed FROM offer LEFT JOIN stored USING (offer_key)
    """
)
# Adds the price of an offer that was seen before the listing's last observation, unless the price observed before that
# time is the same.
INSERT_PAST_OBSERVATIONS = text(
    f"""
    WITH offer AS (
        SELECT *, {adjusted_price(_VALUATION_VALUES)} AS adjusted_price
        FROM (SELECT position, {_COLUMNS_WITH_DEFAULTS}, {OFFER_KEY} AS offer_key FROM {_OFFERS}) AS parsed
        WHERE position = ANY(CAST(:positions AS integer[]))
    ), inserted AS (
        INSERT INTO price_observation (listing_id, seen_at, price, shipping, currency, adjusted_price, state)
        SELECT
            l.id, o.seen_at, o.price, o.shipping, o.currency, o.adjusted_price,
            CASE WHEN o.status = 'active' THEN 'active' ELSE 'gone' END
        FROM offer AS o JOIN listing AS l USING (offer_key) LEFT JOIN LATERAL (
            SELECT price, shipping, currency FROM price_observation
            WHERE listing_id = l.id AND seen_at <= o.seen_at ORDER BY seen_at DESC LIMIT 1
        ) AS previous ON true
        WHERE o.price IS NOT NULL
            AND {_row_expression("o", _PRICE_COLUMNS)} IS DISTINCT FROM {_row_expression("previous", _PRICE_COLUMNS)}
        ON CONFLICT (listing_id, seen_at) DO NOTHING
    )
    SELECT o.position, l.id FROM offer AS o JOIN listing AS l USING (offer_key)
    """
)
LOCK = text("SELECT FROM listing WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY offer_key FOR UPDATE")


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """`ids` maps positions to listing ids; `changed` is true if a listing or a price history changed."""

    ids: Mapping[int, int]
    changed: bool


async def offer_keys(tx: Transaction, offers: str) -> Mapping[int, bytes]:
    """Return position -> offer key of the offers, a JSON array."""
    return {row.position: bytes(row.offer_key) for row in await tx.rows(OFFER_KEYS, {"offers": offers})}


async def upsert(tx: Transaction, offers: str, positions: Sequence[int]) -> UpsertResult:
    """Store the offers at these positions of the JSON array; no two of them may have the same offer key."""
    rows = await tx.rows(UPSERT, {"offers": offers, "positions": list(positions)})
    ids = {row.position: row.id for row in rows if row.id is not None}
    if outdated := [row.position for row in rows if row.id is None]:
        past = await tx.rows(INSERT_PAST_OBSERVATIONS, {"offers": offers, "positions": outdated})
        ids |= {row.position: row.id for row in past}
    return UpsertResult(ids, any(row.changed for row in rows) or bool(outdated))


async def lock_listings(tx: Transaction, listing_ids: Sequence[int]) -> None:
    """Lock these listings until the transaction ends, in the order that all writers of listings use."""
    await tx.execute(LOCK, {"ids": list(listing_ids)})
