"""SQL of the fetch queue: requests add sessions, rows and fetches; workers claim fetches and write their results.

All transactions lock rows in one order, so they cannot deadlock: new hosts, fetches by URL, listings by key, hosts by
name, sessions by id.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

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
    RETURNING f.id, f.url, f.host, f.attempts, f.retries, clock_timestamp()
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


@dataclass(frozen=True, slots=True)
class NewImportRow:
    """A row of a new session. `target` is the URL to fetch; None for a rejected row, which has an error instead."""

    url: str
    target: str | None = None
    host: str = ""
    error_code: str | None = None
    error: str | None = None


class ClaimedFetch(NamedTuple):
    """A fetch that a worker has claimed. `attempts` includes the current one; `retries` are those after an error.

    It was claimed at `claimed_at` by the clock of PostgreSQL, and at `claimed_at_monotonic` of `time.monotonic()`.
    """

    id: int
    url: str
    host: str
    attempts: int
    retries: int
    claimed_at: datetime
    claimed_at_monotonic: float

    def now(self) -> datetime:
        """Return the current time by the clock of PostgreSQL, because the clocks of workers differ."""
        return self.claimed_at + timedelta(seconds=time.monotonic() - self.claimed_at_monotonic)


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
    fetches = [ClaimedFetch._make([*row, time.monotonic()]) for row in await tx.rows(CLAIM_FETCHES, values)]
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
