"""SQL statements for price changes, the outbox and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Numeric,
    Select,
    any_,
    bindparam,
    cast,
    func,
    select,
    text,
)

from app.db.advisory_locks import OUTBOX_SEQUENCER_LOCK
from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement, Row
from app.db.tables import price_change
from app.db.transaction import Transaction
from app.resources import Session

# Money is selected as a float, which JSON encodes with the same two decimals.
COLUMNS: dict[str, ColumnElement[Any]] = {
    column.name: cast(column, Double).label(column.name) if isinstance(column.type, Numeric) else column
    for column in price_change.c
}
OLDEST_FIRST = Keyset("price changes", [SortKey("position", price_change.c.position)])

TRY_SEQUENCER_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")
_EVENT_COLUMNS = "listing_id, cpu_id, price_before, price_after, shipping, currency, at"
# A transaction that changes a price after another one has waited for its commit, and its event has the higher id. So
# the order of ids is the order of each listing's prices.
SEQUENCE = text(
    f"""
    WITH sequenced AS (
        DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT :batch)) RETURNING *
    )
    INSERT INTO price_change ({_EVENT_COLUMNS}) SELECT {_EVENT_COLUMNS} FROM sequenced ORDER BY id
    """
)
# The highest position, and the highest deleted one; 0 if there is none.
SELECT_BOUNDS = text(
    """
    SELECT
        greatest((SELECT max(position) FROM price_change), (SELECT position FROM price_change_horizon), 0) AS latest,
        coalesce((SELECT position FROM price_change_horizon), 0) AS deleted
    """
)
IDS = bindparam("ids", type_=ARRAY(BigInteger))
AFTER = (
    select(*COLUMNS.values())
    .where(price_change.c.position > bindparam("after", type_=BigInteger))
    .order_by(price_change.c.position)
    .limit(bindparam("limit", type_=Integer))
)
NEWEST = select(*COLUMNS.values()).order_by(price_change.c.position.desc()).limit(bindparam("limit", type_=Integer))
AFTER_OF_CPUS = AFTER.where(price_change.c.cpu_id == any_(IDS))
UNTIL = AFTER.where(price_change.c.position <= bindparam("until", type_=BigInteger))

# A new webhook receives later events only. `looked_at` is updated at most once per hour.
REGISTER_WEBHOOK = text(
    f"""
    INSERT INTO webhook (name, position) SELECT :name, bounds.latest FROM ({SELECT_BOUNDS.text}) AS bounds
    ON CONFLICT (name) DO UPDATE SET looked_at = now() WHERE webhook.looked_at < now() - interval '1 hour'
    """
)
CREATE_BATCH = text(
    """
    UPDATE webhook SET batch_id = gen_random_uuid(), batch_until = upcoming.until
    FROM (
        SELECT max(position) AS until FROM (
            SELECT position FROM price_change
            WHERE position > (SELECT position FROM webhook WHERE name = :name) ORDER BY position LIMIT :batch
        ) AS events
    ) AS upcoming
    WHERE name = :name AND batch_id IS NULL AND upcoming.until IS NOT NULL
    """
)
SELECT_BATCH = text(
    """
    SELECT
        batch_id, position, batch_until, attempts,
        greatest(extract(epoch FROM next_attempt_at - clock_timestamp()), 0)::double precision AS wait
    FROM webhook WHERE name = :name AND batch_id IS NOT NULL
    """
)
MARK_DELIVERED = text(
    """
    UPDATE webhook SET
        position = batch_until, batch_id = NULL, batch_until = NULL, attempts = 0, next_attempt_at = NULL,
        delivered = delivered + 1
    WHERE name = :name AND batch_id = :batch_id
    """
)
_MARK_FAILED = """
    UPDATE webhook SET
        attempts = attempts + 1, next_attempt_at = clock_timestamp() + :wait, {outcome} = {outcome} + 1
    WHERE name = :name AND batch_id = :batch_id
"""
MARK_FAILED = {outcome: text(_MARK_FAILED.format(outcome=outcome)) for outcome in ("refused", "unanswered")}

# Deletes up to the last event that is older than `:retention`, of those that every webhook has received.
DELETE_OLD = text(
    """
    WITH oldest AS (
        SELECT position, at FROM price_change
        WHERE position <= coalesce((SELECT min(position) FROM webhook), 9223372036854775807)
        ORDER BY position LIMIT :batch
    ), deleted AS (
        DELETE FROM price_change
        WHERE position <= (SELECT max(position) FROM oldest WHERE at < now() - CAST(:retention AS interval))
        RETURNING position
    ), horizon AS (
        INSERT INTO price_change_horizon AS h (position) SELECT max(position) FROM deleted HAVING count(*) > 0
        ON CONFLICT (single) DO UPDATE SET position = greatest(h.position, excluded.position)
    )
    SELECT count(*) FROM deleted
    """
)
DELETE_WEBHOOKS = text(
    """
    DELETE FROM webhook
    WHERE looked_at < now() - CAST(:retention AS interval) AND name <> ALL (CAST(:names AS text[]))
    """
)
SELECT_WEBHOOK_STATES = text(
    """
    SELECT
        name, delivered, refused, unanswered, pending,
        coalesce(extract(epoch FROM now() - oldest), 0)::double precision AS seconds
    FROM webhook CROSS JOIN LATERAL (
        SELECT count(*) AS pending, min(at) AS oldest FROM price_change WHERE price_change.position > webhook.position
    ) AS events
    """
)
SELECT_OUTBOX_BACKLOG = text(
    """
    SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(at)), 0)::double precision AS seconds
    FROM outbox
    """
)


class StreamBounds(NamedTuple):
    """Positions of the newest event and of the newest deleted one; 0 if there is none."""

    latest: int
    deleted: int


async def sequence(tx: Transaction, batch_size: int) -> int | None:
    """Give positions to up to `batch_size` committed events. Return how many, or None if the lock is not free.

    The lock is taken before the outbox is read, and released after the commit. So positions become visible in order.
    """
    if not await tx.scalar(TRY_SEQUENCER_LOCK, {"lock": OUTBOX_SEQUENCER_LOCK}):
        return None
    return (await tx.execute(SEQUENCE, {"batch": batch_size})).rowcount


async def stream_bounds(session: Session) -> StreamBounds:
    """Return the bounds of the stream of events."""
    row = await session.row(SELECT_BOUNDS)
    assert row is not None
    return StreamBounds(row.latest, row.deleted)


def page(request: PageRequest, cpu_id: int | None, names: frozenset[str] | None) -> BoundStatement:
    """Return the statement for a page of events, oldest first, of one CPU or of all (None).

    `names`: the names of the columns to select, None for all. Raises BadCursor.
    """
    shape, values = OLDEST_FIRST.bind(request)
    of_cpu = {} if cpu_id is None else {"cpu_id": cpu_id}
    return BoundStatement(_page(shape, cpu_id is not None, names), {**values, **of_cpu})


@lru_cache(maxsize=512)
def _page(shape: PageShape, of_cpu: bool, names: frozenset[str] | None) -> Select[Any]:
    return OLDEST_FIRST.paginate(_of_cpu(select(*columns(names)), of_cpu), shape)


def count(cpu_id: int | None) -> BoundStatement:
    """Return the statement for the number of events, of one CPU or of all (None)."""
    return BoundStatement(_count(cpu_id is not None), {} if cpu_id is None else {"cpu_id": cpu_id})


@lru_cache(maxsize=2)
def _count(of_cpu: bool) -> Select[Any]:
    return _of_cpu(select(func.count()).select_from(price_change), of_cpu)


def _of_cpu(statement: Select[Any], of_cpu: bool) -> Select[Any]:
    return statement.where(price_change.c.cpu_id == bindparam("cpu_id", type_=BigInteger)) if of_cpu else statement


@lru_cache(maxsize=512)
def by_id(names: frozenset[str] | None = None) -> Select[Any]:
    """Return the statement for the events at the positions in `:ids`, in any order."""
    return select(*columns(names)).where(price_change.c.position == any_(IDS))


def columns(names: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """Return the columns of these names, None for all, and always the position."""
    return [column for name, column in COLUMNS.items() if names is None or name in names or name == "position"]


async def prepare_batch(tx: Transaction, name: str, batch_size: int) -> Any | None:
    """Return the batch to send to a webhook, the same until it is delivered; None if there are no events."""
    await tx.execute(REGISTER_WEBHOOK, {"name": name})
    await tx.execute(CREATE_BATCH, {"name": name, "batch": batch_size})
    return await tx.row(SELECT_BATCH, {"name": name})


async def mark_delivered(tx: Transaction, name: str, batch_id: UUID) -> None:
    """Record that a webhook has received a batch. This has no effect if another worker has recorded it."""
    await tx.execute(MARK_DELIVERED, {"name": name, "batch_id": batch_id})


async def mark_failed(tx: Transaction, name: str, batch_id: UUID, outcome: str, wait: timedelta) -> None:
    """Record a failed attempt (`refused` or `unanswered`); the next one is due after `wait`."""
    await tx.execute(MARK_FAILED[outcome], {"name": name, "batch_id": batch_id, "wait": wait})


async def delete_old(tx: Transaction, retention: timedelta, batch_size: int) -> int:
    """Delete up to `batch_size` events older than the retention period that every webhook has received.

    Return how many were deleted.
    """
    return int(await tx.scalar(DELETE_OLD, {"retention": retention, "batch": batch_size}))


async def delete_webhooks(tx: Transaction, keep_names: Sequence[str], retention: timedelta) -> int:
    """Delete webhooks that no worker has used for the retention period, except these. Return how many."""
    return (await tx.execute(DELETE_WEBHOOKS, {"names": list(keep_names), "retention": retention})).rowcount


async def webhook_states(session: Session) -> Sequence[Any]:
    """Return each webhook's counts of outcomes and of pending events, and the age in seconds of the oldest one."""
    return await session.rows(SELECT_WEBHOOK_STATES)


async def outbox_backlog(session: Session) -> Any:
    """Return the number of events in the outbox, and the age of the oldest one in seconds."""
    return await session.row(SELECT_OUTBOX_BACKLOG)


class PriceChangeRow(Row):
    """A row with those columns of `price_change` that the operation needs."""
