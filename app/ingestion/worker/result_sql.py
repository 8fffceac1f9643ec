"""SQL that stores the results of fetches: rows, payloads and session counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text

from app.db.transaction import Transaction

_RESULT_COLUMNS = (
    "id bigint, status text, delay double precision, error_code text, error text, quality text, adapter text, "
    "final_url text, fetched_at timestamptz, listing_ids bigint[], remarks text[]"
)

# A result with a delay is a retry: the fetch is queued again and due after the delay. Other results are final.
WRITE_RESULTS = text(
    f"""
    UPDATE import_fetch AS f SET
        status = result.status, claim = NULL, error_code = result.error_code, error = result.error,
        quality = result.quality, adapter = result.adapter, final_url = result.final_url,
        fetched_at = result.fetched_at, listing_ids = result.listing_ids, remarks = result.remarks,
        retries = retries + (result.delay IS NOT NULL)::integer,
        due_at = CASE WHEN result.delay IS NULL THEN due_at
            ELSE clock_timestamp() + make_interval(secs => result.delay) END,
        finished_at = CASE WHEN result.delay IS NULL THEN clock_timestamp() END
    FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS result ({_RESULT_COLUMNS})
    WHERE f.id = result.id
    """
)

STORE_PAYLOADS = text(
    """
    INSERT INTO import_payload (fetch_id, content, bytes, truncated, content_type)
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:contents AS bytea[]), CAST(:bytes AS integer[]), CAST(:truncated AS boolean[]),
        CAST(:types AS text[]))
    ON CONFLICT (fetch_id) DO NOTHING
    """
)

# Locks the sessions before UPDATE_SESSION_COUNTS, which would lock them in an arbitrary order.
LOCK_SESSIONS = text(
    """
    SELECT id FROM import_session
    WHERE id IN (SELECT session_id FROM import_row WHERE fetch_id = ANY(CAST(:ids AS bigint[])))
    ORDER BY id FOR UPDATE
    """
)

# finished: by session, the number of its rows for each final status of these fetches (index on import_row.fetch_id).
# The new counts decide the status of the session: it is finished when all rows are counted.
UPDATE_SESSION_COUNTS = text(
    """
    WITH finished AS (
        SELECT
            r.session_id, count(*) FILTER (WHERE f.status = 'complete') AS complete,
            count(*) FILTER (WHERE f.status = 'partial') AS partial,
            count(*) FILTER (WHERE f.status = 'failed') AS failed
        FROM import_row AS r JOIN import_fetch AS f ON f.id = r.fetch_id
        WHERE f.id = ANY(CAST(:ids AS bigint[]))
        GROUP BY r.session_id
    )
    UPDATE import_session AS s SET
        complete = s.complete + f.complete, partial = s.partial + f.partial, failed = s.failed + f.failed,
        started_at = coalesce(s.started_at, now()),
        status = CASE
            WHEN s.complete + s.partial + s.failed + f.complete + f.partial + f.failed < s.total THEN 'running'
            WHEN s.complete + f.complete = s.total THEN 'complete'
            WHEN s.failed + f.failed = s.total THEN 'failed'
            ELSE 'partial' END,
        finished_at = CASE WHEN s.complete + s.partial + s.failed + f.complete + f.partial + f.failed = s.total
            THEN clock_timestamp() END
    FROM finished AS f WHERE s.id = f.session_id
    RETURNING s.id
    """
)

# latest: by URL, the newest fetch that found listings (hash index import_fetch_url_idx). The statement returns those of
# its listings that have not since been seen at another URL.
LAST_KNOWN_LISTINGS = text(
    """
    SELECT url, ARRAY(
        SELECT l.id FROM unnest(listing_ids) WITH ORDINALITY AS of (id, place) JOIN listing AS l USING (id)
        WHERE l.seen_at <= at OR l.url IN (latest.url, final_url) ORDER BY place) AS listing_ids
    FROM (
        SELECT DISTINCT ON (url) url, listing_ids, final_url, coalesce(fetched_at, finished_at) AS at
        FROM import_fetch WHERE url = ANY(CAST(:urls AS text[])) AND listing_ids <> '{}'
        ORDER BY url, id DESC
    ) AS latest
    """
)

# Listings that should have an adjusted price but have none. `has_rate` distinguishes the two reasons: a listing without
# an exchange rate has no valuation at all.
UNPRICED_LISTINGS = text(
    """
    SELECT id, currency, valuation IS NOT NULL AS has_rate
    FROM listing
    WHERE id = ANY(CAST(:ids AS bigint[])) AND price IS NOT NULL AND adjusted_price IS NULL
        AND condition <> 'for_parts' AND quantity <= 1 AND flags IS NULL
    """
)

OTHER_COMPONENTS_REMARK = (
    "The other components are worth as much as the whole offer: its price does not count for price targets."
)

NO_RATE_REMARK = "There is no exchange rate for {}: the price does not count for price targets until one is imported."


@dataclass(frozen=True, slots=True)
class PagePayload:
    """The text of a page. `bytes` is its length in UTF-8; `content` is the same text compressed with zlib."""

    content: bytes
    bytes: int
    truncated: bool
    content_type: str


async def write_results(tx: Transaction, results: Sequence[Mapping[str, Any]]) -> None:
    """Write the results of locked fetches. A result with a `delay` in seconds is a retry."""
    await tx.execute(WRITE_RESULTS, {"results": orjson.dumps(results).decode()})


async def store_payloads(tx: Transaction, payloads: Mapping[int, PagePayload]) -> None:
    """Store the fetched pages. `payloads` maps fetch ids to pages."""
    values = {
        "ids": list(payloads),
        "contents": [payload.content for payload in payloads.values()],
        "bytes": [payload.bytes for payload in payloads.values()],
        "truncated": [payload.truncated for payload in payloads.values()],
        "types": [payload.content_type for payload in payloads.values()],
    }
    await tx.execute(STORE_PAYLOADS, values)


async def update_session_counts(tx: Transaction, fetch_ids: Sequence[int]) -> list[int]:
    """Count the rows of newly finished fetches in their sessions, and return the ids of these sessions.

    Call it once per fetch: it adds to the counts.
    """
    await tx.execute(LOCK_SESSIONS, {"ids": list(fetch_ids)})
    return [row.id for row in await tx.rows(UPDATE_SESSION_COUNTS, {"ids": list(fetch_ids)})]


async def last_known_listings(tx: Transaction, urls: Sequence[str]) -> Mapping[str, list[int]]:
    """Return the listings that the last successful fetch of each URL found, without those that have moved since."""
    return {row.url: row.listing_ids for row in await tx.rows(LAST_KNOWN_LISTINGS, {"urls": list(urls)})}


async def unpriced_listings(tx: Transaction, listing_ids: Sequence[int]) -> Mapping[int, str]:
    """Return, for listings without an adjusted price, the reason if the offer itself does not show it."""
    rows = await tx.rows(UNPRICED_LISTINGS, {"ids": list(listing_ids)})
    return {row.id: OTHER_COMPONENTS_REMARK if row.has_rate else NO_RATE_REMARK.format(row.currency) for row in rows}
