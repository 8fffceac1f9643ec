"""Statements of the imports of listings and of price snapshots.

The rows of either are read into `offer`, matched with the stored listings, and merged into `listing` and
`price_observation`. A row with a time of its own (`dated`) is an observation of that time, whenever it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Executable, text

from app.market.staged_sql import (
    ALIAS_CPUS,
    LISTING_ROWS,
    NAMED_CPUS,
    PART_TITLES,
    SNAPSHOT_MARKETPLACE,
    SNAPSHOT_ROWS,
    TOLD_PARTS,
)
from app.market.valuation import PARTS, VALUED, adjusted_price, valuation
from app.resources import Tx
from app.staging import cells

_NORMALISED = r"btrim(regexp_replace(lower({}), '[^[\:alnum\:]]+', ' ', 'g'))"
# What makes two rows the same offer: the marketplace and its id of the item; without an id title, seller and
# marketplace, in lower case and with every run of other characters than letters and digits as one space, so that
# "Dell - X" is "Dell X". The letter in front keeps the two kinds apart, chr(31) the parts. The price is no part of it.
OFFER_KEY = f"""sha256(convert_to(CASE
    WHEN vendor_item_id IS NOT NULL THEN 'v' || chr(31) || lower(marketplace) || chr(31) || vendor_item_id
    ELSE 't' || chr(31) || {_NORMALISED.format("title")} || chr(31) || {_NORMALISED.format("coalesce(seller, '')")}
        || chr(31) || {_NORMALISED.format("marketplace")} END, 'UTF8'))"""

# What a row says about an offer, as its file reads.
_GIVEN = {
    "cpu_id": "cpu_id",
    "title": "title",
    "url": "url",
    "marketplace": "marketplace",
    "seller": "seller",
    "vendor_item_id": "vendor_item_id",
    "condition": "coalesce(condition_meaning, 'unknown')",
    "status": "coalesce(status_meaning, 'active')",
    "price": "price_value",
    "shipping": "shipping_value",
    "currency": "coalesce(currency, 'USD')",
}
# What its title says of what it carries.
_TOLD = {**{name: name for name in PARTS}, "quantity": "coalesce(quantity, 1)", "flags": "NULL::text[]"}
_REQUIRED = ("cpu_id", "title", "marketplace", "price")
_PRICES = ("price", "shipping", "currency")
CONTENT = (*_GIVEN, *_TOLD, "is_sample")

# Readers and recalculations go on; other writers of listings wait, so that what was compared stays true.
LOCK = text("LOCK TABLE listing IN SHARE ROW EXCLUSIVE MODE")


def _offers(rows: str, columns: Sequence[str], is_sample: bool) -> str:
    """A chunk's rows with their reason or their values; `superseded` and `repeated` are found out later.

    Ordered by the key: so the unique index on it grows in neighbouring places, and an insert costs a third less.
    """
    given = {**_GIVEN, **_TOLD}
    return f"""
        SELECT
            line, reason, {cells(columns)} AS cells,
            {", ".join(f"{value} AS {column}" for column, value in given.items())},
            {str(is_sample).lower()} AS is_sample,
            coalesce(seen_value, now()) AS seen_at, seen_value IS NOT NULL AS dated,
            CASE WHEN reason IS NULL AND price_value IS NOT NULL THEN {OFFER_KEY} END AS offer_key,
            false AS superseded, false AS repeated
        FROM ({rows} OFFSET 0) AS judged
        ORDER BY offer_key
        """


def listing_offers(columns: Sequence[str], is_sample: bool) -> str:
    """The query that makes `offer` of a staged file of listings with these columns."""
    return _offers(LISTING_ROWS, columns, is_sample)


def snapshot_offers(columns: Sequence[str]) -> str:
    """The query that makes `offer` of a staged snapshot, of the time `:seen_at`."""
    return _offers(SNAPSHOT_ROWS, columns, False)


def _merged(present: Sequence[str]) -> dict[str, str]:
    """Column of `listing` -> its value after offer `o` for stored listing `l`: what the file has not stays.

    What an offer carries stays, too, where its title does not tell: somebody else may have known.
    """
    merged = {column: f"{'o' if column in _REQUIRED or column in present else 'l'}.{column}" for column in _GIVEN}
    merged |= {column: f"coalesce(o.{column}, l.{column})" for column in PARTS}
    return {**merged, "quantity": "o.quantity", "flags": "l.flags", "is_sample": "o.is_sample"}


def _match(merged: Mapping[str, str]) -> Executable:
    """Makes `known`: how the offers that are listed already compare with what is stored.

    `stale`: the stored listing was seen later. `repriced`: the price is another one. `differs`: anything is.
    """
    valued = {**merged, "seen_at": "o.seen_at"}
    compared = {**merged, "adjusted_price": adjusted_price(valued, "valuation.valuation")}
    return text(f"""
        CREATE TEMP TABLE known ON COMMIT DROP AS
        SELECT
            o.line, l.id AS listing_id,
            {", ".join(f"{merged[column]} AS {column}" for column in _PRICES)},
            {compared["adjusted_price"]} AS adjusted_price, valuation.valuation,
            o.seen_at < l.seen_at AS stale,
            ({", ".join(merged[column] for column in _PRICES)})
                IS DISTINCT FROM ({", ".join(f"l.{column}" for column in _PRICES)}) AS repriced,
            ({", ".join(compared.values())}) IS DISTINCT FROM ({", ".join(f"l.{column}" for column in compared)})
                OR (o.dated AND o.seen_at > l.seen_at) AS differs
        FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
        CROSS JOIN LATERAL (SELECT {valuation(valued)} AS valuation OFFSET 0) AS valuation
        """)


def _update(merged: Mapping[str, str]) -> Executable:
    """Writes the offers that say something new about a listing."""
    written = {**merged, "adjusted_price": "known.adjusted_price", "valuation": "known.valuation"}
    return text(f"""
        UPDATE listing AS l SET
            {", ".join(f"{column} = {value}" for column, value in written.items() if value != f"l.{column}")},
            seen_at = o.seen_at, updated_at = now()
        FROM offer AS o JOIN known USING (line)
        WHERE known.listing_id = l.id AND known.differs AND NOT known.stale AND NOT o.superseded
        """)


# Of several rows about an offer the latest counts, and of those of one time the one that `first` sorts to the front.
_SUPERSEDE = """
    UPDATE offer SET superseded = true, repeated = d.again > 1
    FROM (
        SELECT
            line,
            row_number() OVER (PARTITION BY offer_key ORDER BY seen_at DESC, {first}) AS place,
            row_number() OVER (PARTITION BY offer_key, seen_at ORDER BY {first}) AS again
        FROM offer
        WHERE offer_key IN (
            SELECT offer_key FROM offer WHERE offer_key IS NOT NULL GROUP BY offer_key HAVING count(*) > 1)
    ) AS d
    WHERE d.line = offer.line AND d.place > 1
    """

# With the first observation of each, which needs no look at what was observed before.
_NEW = {name: f"o.{name}" for name in VALUED}
INSERT = text(f"""
    WITH created AS (
        INSERT INTO listing ({", ".join(CONTENT)}, offer_key, seen_at, valuation, adjusted_price)
        SELECT
            {", ".join(CONTENT)}, offer_key, seen_at, valuation.valuation,
            {adjusted_price(_NEW, "valuation.valuation")}
        FROM offer AS o CROSS JOIN LATERAL (SELECT {valuation(_NEW)} AS valuation OFFSET 0) AS valuation
        WHERE offer_key IS NOT NULL AND NOT superseded AND NOT EXISTS (SELECT FROM known WHERE known.line = o.line)
        RETURNING id, seen_at, price, shipping, currency
    )
    INSERT INTO price_observation (listing_id, seen_at, price, shipping, currency) SELECT * FROM created
    """)

# Superseded rows of offers that were new until a moment ago: of use as observations only, hence stale.
LINK = text("""
    INSERT INTO known (line, listing_id, price, shipping, currency, stale, repriced, differs)
    SELECT o.line, l.id, o.price, o.shipping, o.currency, true, false, false
    FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
    WHERE o.superseded AND NOT EXISTS (SELECT FROM known WHERE known.line = o.line)
    """)

OBSERVE = text("""
    INSERT INTO price_observation AS p (listing_id, seen_at, price, shipping, currency)
    SELECT k.listing_id, o.seen_at, k.price, k.shipping, k.currency
    FROM known AS k
    JOIN offer AS o USING (line)
    LEFT JOIN price_observation AS before ON before.listing_id = k.listing_id AND before.seen_at = o.seen_at
    WHERE NOT o.repeated AND (o.dated OR (k.repriced AND NOT o.superseded AND NOT k.stale))
        AND (before.listing_id IS NULL
            OR (before.price, before.shipping, before.currency) IS DISTINCT FROM (k.price, k.shipping, k.currency))
    ON CONFLICT (listing_id, seen_at) DO UPDATE
        SET price = excluded.price, shipping = excluded.shipping, currency = excluded.currency
    """)

# What the latest snapshot does not price is not on sale any more. `seen_at` stays the time when it last was, so that
# the outcome does not depend on the order of import. A part whose row was rejected is left alone.
END_UNPRICED = text(f"""
    WITH ended AS (
        UPDATE listing SET status = 'ended', updated_at = now()
        WHERE marketplace = '{SNAPSHOT_MARKETPLACE}' AND status = 'active' AND seen_at < :seen_at
            AND vendor_item_id NOT IN (
                SELECT vendor_item_id FROM offer WHERE reason IS NOT NULL AND vendor_item_id IS NOT NULL)
        RETURNING vendor_item_id
    )
    SELECT count(*) AS ended, count(*) FILTER (WHERE vendor_item_id IN (SELECT vendor_item_id FROM offer)) AS named
    FROM ended
    """)


TELL_PARTS = text("""
    INSERT INTO told_part
    SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS told (
        told text, memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text,
        quantity integer)
    """)

SETTLE_NAMES = text("""
    UPDATE named_cpu SET cpu_id = told.cpu_id, doubt = told.doubt
    FROM unnest(CAST(:names AS text[]), CAST(:cpu_ids AS bigint[]), CAST(:doubts AS text[]))
        AS told (written, cpu_id, doubt)
    WHERE told.written = named_cpu.written
    """)


async def alias_cpus(tx: Tx) -> None:
    """Makes `cpu_alias` and the empty `named_cpu`, which the queries of offers read."""
    await tx.execute(text(ALIAS_CPUS))
    await tx.execute(text("ANALYZE cpu_alias"))
    await tx.execute(text(NAMED_CPUS))


async def name_cpus(tx: Tx, statement: str) -> list[str]:
    """Fills `named_cpu` for the chunk that is staged; the names that are those of no CPU."""
    await tx.execute(text("TRUNCATE named_cpu"))
    await tx.execute(text(statement))
    return [row.written for row in await tx.rows(text("SELECT written FROM named_cpu WHERE cpu_id IS NULL"))]


async def settle_names(tx: Tx, names: Sequence[str], cpu_ids: Sequence[int | None], doubts: Sequence[str]) -> None:
    """What matching told of the names that are those of no CPU: a CPU each, or the doubt."""
    await tx.execute(SETTLE_NAMES, {"names": names, "cpu_ids": cpu_ids, "doubts": doubts})


async def no_parts(tx: Tx) -> None:
    """Makes the empty `told_part`, which the query of listings reads."""
    await tx.execute(text(TOLD_PARTS))


async def part_titles(tx: Tx) -> list[str]:
    """Empties `told_part` for the chunk that is staged; its titles that may tell of parts."""
    await tx.execute(text("TRUNCATE told_part"))
    return [row.title for row in await tx.rows(text(PART_TITLES))]


async def tell_parts(tx: Tx, told: Sequence[Mapping[str, Any]]) -> None:
    """What titles (`told`) tell, by the names of the columns."""
    await tx.execute(TELL_PARTS, {"told": orjson.dumps(told).decode()})


async def lock(tx: Tx) -> None:
    """Waits until nobody else is writing listings, and keeps them waiting."""
    await tx.execute(LOCK)


async def supersede(tx: Tx, first: str) -> int:
    """Marks the rows of `offer` that another row about the same offer outdoes; returns how many."""
    return (await tx.execute(text(_SUPERSEDE.format(first=first)))).rowcount


async def merge(tx: Tx, present: Sequence[str], superseded: int) -> tuple[int, int, int]:
    """Writes what is new. The numbers of listings created, listings updated and further observations recorded."""
    merged = _merged(present)
    known = (await tx.execute(_match(merged))).rowcount
    updated = (await tx.execute(_update(merged))).rowcount if known else 0
    created = (await tx.execute(INSERT)).rowcount
    if superseded:
        await tx.execute(LINK)
    observed = (await tx.execute(OBSERVE)).rowcount if known or superseded else 0
    return created, updated, observed


async def end_unpriced(tx: Tx, seen_at: datetime) -> Any:
    """Ends the listings that this snapshot, if it is the latest, does not price: how many, and how many it names."""
    row = await tx.row(END_UNPRICED, {"seen_at": seen_at})
    assert row is not None
    return row
