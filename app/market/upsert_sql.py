"""Statements that store offers one by one as they are seen, while others do the same.

What is observed of prices is written by the triggers of `listing`, except of a time before what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from app.db.transaction import Tx
from app.market.imports.merge_sql import OFFER_KEY
from app.valuation.adjusted_price import CARRIED, PARTS, VALUED, adjusted_price, valuation

_GIVEN = """jsonb_to_recordset(CAST(:offers AS jsonb)) AS o (
    place integer, title text, url text, marketplace text, seller text, vendor_item_id text, condition text,
    status text, price numeric, currency text, shipping numeric, cpu_id bigint, images text[], seen_at timestamptz,
    memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text, quantity integer,
    flags text[])"""
_CONTENT = (
    "cpu_id", "title", "url", "marketplace", "seller", "vendor_item_id", "condition", "status", "price", "shipping",
    "currency", "images", "seen_at", *CARRIED,
)  # fmt: skip
_SAID = ", ".join(
    {"currency": "coalesce(currency, 'USD') AS currency", "images": "coalesce(images, '{}') AS images"}.get(name, name)
    for name in _CONTENT
)
_VALUED = {name: name for name in VALUED}
_OBSERVED = ("price", "shipping", "currency")

# Column of `listing` -> its value when the offer is known and was seen again. A price that the page does not tell is as
# it was, together with what belongs to it; and so is the CPU, unless another title names none with certainty.
_NEWS = {
    "cpu_id": "CASE WHEN excluded.cpu_id IS NULL AND excluded.title = l.title THEN l.cpu_id ELSE excluded.cpu_id END",
    "title": "excluded.title",
    "url": "coalesce(excluded.url, l.url)",
    "seller": "coalesce(excluded.seller, l.seller)",
    "condition": "CASE WHEN excluded.condition = 'unknown' THEN l.condition ELSE excluded.condition END",
    "status": "excluded.status",
    **{name: f"CASE WHEN excluded.price IS NULL THEN l.{name} ELSE excluded.{name} END" for name in _OBSERVED},
    "images": "CASE WHEN excluded.images = '{}' THEN l.images ELSE excluded.images END",
    **{name: f"coalesce(excluded.{name}, l.{name})" for name in PARTS},
    "quantity": "excluded.quantity",
    "flags": "excluded.flags",
}
_WRITTEN = {
    **_NEWS,
    "adjusted_price": adjusted_price({**_NEWS, "seen_at": "excluded.seen_at"}),
    "valuation": valuation({**_NEWS, "seen_at": "excluded.seen_at"}),
    "is_sample": "false",
    "missing_since": "NULL",
}


def _row(of: str, names: Sequence[str]) -> str:
    return f"({', '.join(f'{of}.{name}' for name in names)})"


KEYS = text(f"SELECT place, {OFFER_KEY} AS offer_key FROM {_GIVEN}")
# In the order of the keys, so that those who store the same offers at the same time wait for each other in turn.
# A listing that was seen later than the offer is left as it is, and its id is null here.
UPSERT = text(
    f"""
    WITH given AS (
        SELECT *, {adjusted_price(_VALUED, "valuation")} AS adjusted_price
        FROM (
            SELECT *, {valuation(_VALUED)} AS valuation
            FROM (SELECT place, {_SAID}, {OFFER_KEY} AS offer_key FROM {_GIVEN}) AS said
            OFFSET 0
        ) AS valued
        WHERE place = ANY(CAST(:places AS integer[]))
    ), stored AS (
        INSERT INTO listing AS l ({", ".join(_CONTENT)}, adjusted_price, valuation, offer_key)
        SELECT {", ".join(_CONTENT)}, adjusted_price, valuation, offer_key FROM given ORDER BY offer_key
        ON CONFLICT (offer_key) DO UPDATE SET
            {", ".join(f"{column} = {value}" for column, value in _WRITTEN.items())},
            seen_at = excluded.seen_at,
            updated_at = CASE
                WHEN ({", ".join(_NEWS.values())}) IS DISTINCT FROM {_row("l", list(_NEWS))} THEN now()
                ELSE l.updated_at END
        WHERE excluded.seen_at >= l.seen_at
        RETURNING
            new.id, new.offer_key,
            old.id IS NULL OR {_row("new", list(_WRITTEN))} IS DISTINCT FROM {_row("old", list(_WRITTEN))} AS changed
    )
    SELECT place, id, coalesce(changed, false) AS changed FROM given LEFT JOIN stored USING (offer_key)
    """
)
# Of an offer that was seen before what is stored: its price, unless that was the one observed last by then.
REMEMBER = text(
    f"""
    WITH given AS (
        SELECT *, {adjusted_price(_VALUED)} AS adjusted_price
        FROM (SELECT place, {_SAID}, {OFFER_KEY} AS offer_key FROM {_GIVEN}) AS said
        WHERE place = ANY(CAST(:places AS integer[]))
    ), remembered AS (
        INSERT INTO price_observation (listing_id, seen_at, price, shipping, currency, adjusted_price, state)
        SELECT
            l.id, g.seen_at, g.price, g.shipping, g.currency, g.adjusted_price,
            CASE WHEN g.status = 'active' THEN 'active' ELSE 'gone' END
        FROM given AS g JOIN listing AS l USING (offer_key) LEFT JOIN LATERAL (
            SELECT price, shipping, currency FROM price_observation
            WHERE listing_id = l.id AND seen_at <= g.seen_at ORDER BY seen_at DESC LIMIT 1
        ) AS before ON true
        WHERE g.price IS NOT NULL AND {_row("g", _OBSERVED)} IS DISTINCT FROM {_row("before", _OBSERVED)}
        ON CONFLICT (listing_id, seen_at) DO NOTHING
    )
    SELECT g.place, l.id FROM given AS g JOIN listing AS l USING (offer_key)
    """
)
LOCK = text("SELECT FROM listing WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY offer_key FOR UPDATE")


@dataclass(frozen=True, slots=True)
class Stored:
    """`ids`: place -> listing. `changed`: whether anything is another than before."""

    ids: Mapping[int, int]
    changed: bool


async def keys(tx: Tx, offers: str) -> Mapping[int, bytes]:
    """Place -> what makes the offer the one it is."""
    return {row.place: bytes(row.offer_key) for row in await tx.rows(KEYS, {"offers": offers})}


async def upsert(tx: Tx, offers: str, places: Sequence[int]) -> Stored:
    """Stores the offers of these places, of which no two are the same."""
    rows = await tx.rows(UPSERT, {"offers": offers, "places": list(places)})
    ids = {row.place: row.id for row in rows if row.id is not None}
    if late := [row.place for row in rows if row.id is None]:
        ids |= {row.place: row.id for row in await tx.rows(REMEMBER, {"offers": offers, "places": late})}
    return Stored(ids, any(row.changed for row in rows) or bool(late))


async def lock(tx: Tx, listing_ids: Sequence[int]) -> None:
    """Has these listings for this transaction; in the order in which all who store offers take them."""
    await tx.execute(LOCK, {"ids": list(listing_ids)})
