"""Statements of the imports of listings and of price snapshots.

The rows of either are read into `offer`, matched with the stored listings, and merged into `listing`, whose triggers
remember what is new. A row with a time of its own (`dated`) is an observation of that time, whenever it is imported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import DateTime, Executable, bindparam, text

from app.bulk_import.staging import cells
from app.db.transaction import Tx
from app.market.imports.parse_sql import (
    ALIAS_CPUS,
    LISTING_ROWS,
    NAMED_CPUS,
    SNAPSHOT_MARKETPLACE,
    SNAPSHOT_ROWS,
    TOLD_PARTS,
)
from app.valuation.adjusted_price import PARTS, VALUED, adjusted_price, valuation

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
    "condition": "CASE WHEN broken THEN 'for_parts' ELSE coalesce(condition_meaning, 'unknown') END",
    "status": "coalesce(status_meaning, 'active')",
    "price": "price_value",
    "shipping": "shipping_value",
    "currency": "coalesce(currency, 'USD')",
}
# What its title says of what it carries.
_TOLD = {**{name: name for name in PARTS}, "quantity": "coalesce(quantity, 1)", "flags": "flags"}
_REQUIRED = ("cpu_id", "title", "marketplace", "price")
_OBSERVED = ("price", "shipping", "currency", "adjusted_price")
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

    What an offer carries stays, too, where its title does not tell: somebody else may have known. A title that admits
    that it is broken is believed by itself.
    """
    merged = {column: f"{'o' if column in _REQUIRED or column in present else 'l'}.{column}" for column in _GIVEN}
    merged |= {column: f"coalesce(o.{column}, l.{column})" for column in (*PARTS, "flags")}
    if "condition" not in present:
        merged["condition"] = "CASE WHEN o.condition = 'for_parts' THEN o.condition ELSE l.condition END"
    return {**merged, "quantity": "o.quantity", "is_sample": "o.is_sample"}


def _match(merged: Mapping[str, str]) -> Executable:
    """Makes `known`: how the offers that are listed already compare with what is stored.

    `stale`: the stored listing was seen later. `differs`: it says something else, or is missing and now found.
    `state`: whether the offer could be bought then, which a row that is stale tells of its own time.
    """
    valued = {**merged, "seen_at": "o.seen_at"}
    compared = {**merged, "adjusted_price": adjusted_price(valued, "valuation.valuation")}
    return text(f"""
        CREATE TEMP TABLE known ON COMMIT DROP AS
        SELECT
            o.line, l.id AS listing_id,
            {", ".join(f"{compared[column]} AS {column}" for column in _OBSERVED)}, valuation.valuation,
            CASE WHEN CASE WHEN o.seen_at < l.seen_at THEN o.status ELSE {merged["status"]} END = 'active'
                THEN 'active' ELSE 'gone' END AS state,
            o.seen_at < l.seen_at AS stale,
            ({", ".join(compared.values())}) IS DISTINCT FROM ({", ".join(f"l.{column}" for column in compared)})
                OR (o.dated AND o.seen_at > l.seen_at) OR l.missing_since IS NOT NULL AS differs
        FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
        CROSS JOIN LATERAL (SELECT {valuation(valued)} AS valuation OFFSET 0) AS valuation
        """)


def _update(merged: Mapping[str, str]) -> Executable:
    """Writes the offers that say something new about a listing."""
    written = {**merged, "adjusted_price": "known.adjusted_price", "valuation": "known.valuation"}
    return text(f"""
        UPDATE listing AS l SET
            {", ".join(f"{column} = {value}" for column, value in written.items() if value != f"l.{column}")},
            seen_at = o.seen_at, missing_since = NULL, updated_at = now()
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

# What is valued of an offer that is new.
_NEW = {name: f"o.{name}" for name in VALUED}
INSERT = text(f"""
    INSERT INTO listing ({", ".join(CONTENT)}, offer_key, seen_at, valuation, adjusted_price)
    SELECT
        {", ".join(CONTENT)}, offer_key, seen_at, valuation.valuation, {adjusted_price(_NEW, "valuation.valuation")}
    FROM offer AS o CROSS JOIN LATERAL (SELECT {valuation(_NEW)} AS valuation OFFSET 0) AS valuation
    WHERE offer_key IS NOT NULL AND NOT superseded AND NOT EXISTS (SELECT FROM known WHERE known.line = o.line)
    """)
# Superseded rows of offers that were new until a moment ago: of use as observations only, hence stale.
LINK = text(f"""
    INSERT INTO known (line, listing_id, price, shipping, currency, adjusted_price, state, stale, differs)
    SELECT
        o.line, l.id, o.price, o.shipping, o.currency, {adjusted_price(_NEW, "valuation.valuation")},
        CASE WHEN o.status = 'active' THEN 'active' ELSE 'gone' END, true, false
    FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
    CROSS JOIN LATERAL (SELECT {valuation(_NEW)} AS valuation OFFSET 0) AS valuation
    WHERE o.superseded AND NOT EXISTS (SELECT FROM known WHERE known.line = o.line)
    """)

# What rows with a time of their own tell of it, where the triggers have not told already.
OBSERVE = text(f"""
    INSERT INTO price_observation AS p (listing_id, seen_at, {", ".join(_OBSERVED)}, state)
    SELECT k.listing_id, o.seen_at, {", ".join(f"k.{column}" for column in _OBSERVED)}, k.state
    FROM known AS k
    JOIN offer AS o USING (line)
    LEFT JOIN price_observation AS before ON before.listing_id = k.listing_id AND before.seen_at = o.seen_at
    WHERE o.dated AND NOT o.repeated
        AND (before.listing_id IS NULL
            OR (before.price, before.shipping, before.currency, before.state)
                IS DISTINCT FROM (k.price, k.shipping, k.currency, k.state))
    ON CONFLICT (listing_id, seen_at) DO UPDATE SET
        {", ".join(f"{column} = excluded.{column}" for column in (*_OBSERVED, "state"))}
    """)

# Months of the file that may have no partition yet. Dates before 2000 are misprints, and have the rest to be in.
MONTHS = text("""
    SELECT DISTINCT date_trunc('month', seen_at AT TIME ZONE 'UTC')::date AS month
    FROM offer WHERE offer_key IS NOT NULL AND seen_at >= '2000-01-01Z' ORDER BY 1
    """)

# What the latest snapshot does not price is not on sale any more. `seen_at` stays the time when it last was, so that
# the outcome does not depend on the order of import. A part whose row was rejected is left alone.
_REJECTED = "SELECT vendor_item_id FROM offer WHERE reason IS NOT NULL AND vendor_item_id IS NOT NULL"
END_UNPRICED = text(f"""
    WITH ended AS (
        UPDATE listing SET status = 'ended', updated_at = now()
        WHERE marketplace = '{SNAPSHOT_MARKETPLACE}' AND status = 'active' AND seen_at < :seen_at
            AND vendor_item_id NOT IN ({_REJECTED})
        RETURNING vendor_item_id
    )
    SELECT count(*) AS ended, count(*) FILTER (WHERE vendor_item_id IN (SELECT vendor_item_id FROM offer)) AS named
    FROM ended
    """)

# On its day a part that a snapshot prices was on sale, whatever became of it by now.
SHOW_PRICED = text("""
    UPDATE price_observation AS p SET state = 'active'
    FROM offer AS o JOIN listing AS l ON l.offer_key = o.offer_key
    WHERE p.listing_id = l.id AND p.seen_at = :seen_at AND p.state <> 'active'
    """)
# And not any more on the day of the next snapshot that does not price it: seen from either of the two.
CLOSE_GAPS = text(f"""
    INSERT INTO price_observation (listing_id, seen_at, {", ".join(_OBSERVED)}, state)
    WITH part AS (
        SELECT id, vendor_item_id FROM listing WHERE marketplace = '{SNAPSHOT_MARKETPLACE}'
    ), told AS (
        SELECT p.*, part.vendor_item_id FROM part JOIN price_observation AS p ON p.listing_id = part.id
    ), later AS (
        SELECT min(seen_at) AS day FROM told WHERE state = 'active' AND seen_at > :seen_at
    ), latest AS (
        SELECT DISTINCT ON (listing_id) * FROM told WHERE seen_at <= :seen_at ORDER BY listing_id, seen_at DESC
    )
    SELECT listing_id, CASE WHEN seen_at < :seen_at THEN :seen_at ELSE day END, {", ".join(_OBSERVED)}, 'gone'
    FROM latest CROSS JOIN later
    WHERE state = 'active' AND CASE
        WHEN seen_at < :seen_at THEN vendor_item_id NOT IN ({_REJECTED})
        ELSE day IS NOT NULL END
    ON CONFLICT (listing_id, seen_at) DO NOTHING
    """).bindparams(bindparam("seen_at", type_=DateTime(timezone=True)))

# What the triggers of `listing` take for the time of what is written next: `seen`, that at which each was seen.
HAPPENED_AT = text("SELECT set_config('dealmark.happened_at', :moment, true)")


TELL_PARTS = text("""
    INSERT INTO told_part
    SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS told (
        told text, memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text,
        quantity integer, flags text[], broken boolean)
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


async def tell_parts(tx: Tx, told: Mapping[str, Mapping[str, Any]]) -> None:
    """What the titles of the chunk that is staged tell, by the names of the columns; those that tell of none may be
    left out."""
    await tx.execute(text("TRUNCATE told_part"))
    if told:
        await tx.execute(TELL_PARTS, {"told": orjson.dumps(list(told.values())).decode()})


async def lock(tx: Tx) -> None:
    """Waits until nobody else is writing listings, and keeps them waiting."""
    await tx.execute(LOCK)


async def months(tx: Tx) -> list[date]:
    """The first days of the months (UTC) that the offers tell of."""
    return [row.month for row in await tx.rows(MONTHS)]


async def supersede(tx: Tx, first: str) -> int:
    """Marks the rows of `offer` that another row about the same offer outdoes; returns how many."""
    return (await tx.execute(text(_SUPERSEDE.format(first=first)))).rowcount


async def merge(tx: Tx, present: Sequence[str], superseded: int) -> tuple[int, int, int]:
    """Writes what is new. The numbers of listings created, listings updated and further observations recorded."""
    merged = _merged(present)
    known = (await tx.execute(_match(merged))).rowcount
    async with happened_at(tx, "seen"):
        updated = (await tx.execute(_update(merged))).rowcount if known else 0
    created = (await tx.execute(INSERT)).rowcount
    if superseded:
        await tx.execute(LINK)
    observed = (await tx.execute(OBSERVE)).rowcount if known or superseded else 0
    return created, updated, observed


async def end_unpriced(tx: Tx, seen_at: datetime) -> Any:
    """Ends the listings that this snapshot, if it is the latest, does not price: how many, and how many it names."""
    async with happened_at(tx, seen_at.isoformat()):
        row = await tx.row(END_UNPRICED, {"seen_at": seen_at})
    assert row is not None
    return row


async def remember_snapshot(tx: Tx, seen_at: datetime) -> int:
    """Remembers from when to when parts were on sale, as this snapshot tells; returns how much of it is new."""
    shown = (await tx.execute(SHOW_PRICED, {"seen_at": seen_at})).rowcount
    return shown + (await tx.execute(CLOSE_GAPS, {"seen_at": seen_at})).rowcount


@asynccontextmanager
async def happened_at(tx: Tx, moment: str) -> AsyncIterator[None]:
    """Has what is written to `listing` within remembered as of this time."""
    await tx.execute(HAPPENED_AT, {"moment": moment})
    yield
    await tx.execute(HAPPENED_AT, {"moment": ""})
