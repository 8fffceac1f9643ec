"""Statements of the import of exchange rates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import text

from app.bulk_import.staging import as_number, cells, shown
from app.db.transaction import Tx
from app.valuation.currencies import CURRENCIES

COLUMNS = ("date", "currency", "rate")
BASE = "USD"
DECIMALS = 12
LARGEST = 100  # USD; no currency is worth that much

_IS_DATE = (
    r"(length(date) = 10 AND translate(date, '0123456789', '') = '--' AND date LIKE '____-__-__' "
    r"AND pg_input_is_valid(date, 'date'))"
)

READ = f"""
    SELECT
        line, reason, {cells(COLUMNS)} AS cells, currency,
        CASE WHEN reason IS NULL THEN date::date END AS day, rate_value AS usd,
        false AS superseded
    FROM (
        SELECT *, CASE
            WHEN fault IS NOT NULL THEN fault
            WHEN date IS NULL THEN 'date is empty'
            WHEN NOT {_IS_DATE} THEN 'date ' || {shown("date")} || ' is not an ISO 8601 date'
            WHEN CASE WHEN {_IS_DATE} THEN date::date END > (now() AT TIME ZONE 'UTC')::date + 1
                THEN 'date ' || {shown("date")} || ' is in the future'
            WHEN currency IS NULL THEN 'currency is empty'
            WHEN currency <> ALL (string_to_array('{CURRENCIES}', ' ')) THEN 'unknown currency ' || {shown("currency")}
            WHEN rate IS NULL THEN 'rate is empty'
            WHEN rate_value IS NULL THEN 'rate ' || {shown("rate")} || ' is not a number'
            WHEN rate_value <= 0 THEN 'rate ' || {shown("rate")} || ' is not more than 0'
            WHEN rate_value > {LARGEST} THEN 'rate ' || {shown("rate")} || ' is more than {LARGEST}\\: '
                || 'it must be USD per unit of the currency'
            WHEN currency = '{BASE}' AND rate_value <> 1 THEN 'the rate of {BASE} is 1'
        END AS reason
        FROM (
            SELECT
                line, fault, raw, date, rate, upper(currency) AS currency,
                round({as_number("rate")}, {DECIMALS}) AS rate_value
            FROM staged OFFSET 0
        ) AS parsed OFFSET 0
    ) AS judged
    """

# Of several rows for one day the last counts.
_SUPERSEDE = text("""
    UPDATE read_rate SET superseded = true
    FROM (
        SELECT line, currency, row_number() OVER (PARTITION BY currency, day ORDER BY line DESC) AS place
        FROM read_rate WHERE reason IS NULL
    ) AS ranked
    WHERE (ranked.line, ranked.currency) = (read_rate.line, read_rate.currency) AND place > 1
    """)

_MERGE = text(f"""
    WITH written AS (
        INSERT INTO exchange_rate AS known (currency, date, usd)
        SELECT currency, day, usd FROM read_rate
        WHERE reason IS NULL AND NOT superseded AND currency <> '{BASE}'
        ORDER BY currency, day
        ON CONFLICT (currency, date) DO UPDATE SET usd = excluded.usd WHERE known.usd <> excluded.usd
        RETURNING currency, date, old.usd IS NULL AS created
    )
    SELECT
        count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated,
        array_agg(DISTINCT currency ORDER BY currency) AS currencies, min(date) AS since
    FROM written
    """)


class Merged(NamedTuple):
    """What was written: how many rates, and of which currencies since when."""

    created: int
    updated: int
    currencies: Sequence[str]
    since: date | None


async def supersede(tx: Tx) -> int:
    """Marks the rows of `read_rate` that a later row of the same day outdoes; returns how many."""
    return (await tx.execute(_SUPERSEDE)).rowcount


async def merge(tx: Tx) -> Merged:
    """Writes what is new."""
    row = await tx.row(_MERGE)
    assert row is not None
    return Merged(row.created, row.updated, row.currencies or (), row.since)
