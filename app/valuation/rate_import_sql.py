"""Statements of the import of exchange rates.

Staged rows are parsed into the temporary table `parsed_rate` (line, reason, cells, currency, day, usd, superseded) and
then merged into `exchange_rate`. The table lives until the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import text

from app.bulk_import.staging import parse_number_sql, quoted_sql, rejected_cells_sql
from app.db.transaction import Transaction
from app.valuation.currencies import CURRENCIES

COLUMNS = ("date", "currency", "rate")
BASE_CURRENCY = "USD"
DECIMALS = 12
MAX_RATE_USD = 100  # no currency is worth that much

_IS_DATE = (
    r"(length(date) = 10 AND translate(date, '0123456789', '') = '--' AND date LIKE '____-__-__' "
    r"AND pg_input_is_valid(date, 'date'))"
)

PARSE_QUERY = f"""
    SELECT
        line, reason, {rejected_cells_sql(COLUMNS)} AS cells, currency,
        CASE WHEN reason IS NULL THEN date::date END AS day, rate_value AS usd,
        false AS superseded
    FROM (
        SELECT *, CASE
            WHEN fault IS NOT NULL THEN fault
            WHEN date IS NULL THEN 'date is empty'
            WHEN NOT {_IS_DATE} THEN 'date ' || {quoted_sql("date")} || ' is not an ISO 8601 date'
            WHEN CASE WHEN {_IS_DATE} THEN date::date END > (now() AT TIME ZONE 'UTC')::date + 1
                THEN 'date ' || {quoted_sql("date")} || ' is in the future'
            WHEN currency IS NULL THEN 'currency is empty'
            WHEN currency <> ALL (string_to_array('{CURRENCIES}', ' '))
                THEN 'unknown currency ' || {quoted_sql("currency")}
            WHEN rate IS NULL THEN 'rate is empty'
            WHEN rate_value IS NULL THEN 'rate ' || {quoted_sql("rate")} || ' is not a number'
            WHEN rate_value <= 0 THEN 'rate ' || {quoted_sql("rate")} || ' is not more than 0'
            WHEN rate_value > {MAX_RATE_USD} THEN 'rate ' || {quoted_sql("rate")} || ' is more than {MAX_RATE_USD}\\: '
                || 'it must be USD per unit of the currency'
            WHEN currency = '{BASE_CURRENCY}' AND rate_value <> 1 THEN 'the rate of {BASE_CURRENCY} is 1'
        END AS reason
        FROM (
            SELECT
                line, fault, raw, date, rate, upper(currency) AS currency,
                round({parse_number_sql("rate")}, {DECIMALS}) AS rate_value
            FROM staged OFFSET 0
        ) AS parsed OFFSET 0
    ) AS checked
    """

# The last of several rows for one currency and day counts.
_SUPERSEDE = text("""
    UPDATE parsed_rate SET superseded = true
    FROM (
        SELECT line, currency, row_number() OVER (PARTITION BY currency, day ORDER BY line DESC) AS rank
        FROM parsed_rate WHERE reason IS NULL
    ) AS ranked
    WHERE (ranked.line, ranked.currency) = (parsed_rate.line, parsed_rate.currency) AND rank > 1
    """)

_MERGE = text(f"""
    WITH written AS (
        INSERT INTO exchange_rate AS known (currency, date, usd)
        SELECT currency, day, usd FROM parsed_rate
        WHERE reason IS NULL AND NOT superseded AND currency <> '{BASE_CURRENCY}'
        ORDER BY currency, day
        ON CONFLICT (currency, date) DO UPDATE SET usd = excluded.usd WHERE known.usd <> excluded.usd
        RETURNING currency, date, old.usd IS NULL AS created
    )
    SELECT
        count(*) FILTER (WHERE created) AS created, count(*) FILTER (WHERE NOT created) AS updated,
        array_agg(DISTINCT currency ORDER BY currency) AS currencies, min(date) AS since
    FROM written
    """)


class RateMergeResult(NamedTuple):
    """Numbers of rates created and updated, their currencies, and their earliest date (None without any)."""

    created: int
    updated: int
    currencies: Sequence[str]
    since: date | None


async def mark_superseded(tx: Transaction) -> int:
    """Mark the rows of `parsed_rate` that a later row for the same currency and day replaces; return their number."""
    return (await tx.execute(_SUPERSEDE)).rowcount


async def merge(tx: Transaction) -> RateMergeResult:
    """Write the new and changed rates of `parsed_rate` to `exchange_rate`."""
    row = await tx.row(_MERGE)
    assert row is not None
    return RateMergeResult(row.created, row.updated, row.currencies or (), row.since)
