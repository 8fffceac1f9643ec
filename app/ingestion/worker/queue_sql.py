"""SQL of the fetch queue: requests add sessions, rows and fetches; workers claim fetches and write their results.

All transactions lock rows in one order, so they cannot deadlock: new hosts, fetches by URL, listings by key, hosts by
name, sessions by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text

from app.db.advisory_locks import FETCH_CLAIM_LOCK, WORKER_LEASE_LOCK_CLASS
from app.db.transaction import Transaction

# Notification topic of workers: there may be fetches to claim.
IMPORTS_TOPIC = "imports"

ADD_HOSTS = text(
    """
    INSERT INTO import_host (host) SELECT DISTINCT unnest(CAST(:hosts AS text[])) ORDER BY 1 ON CONFLICT DO NOTHING
    """
)
# The partial unique index import_fetch_unfinished_key allows one unfinished fetch per URL. A request for a URL that is
# already queued or running returns that fetch and can only raise its priority. Rows are locked in the order of the URL.
ENQUEUE_FETCHES = text(
    """
    INSERT INTO import_fetch AS f (url, host, priority)
    SELECT url, host, CAST(:priority AS smallint)
    FROM unnest(CAST(:urls AS text[]), CAST(:hosts AS text[])) AS requested (url, host)
    ORDER BY url COLLATE "C"
    ON CONFLICT (url) WHERE status IN ('queued', 'running')
        DO UPDATE SET priority = greatest(f.priority, excluded.priority)
    RETURNING id, url, status
    """
)
# A session without valid rows has failed. A session is running if a worker already runs one of its fetches.
CREATE_SESSION = text(
    """
    INSERT INTO import_session (
        source, name, priority, requested_by, total, failed, status, started_at, finished_at)
    SELECT
        :source, :name, CAST(:priority AS smallint), :requested_by, new.total, new.failed,
        CASE WHEN new.failed = new.total THEN 'failed' WHEN new.running THEN 'running' ELSE 'queued' END,
        CASE WHEN new.running OR new.failed = new.total THEN now() END,
        CASE WHEN new.failed = new.total THEN now() END
    FROM (SELECT CAST(:total AS integer) AS total, CAST(:failed AS integer) AS failed,
        CAST(:running AS boolean) AS running) AS new
    RETURNING id
    """
)
ADD_ROWS = text(
    """
    INSERT INTO import_row (session_id, position, url, fetch_id, error_code, error)
    SELECT :session_id, position, url, fetch_id, error_code, error
    FROM unnest(
        CAST(:urls AS text[]), CAST(:fetch_ids AS bigint[]), CAST(:codes AS text[]), CAST(:errors AS text[])
    ) WITH ORDINALITY AS new_row (url, fetch_id, error_code, error, position)
    ORDER BY position
    """
)

# 1. candidate: for each host that is not paused, its first due fetches by priority and id (import_fetch_queued_idx),
#    as many as the limit per host allows in addition to its running fetches (import_fetch_running_idx). Of all hosts,
#    the first `free` by priority and id.
# 2. unlocked: the candidates that no other transaction has locked.
# 3. Mark these as running under the worker's lease.
CLAIM_FETCHES = text(
    """
    WITH candidate AS (
        SELECT due.id, due.priority
        FROM import_host AS h CROSS JOIN LATERAL (
            SELECT id, priority, row_number() OVER (ORDER BY priority DESC, id) AS place
            FROM import_fetch
            WHERE host = h.host AND status = 'queued' AND due_at <= now()
            ORDER BY priority DESC, id
            LIMIT CAST(:max_starts_per_host AS integer)
        ) AS due
        WHERE h.next_at <= now() AND place <= CAST(:max_running_per_host AS integer) - (
            SELECT count(*) FROM import_fetch AS r WHERE r.host = h.host AND r.status = 'running')
        ORDER BY due.priority DESC, due.id
        LIMIT CAST(:free AS integer)
    ), unlocked AS (
        SELECT id FROM import_fetch
        WHERE id IN (SELECT id FROM candidate) AND status = 'queued'
        FOR UPDATE SKIP LOCKED
    )
    UPDATE import_fetch AS f SET status = 'running', claim = CAST(:lease AS integer), attempts = attempts + 1
    FROM unlocked WHERE unlocked.id = f.id
    RETURNING f.id, f.url, f.host, f.attempts, f.retries
    """
)
PAUSE_HOSTS = text(
    """
    WITH locked AS (
        SELECT h.host, pause.seconds
        FROM import_host AS h
        JOIN unnest(CAST(:hosts AS text[]), CAST(:seconds AS double precision[])) AS pause (host, seconds)
            USING (host)
        ORDER BY h.host FOR UPDATE OF h
    )
    UPDATE import_host AS h SET next_at = greatest(h.next_at, now() + make_interval(secs => locked.seconds))
    FROM locked WHERE h.host = locked.host
    """
)
START_SESSIONS = text(
    """
    WITH starting AS (
        SELECT id FROM import_session
        WHERE status = 'queued' AND id IN (
            SELECT session_id FROM import_row WHERE fetch_id = ANY(CAST(:ids AS bigint[])))
        ORDER BY id FOR UPDATE
    )
    UPDATE import_session AS s SET status = 'running', started_at = now() FROM starting WHERE s.id = starting.id
    """
)
SESSIONS_WAITING_FOR = text("SELECT DISTINCT session_id FROM import_row WHERE fetch_id = ANY(CAST(:ids AS bigint[]))")
# Seconds until the next queued fetch is due (import_fetch_due_idx) or the next paused host with queued fetches may be
# fetched from again; null if neither exists.
SECONDS_UNTIL_DUE = text(
    """
    SELECT extract(epoch FROM least(
        (SELECT min(due_at) FROM import_fetch WHERE status = 'queued' AND due_at > now()),
        (SELECT min(h.next_at) FROM import_host AS h WHERE h.next_at > now()
            AND EXISTS (SELECT FROM import_fetch AS f WHERE f.host = h.host AND f.status = 'queued'))
    ) - clock_timestamp())::double precision
    """
)
# Requeue running fetches with an unlocked lease number: their worker is dead. objsubid 2 marks the advisory locks
# with two 32-bit keys, of which pg_locks shows the first as classid and the second as objid.
REQUEUE_ABANDONED = text(
    """
    WITH abandoned AS (
        SELECT id FROM import_fetch AS f
        WHERE status = 'running' AND NOT EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid::bigint = :lock_class AND objid::bigint = f.claim)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE import_fetch AS f SET status = 'queued', claim = NULL FROM abandoned WHERE f.id = abandoned.id
    """
)
# Requeue the fetches of a worker that shuts down. An interrupted attempt does not count.
REQUEUE_CLAIMED = text(
    """
    WITH owned AS (
        SELECT id FROM import_fetch WHERE status = 'running' AND claim = CAST(:lease AS integer)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE import_fetch AS f SET status = 'queued', claim = NULL, attempts = attempts - 1
    FROM owned WHERE f.id = owned.id
    """
)

LOCK_OWNED = text(
    """
    SELECT id FROM import_fetch
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status = 'running' AND claim = CAST(:lease AS integer)
    ORDER BY url COLLATE "C" FOR UPDATE
    """
)
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
class NewImportRow:
    """A row of a new session. `target` is the URL to fetch; None for a rejected row, which has an error instead."""

    url: str
    target: str | None = None
    host: str = ""
    error_code: str | None = None
    error: str | None = None


class ClaimedFetch(NamedTuple):
    """A fetch that a worker has claimed. `attempts` includes the current one; `retries` are those after an error."""

    id: int
    url: str
    host: str
    attempts: int
    retries: int


@dataclass(frozen=True, slots=True)
class PagePayload:
    """The text of a page. `bytes` is its length in UTF-8; `content` is the same text compressed with zlib."""

    content: bytes
    bytes: int
    truncated: bool
    content_type: str


def session_topic(session_id: int) -> str:
    """Return the notification topic of a session."""
    return f"import:{session_id}"


async def enqueue_fetches(tx: Transaction, hosts: Mapping[str, str], priority: int) -> Mapping[str, Any]:
    """Return a fetch (id, status) for each URL: a new one, or the unfinished one with the higher of both priorities.

    `hosts` maps URLs to hosts.
    """
    if not hosts:
        return {}
    await tx.execute(ADD_HOSTS, {"hosts": list(hosts.values())})
    values = {"urls": list(hosts), "hosts": list(hosts.values()), "priority": priority}
    return {row.url: row for row in await tx.rows(ENQUEUE_FETCHES, values)}


async def create_session(tx: Transaction, values: Mapping[str, Any]) -> int:
    """Create a session and return its id."""
    return int(await tx.scalar(CREATE_SESSION, values))


async def add_rows(tx: Transaction, session_id: int, rows: Sequence[NewImportRow], fetches: Mapping[str, int]) -> None:
    """Add the rows of a new session in their order. `fetches` maps URLs to fetch ids."""
    values = {
        "session_id": session_id,
        "urls": [row.url for row in rows],
        "fetch_ids": [None if row.target is None else fetches[row.target] for row in rows],
        "codes": [row.error_code for row in rows],
        "errors": [row.error for row in rows],
    }
    await tx.execute(ADD_ROWS, values)


async def claim_fetches(
    tx: Transaction, lease_number: int, free: int, max_per_host: int, host_delay_seconds: float
) -> Sequence[ClaimedFetch]:
    """Claim up to `free` due fetches for the worker with this lease.

    At most `max_per_host` fetches of one host run at a time. With a `host_delay_seconds`, one fetch per host starts in
    this time.
    """
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": FETCH_CLAIM_LOCK})
    values = {
        "lease": lease_number,
        "free": free,
        "max_running_per_host": max_per_host,
        "max_starts_per_host": 1 if host_delay_seconds else max_per_host,
    }
    fetches = [ClaimedFetch(*row) for row in await tx.rows(CLAIM_FETCHES, values)]
    if fetches:
        hosts = sorted({fetch.host for fetch in fetches})
        if host_delay_seconds:
            await pause_hosts(tx, dict.fromkeys(hosts, host_delay_seconds))
        await tx.execute(START_SESSIONS, {"ids": [fetch.id for fetch in fetches]})
    return fetches


async def pause_hosts(tx: Transaction, seconds: Mapping[str, float]) -> None:
    """Start no fetches of these hosts for the given seconds."""
    await tx.execute(PAUSE_HOSTS, {"hosts": list(seconds), "seconds": list(seconds.values())})


async def sessions_waiting_for(tx: Transaction, fetch_ids: Sequence[int]) -> list[int]:
    """Return the ids of the sessions that have rows with these fetches."""
    return [row.session_id for row in await tx.rows(SESSIONS_WAITING_FOR, {"ids": list(fetch_ids)})]


async def seconds_until_due(tx: Transaction) -> float | None:
    """Return the seconds until a delayed fetch can be claimed, None if no fetch is delayed."""
    seconds = await tx.scalar(SECONDS_UNTIL_DUE)
    return None if seconds is None else float(seconds)


async def requeue_abandoned(tx: Transaction) -> int:
    """Requeue the fetches of dead workers. Returns their number."""
    return (await tx.execute(REQUEUE_ABANDONED, {"lock_class": WORKER_LEASE_LOCK_CLASS})).rowcount


async def requeue_claimed(tx: Transaction, lease_number: int) -> int:
    """Requeue the unfinished fetches of this worker. Returns their number."""
    return (await tx.execute(REQUEUE_CLAIMED, {"lease": lease_number})).rowcount


async def lock_owned(tx: Transaction, lease_number: int, fetch_ids: Sequence[int]) -> set[int]:
    """Lock the fetches that this worker still owns and return their ids. No new row can join a locked fetch."""
    return {row.id for row in await tx.rows(LOCK_OWNED, {"ids": list(fetch_ids), "lease": lease_number})}


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
