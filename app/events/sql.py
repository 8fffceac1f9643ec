"""Statements about events. Builders return statements, so that a test can EXPLAIN them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

from app.db.advisory_locks import NUMBERING_LOCK
from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.statements import Row
from app.db.tables import price_change
from app.db.transaction import Tx
from app.resources import Session

# Money is selected as it is encoded: a float holds what two decimals say exactly as written.
COLUMNS: dict[str, ColumnElement[Any]] = {
    each.name: cast(each, Double).label(each.name) if isinstance(each.type, Numeric) else each
    for each in price_change.c
}
OLDEST_FIRST = Keyset("price changes", [SortKey("position", price_change.c.position)])

TRY_NUMBERING = text("SELECT pg_try_advisory_xact_lock(:lock)")
_TOLD = "listing_id, cpu_id, price_before, price_after, shipping, currency, at"
# Whoever changes a price that another transaction changed has waited for its commit, and its event has the higher id:
# so in this order each listing's prices follow each other.
NUMBER = text(
    f"""
    WITH taken AS (
        DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT :batch)) RETURNING *
    )
    INSERT INTO price_change ({_TOLD}) SELECT {_TOLD} FROM taken ORDER BY id
    """
)
# The highest position, and the highest that was deleted; 0 where there is none.
ENDS = text(
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

# What comes from now on is for a receiver that is new.
REGISTER = text(
    f"""
    INSERT INTO webhook (name, position) SELECT :name, ends.latest FROM ({ENDS.text}) AS ends
    ON CONFLICT (name) DO UPDATE SET looked_at = now() WHERE webhook.looked_at < now() - interval '1 hour'
    """
)
FIX_BATCH = text(
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
BATCH = text(
    """
    SELECT
        batch_id, position, batch_until, attempts,
        greatest(extract(epoch FROM next_attempt_at - clock_timestamp()), 0)::double precision AS wait
    FROM webhook WHERE name = :name AND batch_id IS NOT NULL
    """
)
DELIVERED = text(
    """
    UPDATE webhook SET
        position = batch_until, batch_id = NULL, batch_until = NULL, attempts = 0, next_attempt_at = NULL,
        delivered = delivered + 1
    WHERE name = :name AND batch_id = :batch_id
    """
)
_FAILED = """
    UPDATE webhook SET
        attempts = attempts + 1, next_attempt_at = clock_timestamp() + :wait, {outcome} = {outcome} + 1
    WHERE name = :name AND batch_id = :batch_id
"""
FAILED = {outcome: text(_FAILED.format(outcome=outcome)) for outcome in ("refused", "unanswered")}

# The oldest events, from the first to the last that is older than `:keep` and that every receiver has got.
DELETE_OLD = text(
    """
    WITH oldest AS (
        SELECT position, at FROM price_change
        WHERE position <= coalesce((SELECT min(position) FROM webhook), 9223372036854775807)
        ORDER BY position LIMIT :batch
    ), gone AS (
        DELETE FROM price_change
        WHERE position <= (SELECT max(position) FROM oldest WHERE at < now() - CAST(:keep AS interval))
        RETURNING position
    ), horizon AS (
        INSERT INTO price_change_horizon AS h (position) SELECT max(position) FROM gone HAVING count(*) > 0
        ON CONFLICT (single) DO UPDATE SET position = greatest(h.position, excluded.position)
    )
    SELECT count(*) FROM gone
    """
)
FORGET_WEBHOOKS = text(
    "DELETE FROM webhook WHERE looked_at < now() - CAST(:keep AS interval) AND name <> ALL (CAST(:names AS text[]))"
)
WEBHOOKS = text(
    """
    SELECT
        name, delivered, refused, unanswered, pending,
        coalesce(extract(epoch FROM now() - oldest), 0)::double precision AS seconds
    FROM webhook CROSS JOIN LATERAL (
        SELECT count(*) AS pending, min(at) AS oldest FROM price_change WHERE price_change.position > webhook.position
    ) AS events
    """
)
OUTBOX = text(
    """
    SELECT count(*) AS pending, coalesce(extract(epoch FROM now() - min(at)), 0)::double precision AS seconds
    FROM outbox
    """
)


class Ends(NamedTuple):
    """Positions: the highest, and the highest that was deleted."""

    latest: int
    deleted: int


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


async def number(tx: Tx, batch: int) -> int | None:
    """Gives positions to events that are committed, at most so many; how many. None when another is at it.

    The lock is taken before what is committed is looked at, and freed after what is written here is to be seen. So
    positions come to be seen in their order.
    """
    if not await tx.scalar(TRY_NUMBERING, {"lock": NUMBERING_LOCK}):
        return None
    return (await tx.execute(NUMBER, {"batch": batch})).rowcount


async def ends(session: Session) -> Ends:
    """Where the events begin and end now."""
    row = await session.row(ENDS)
    assert row is not None
    return Ends(row.latest, row.deleted)


def page(request: PageRequest, cpu_id: int | None, wanted: frozenset[str] | None) -> Statement:
    """A page of events, the oldest first, with these columns (None: all). Raises BadCursor."""
    position, values = OLDEST_FIRST.position(request)
    of_cpu = {} if cpu_id is None else {"cpu_id": cpu_id}
    return Statement(_page(position, cpu_id is not None, wanted), {**values, **of_cpu})


@lru_cache(maxsize=512)
def _page(position: Position, of_cpu: bool, wanted: frozenset[str] | None) -> Select[Any]:
    return OLDEST_FIRST.apply(_of_cpu(select(*columns(wanted)), of_cpu), position)


def count(cpu_id: int | None) -> Statement:
    """How many events there are, of a CPU or in all."""
    return Statement(_count(cpu_id is not None), {} if cpu_id is None else {"cpu_id": cpu_id})


@lru_cache(maxsize=2)
def _count(of_cpu: bool) -> Select[Any]:
    return _of_cpu(select(func.count()).select_from(price_change), of_cpu)


def _of_cpu(statement: Select[Any], of_cpu: bool) -> Select[Any]:
    return statement.where(price_change.c.cpu_id == bindparam("cpu_id", type_=BigInteger)) if of_cpu else statement


@lru_cache(maxsize=512)
def by_id(wanted: frozenset[str] | None = None) -> Select[Any]:
    """Events at the positions in `:ids`, in any order."""
    return select(*columns(wanted)).where(price_change.c.position == any_(IDS))


def columns(wanted: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """The columns of these names (None: all), and the position."""
    return [each for name, each in COLUMNS.items() if wanted is None or name in wanted or name == "position"]


async def fix_batch(tx: Tx, name: str, batch: int) -> Any | None:
    """The batch that this receiver gets next, the same until it has got it; None when there is nothing to tell."""
    await tx.execute(REGISTER, {"name": name})
    await tx.execute(FIX_BATCH, {"name": name, "batch": batch})
    return await tx.row(BATCH, {"name": name})


async def delivered(tx: Tx, name: str, batch_id: UUID) -> None:
    """The receiver has this batch. Without effect when somebody else has said so."""
    await tx.execute(DELIVERED, {"name": name, "batch_id": batch_id})


async def failed(tx: Tx, name: str, batch_id: UUID, outcome: str, wait: timedelta) -> None:
    """It has not, as far as is known (`refused` or `unanswered`): it is to be tried again."""
    await tx.execute(FAILED[outcome], {"name": name, "batch_id": batch_id, "wait": wait})


async def delete_old(tx: Tx, keep: timedelta, batch: int) -> int:
    """Deletes events that are older than `keep` and that every receiver has got, about so many at most; how many."""
    return int(await tx.scalar(DELETE_OLD, {"keep": keep, "batch": batch}))


async def forget_webhooks(tx: Tx, names: Sequence[str], keep: timedelta) -> int:
    """Forgets receivers that are not among these and that no worker knew for so long; how many."""
    return (await tx.execute(FORGET_WEBHOOKS, {"names": list(names), "keep": keep})).rowcount


async def webhooks(session: Session) -> Sequence[Any]:
    """How each receiver is doing: outcomes so far, events that it has not got, and the age of the oldest, seconds."""
    return await session.rows(WEBHOOKS)


async def in_outbox(session: Session) -> Any:
    """Events without a position: how many, and the age of the oldest, seconds."""
    return await session.row(OUTBOX)


class PriceChangeRow(Row):
    """A row of `price_change` columns: those that the operation needs."""
