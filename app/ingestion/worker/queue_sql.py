"""Statements of those who ask for imports and of the workers that do them.

Everybody takes locks in one order, so nobody waits in a circle: hosts that are new, fetches by URL, listings by key,
hosts by name, sessions by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text

from app.db.advisory_locks import CLAIMING_LOCK, CLAIMS
from app.db.transaction import Tx

# What workers follow: there may be something to fetch.
IMPORTS = "imports"

ADD_HOSTS = text(
    """
    INSERT INTO import_host (host) SELECT DISTINCT unnest(CAST(:hosts AS text[])) ORDER BY 1 ON CONFLICT DO NOTHING
    """
)
REQUEST_FETCHES = text(
    """
    INSERT INTO import_fetch AS f (url, host, priority)
    SELECT url, host, CAST(:priority AS smallint)
    FROM unnest(CAST(:urls AS text[]), CAST(:hosts AS text[])) AS wanted (url, host)
    ORDER BY url COLLATE "C"
    ON CONFLICT (url) WHERE status IN ('queued', 'running')
        DO UPDATE SET priority = greatest(f.priority, excluded.priority)
    RETURNING id, url, status
    """
)
CREATE_SESSION = text(
    """
    INSERT INTO import_session (
        source, name, priority, requested_by, total, failed, status, started_at, finished_at)
    SELECT
        :source, :name, CAST(:priority AS smallint), :requested_by, g.total, g.failed,
        CASE WHEN g.failed = g.total THEN 'failed' WHEN g.running THEN 'running' ELSE 'queued' END,
        CASE WHEN g.running OR g.failed = g.total THEN now() END, CASE WHEN g.failed = g.total THEN now() END
    FROM (SELECT CAST(:total AS integer) AS total, CAST(:failed AS integer) AS failed,
        CAST(:running AS boolean) AS running) AS g
    RETURNING id
    """
)
ADD_ROWS = text(
    """
    INSERT INTO import_row (session_id, position, url, fetch_id, error_code, error)
    SELECT :session_id, position, url, fetch_id, error_code, error
    FROM unnest(
        CAST(:urls AS text[]), CAST(:fetch_ids AS bigint[]), CAST(:codes AS text[]), CAST(:errors AS text[])
    ) WITH ORDINALITY AS given (url, fetch_id, error_code, error, position)
    ORDER BY position
    """
)

# For each host that may be asked now what comes first, as far as others leave room.
CLAIM = text(
    """
    WITH candidate AS (
        SELECT due.id, due.priority
        FROM import_host AS h CROSS JOIN LATERAL (
            SELECT id, priority, row_number() OVER (ORDER BY priority DESC, id) AS place
            FROM import_fetch
            WHERE host = h.host AND status = 'queued' AND due_at <= now()
            ORDER BY priority DESC, id
            LIMIT CAST(:at_once AS integer)
        ) AS due
        WHERE h.next_at <= now() AND place <= CAST(:per_host AS integer) - (
            SELECT count(*) FROM import_fetch AS r WHERE r.host = h.host AND r.status = 'running')
        ORDER BY due.priority DESC, due.id
        LIMIT CAST(:free AS integer)
    ), free AS (
        SELECT id FROM import_fetch
        WHERE id IN (SELECT id FROM candidate) AND status = 'queued'
        FOR UPDATE SKIP LOCKED
    )
    UPDATE import_fetch AS f SET status = 'running', claim = CAST(:claim AS integer), attempts = attempts + 1
    FROM free WHERE free.id = f.id
    RETURNING f.id, f.url, f.host, f.attempts, f.retries
    """
)
PAUSE = text(
    """
    WITH locked AS (
        SELECT h.host, given.seconds
        FROM import_host AS h
        JOIN unnest(CAST(:hosts AS text[]), CAST(:seconds AS double precision[])) AS given (host, seconds)
            USING (host)
        ORDER BY h.host FOR UPDATE OF h
    )
    UPDATE import_host AS h SET next_at = greatest(h.next_at, now() + make_interval(secs => locked.seconds))
    FROM locked WHERE h.host = locked.host
    """
)
BEGIN_SESSIONS = text(
    """
    WITH begun AS (
        SELECT id FROM import_session
        WHERE status = 'queued' AND id IN (
            SELECT session_id FROM import_row WHERE fetch_id = ANY(CAST(:ids AS bigint[])))
        ORDER BY id FOR UPDATE
    )
    UPDATE import_session AS s SET status = 'running', started_at = now() FROM begun WHERE s.id = begun.id
    """
)
CONCERNED = text("SELECT DISTINCT session_id FROM import_row WHERE fetch_id = ANY(CAST(:ids AS bigint[]))")
# Seconds until something is due that is not yet; null when nothing is.
NEXT_DUE = text(
    """
    SELECT extract(epoch FROM least(
        (SELECT min(due_at) FROM import_fetch WHERE status = 'queued' AND due_at > now()),
        (SELECT min(h.next_at) FROM import_host AS h WHERE h.next_at > now()
            AND EXISTS (SELECT FROM import_fetch AS f WHERE f.host = h.host AND f.status = 'queued'))
    ) - clock_timestamp())::double precision
    """
)
# What a worker had claimed that is gone, whose lock is free therefore.
FREE_ORPHANS = text(
    """
    WITH orphan AS (
        SELECT id FROM import_fetch AS f
        WHERE status = 'running' AND NOT EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid::bigint = :claims AND objid::bigint = f.claim)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE import_fetch AS f SET status = 'queued', claim = NULL FROM orphan WHERE f.id = orphan.id
    """
)
# What this worker gives back because it is told to stop: that was no attempt.
RELEASE = text(
    """
    WITH mine AS (
        SELECT id FROM import_fetch WHERE status = 'running' AND claim = CAST(:claim AS integer)
        FOR UPDATE SKIP LOCKED
    )
    UPDATE import_fetch AS f SET status = 'queued', claim = NULL, attempts = attempts - 1
    FROM mine WHERE f.id = mine.id
    """
)

HOLD = text(
    """
    SELECT id FROM import_fetch
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status = 'running' AND claim = CAST(:claim AS integer)
    ORDER BY url COLLATE "C" FOR UPDATE
    """
)
_OUTCOME = (
    "id bigint, status text, delay double precision, error_code text, error text, quality text, adapter text, "
    "final_url text, fetched_at timestamptz, listing_ids bigint[], remarks text[]"
)
FINISH = text(
    f"""
    UPDATE import_fetch AS f SET
        status = o.status, claim = NULL, error_code = o.error_code, error = o.error,
        quality = o.quality, adapter = o.adapter, final_url = o.final_url, fetched_at = o.fetched_at,
        listing_ids = o.listing_ids, remarks = o.remarks,
        retries = retries + (o.delay IS NOT NULL)::integer,
        due_at = CASE WHEN o.delay IS NULL THEN due_at ELSE clock_timestamp() + make_interval(secs => o.delay) END,
        finished_at = CASE WHEN o.delay IS NULL THEN clock_timestamp() END
    FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS o ({_OUTCOME})
    WHERE f.id = o.id
    """
)
KEEP_PAYLOADS = text(
    """
    INSERT INTO import_payload (fetch_id, content, bytes, truncated, content_type)
    SELECT * FROM unnest(
        CAST(:ids AS bigint[]), CAST(:contents AS bytea[]), CAST(:bytes AS integer[]), CAST(:truncated AS boolean[]),
        CAST(:types AS text[]))
    ON CONFLICT (fetch_id) DO NOTHING
    """
)
LOCK_SESSIONS = text(
    """
    SELECT id FROM import_session
    WHERE id IN (SELECT session_id FROM import_row WHERE fetch_id = ANY(CAST(:ids AS bigint[])))
    ORDER BY id FOR UPDATE
    """
)
COUNT_ROWS = text(
    """
    WITH ended AS (
        SELECT
            r.session_id, count(*) FILTER (WHERE f.status = 'complete') AS complete,
            count(*) FILTER (WHERE f.status = 'partial') AS partial,
            count(*) FILTER (WHERE f.status = 'failed') AS failed
        FROM import_row AS r JOIN import_fetch AS f ON f.id = r.fetch_id
        WHERE f.id = ANY(CAST(:ids AS bigint[]))
        GROUP BY r.session_id
    )
    UPDATE import_session AS s SET
        complete = s.complete + e.complete, partial = s.partial + e.partial, failed = s.failed + e.failed,
        started_at = coalesce(s.started_at, now()),
        status = CASE
            WHEN s.complete + s.partial + s.failed + e.complete + e.partial + e.failed < s.total THEN 'running'
            WHEN s.complete + e.complete = s.total THEN 'complete'
            WHEN s.failed + e.failed = s.total THEN 'failed'
            ELSE 'partial' END,
        finished_at = CASE WHEN s.complete + s.partial + s.failed + e.complete + e.partial + e.failed = s.total
            THEN clock_timestamp() END
    FROM ended AS e WHERE s.id = e.session_id
    RETURNING s.id
    """
)
KNOWN_LISTINGS = text(
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
UNVALUED = text(
    """
    SELECT id, currency, valuation IS NOT NULL AS has_rate
    FROM listing
    WHERE id = ANY(CAST(:ids AS bigint[])) AND price IS NOT NULL AND adjusted_price IS NULL
        AND condition <> 'for_parts' AND quantity <= 1 AND flags IS NULL
    """
)


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row of a new session: `target` is the URL to fetch, None when there is an error instead."""

    url: str
    target: str | None = None
    host: str = ""
    error_code: str | None = None
    error: str | None = None


def topic(session_id: int) -> str:
    """What followers of a session follow."""
    return f"import:{session_id}"


async def request_fetches(tx: Tx, hosts: Mapping[str, str], priority: int) -> Mapping[str, Any]:
    """By URL the fetch (id, status) that will be, or is under way: of each URL at most one is unfinished.

    `hosts`: URL -> host. Who asks for one that is under way already gets that, at the greater priority of the two.
    """
    if not hosts:
        return {}
    await tx.execute(ADD_HOSTS, {"hosts": list(hosts.values())})
    values = {"urls": list(hosts), "hosts": list(hosts.values()), "priority": priority}
    return {row.url: row for row in await tx.rows(REQUEST_FETCHES, values)}


async def create_session(tx: Tx, values: Mapping[str, Any]) -> int:
    """A new session; its id."""
    return int(await tx.scalar(CREATE_SESSION, values))


async def add_rows(tx: Tx, session_id: int, rows: Sequence[NewRow], fetches: Mapping[str, int]) -> None:
    """The rows of a new session, in their order; `fetches`: URL -> id."""
    values = {
        "session_id": session_id,
        "urls": [row.url for row in rows],
        "fetch_ids": [None if row.target is None else fetches[row.target] for row in rows],
        "codes": [row.error_code for row in rows],
        "errors": [row.error for row in rows],
    }
    await tx.execute(ADD_ROWS, values)


async def claim(tx: Tx, number: int, free: int, per_host: int, pause: float) -> Sequence[Any]:
    """Takes up to `free` fetches (id, url, host, attempts, retries) that are due, for the worker of this claim.

    At most `per_host` of a host run at a time, and if there is a `pause` one begins per pause.
    """
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CLAIMING_LOCK})
    values = {"claim": number, "free": free, "per_host": per_host, "at_once": 1 if pause else per_host}
    claimed = await tx.rows(CLAIM, values)
    if claimed:
        hosts = sorted({row.host for row in claimed})
        if pause:
            await pause_hosts(tx, dict.fromkeys(hosts, pause))
        await tx.execute(BEGIN_SESSIONS, {"ids": [row.id for row in claimed]})
    return claimed


async def pause_hosts(tx: Tx, seconds: Mapping[str, float]) -> None:
    """Leaves these hosts alone for so long."""
    await tx.execute(PAUSE, {"hosts": list(seconds), "seconds": list(seconds.values())})


async def sessions_of(tx: Tx, fetch_ids: Sequence[int]) -> list[int]:
    """Sessions with rows that wait for these fetches."""
    return [row.session_id for row in await tx.rows(CONCERNED, {"ids": list(fetch_ids)})]


async def next_due(tx: Tx) -> float | None:
    """Seconds until something that waits for its time can be claimed; None when nothing waits."""
    found = await tx.scalar(NEXT_DUE)
    return None if found is None else float(found)


async def free_orphans(tx: Tx) -> int:
    """Queues again what workers had claimed that are gone; returns how many."""
    return (await tx.execute(FREE_ORPHANS, {"claims": CLAIMS})).rowcount


async def release(tx: Tx, number: int) -> int:
    """Queues again what this worker has claimed and will not end; returns how many."""
    return (await tx.execute(RELEASE, {"claim": number})).rowcount


async def hold(tx: Tx, number: int, fetch_ids: Sequence[int]) -> set[int]:
    """Those of these fetches that are still this worker's, locked: nobody joins them any more."""
    return {row.id for row in await tx.rows(HOLD, {"ids": list(fetch_ids), "claim": number})}


async def finish(tx: Tx, outcomes: Sequence[Mapping[str, Any]]) -> None:
    """Writes outcomes of fetches that are held. One with a `delay` (seconds) is tried again."""
    await tx.execute(FINISH, {"outcomes": orjson.dumps(outcomes).decode()})


async def keep_payloads(tx: Tx, payloads: Mapping[int, Payload]) -> None:
    """Keeps pages as they were fetched, by fetch."""
    values = {
        "ids": list(payloads),
        "contents": [each.content for each in payloads.values()],
        "bytes": [each.bytes for each in payloads.values()],
        "truncated": [each.truncated for each in payloads.values()],
        "types": [each.content_type for each in payloads.values()],
    }
    await tx.execute(KEEP_PAYLOADS, values)


async def count_rows(tx: Tx, fetch_ids: Sequence[int]) -> list[int]:
    """Counts the rows that ended with these fetches, once; returns the ids of their sessions."""
    await tx.execute(LOCK_SESSIONS, {"ids": list(fetch_ids)})
    return [row.id for row in await tx.rows(COUNT_ROWS, {"ids": list(fetch_ids)})]


async def known_listings(tx: Tx, urls: Sequence[str]) -> Mapping[str, list[int]]:
    """URL -> the listings that were found there the last time that there were any, and not elsewhere since then."""
    return {row.url: row.listing_ids for row in await tx.rows(KNOWN_LISTINGS, {"urls": list(urls)})}


async def unvalued(tx: Tx, listing_ids: Sequence[int]) -> Mapping[int, str]:
    """Listing -> why it has no adjusted price, of those where the offer itself does not say why."""
    much = "What is offered beside the CPU is worth as much as is asked: its price takes no part in price targets."
    rate = "There is no exchange rate for {}: its price takes no part in price targets until one is imported."
    found = await tx.rows(UNVALUED, {"ids": list(listing_ids)})
    return {row.id: much if row.has_rate else rate.format(row.currency) for row in found}


@dataclass(frozen=True, slots=True)
class Payload:
    """A page as it was fetched: `bytes` of it in UTF-8, which are `content` once it is inflated (zlib)."""

    content: bytes
    bytes: int
    truncated: bool
    content_type: str
