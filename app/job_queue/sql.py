"""Statements about jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Text,
    any_,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from app.db.advisory_locks import JOB_LOCKS
from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.tables import Domain, JobKind, JobStatus, job
from app.db.transaction import Tx
from app.resources import Session

# A scheduled job that starts later than this after its time is not worth starting.
TOO_LATE = "2 hours"

CREATE = text(
    """
    INSERT INTO job (kind, input, requested_by, due_at)
    VALUES (:kind, CAST(:input AS jsonb), :requested_by, :due_at)
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)
# A queued job reads the data when it starts, so one that covers the request will do.
WAITING = text(
    """
    SELECT id FROM job
    WHERE kind = :kind AND status = 'queued' AND (input = CAST(:input AS jsonb) OR input = '{}'::jsonb)
    ORDER BY id LIMIT 1
    """
)
CLAIM = text("SELECT pg_try_advisory_xact_lock(:key)")
UNFINISHED = text(
    f"""
    SELECT id, kind, input, attempts, due_at IS NOT NULL AND now() > due_at + interval '{TOO_LATE}' AS too_late
    FROM job WHERE id = :id AND status IN ('queued', 'running')
    """
)
# A job nobody works on: queued, or running while its worker's lock is free, which is so the moment the worker dies.
ORPHANS = text(
    """
    SELECT id, kind FROM job
    WHERE status IN ('queued', 'running') AND pg_try_advisory_xact_lock(:locks + id)
    ORDER BY id LIMIT 1000
    """
)

LATEST = text(
    """
    SELECT succeeded, total FROM job WHERE kind = :kind AND status = 'succeeded' ORDER BY finished_at DESC LIMIT 1
    """
)
# The last success of each kind tells how things are.
DELETE_OLD = text(
    """
    DELETE FROM job WHERE id = ANY (ARRAY(
        SELECT id FROM job
        WHERE finished_at < now() - CAST(:keep AS interval)
            AND id NOT IN (
                SELECT DISTINCT ON (kind) id FROM job WHERE status = 'succeeded' ORDER BY kind, finished_at DESC)
        ORDER BY id LIMIT :batch
    ))
    """
)


async def create(
    tx: Tx, kind: JobKind, content: dict[str, Any], requested_by: str, due_at: datetime | None = None
) -> int | None:
    """Creates a job and has the queue told of it; returns the one that already waits for the same work, if any.

    None when the job is a scheduled one that was created before, or the one that waited has just started.
    """
    values = {"kind": kind, "input": orjson.dumps(content).decode()}
    waiting = await tx.scalar(WAITING, values)
    if waiting is not None:
        return int(waiting)
    created = await tx.scalar(CREATE, {**values, "requested_by": requested_by, "due_at": due_at})
    if created is None:
        # Somebody else created it between the two statements; it is committed now, because INSERT waited for that.
        waiting = await tx.scalar(WAITING, values)
        return None if waiting is None else int(waiting)
    tx.touch(Domain.WORK)
    tx.enqueue(kind, int(created))
    return int(created)


async def create_running(tx: Tx, kind: JobKind, content: dict[str, Any], requested_by: str) -> int:
    """Creates a job that the caller runs in this same transaction."""
    values = {"kind": kind, "input": content, "requested_by": requested_by, "status": JobStatus.RUNNING, "attempts": 1}
    created = await tx.scalar(insert(job).values(**values, started_at=func.now()).returning(job.c.id))
    assert created is not None
    return int(created)


NEWEST_FIRST = Keyset("jobs", [SortKey("id", job.c.id, descending=True)])


class JobFilter(NamedTuple):
    """Which jobs: of one of these kinds, in one of these states; None: of any."""

    kind: Sequence[str] | None = None
    status: Sequence[str] | None = None

    @property
    def given(self) -> dict[str, list[str]]:
        """The conditions, by the name of their column."""
        return {name: list(values) for name, values in self._asdict().items() if values is not None}


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


@lru_cache(maxsize=512)
def by_id(wanted: frozenset[str] | None = None) -> Select[Any]:
    """Jobs with the ids in `:ids`, in any order, with these columns (None: all) and the id."""
    return select(*_columns(wanted)).where(job.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))


def page(conditions: JobFilter, request: PageRequest, wanted: frozenset[str] | None, counted: bool) -> Statement:
    """A page of jobs, newest first; `counted`, each row tells in `total_count` how many there are."""
    position, place = NEWEST_FIRST.position(request)
    return Statement(_page(tuple(conditions.given), position, wanted, counted), {**conditions.given, **place})


@lru_cache(maxsize=512)
def _page(given: tuple[str, ...], position: Position, wanted: frozenset[str] | None, counted: bool) -> Select[Any]:
    selected: list[Any] = _columns(wanted)
    if counted:
        selected.append(_count(given).correlate(None).scalar_subquery().label("total_count"))
    return NEWEST_FIRST.apply(select(*selected).where(*_where(given)), position)


def count(conditions: JobFilter) -> Statement:
    """How many jobs satisfy the conditions."""
    return Statement(_count(tuple(conditions.given)), conditions.given)


@lru_cache(maxsize=16)
def _count(given: tuple[str, ...]) -> Select[Any]:
    return select(func.count()).select_from(job).where(*_where(given))


def _where(given: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [job.c[name] == any_(bindparam(name, type_=ARRAY(Text))) for name in given]


def _columns(wanted: frozenset[str] | None) -> list[Column[Any]]:
    return [each for each in job.c if wanted is None or each.name in wanted or each.name == "id"]


async def jobs_by_id(session: Session, ids: Sequence[int]) -> Sequence[Any]:
    """Jobs, in any order."""
    return await session.rows(by_id(), {"ids": list(ids)})


async def latest(session: Session, kind: JobKind) -> Any:
    """The outcome of the job of this kind that ended last, if any did."""
    return await session.row(LATEST, {"kind": kind})


async def claim(tx: Tx, job_id: int) -> bool:
    """Takes the job for this transaction. False when another worker has it."""
    return bool(await tx.scalar(CLAIM, {"key": JOB_LOCKS + job_id}))


async def unfinished(tx: Tx, job_id: int) -> Any | None:
    """What is to be done, or None when it is done already or does not exist."""
    return await tx.row(UNFINISHED, {"id": job_id})


async def start(tx: Tx, job_id: int) -> None:
    """Marks a job as running, once more."""
    await tx.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(
            status=JobStatus.RUNNING,
            attempts=job.c.attempts + 1,
            started_at=func.coalesce(job.c.started_at, func.now()),
            done=0,
        )
    )
    _changed(tx, job_id)


async def progress(tx: Tx, job_id: int, done: int, total: int) -> None:
    """Records how far a job is."""
    await tx.execute(update(job).where(job.c.id == job_id).values(done=done, total=total))
    _changed(tx, job_id)


async def succeed(tx: Tx, job_id: int, total: int, succeeded: int, failed: int) -> None:
    """Records the outcome, in the transaction of the work itself: both are there or neither."""
    await tx.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(
            status=JobStatus.SUCCEEDED,
            total=total,
            done=total,
            succeeded=succeeded,
            failed=failed,
            error=None,
            finished_at=func.clock_timestamp(),
        )
    )
    _changed(tx, job_id)


async def fail(tx: Tx, job_id: int, error: str) -> None:
    """Records that a job is given up; `error` is a sentence that clients may read."""
    await tx.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(status=JobStatus.FAILED, error=error, finished_at=func.clock_timestamp())
    )
    _changed(tx, job_id)


async def delete_old(tx: Tx, keep: timedelta, batch: int) -> int:
    """Deletes finished jobs that are older, at most so many; how many."""
    return (await tx.execute(DELETE_OLD, {"keep": keep, "batch": batch})).rowcount


async def orphans(session: Session) -> Sequence[Any]:
    """Jobs that wait for a worker to be told (again). Takes their locks until the end of the transaction."""
    return await session.rows(ORPHANS, {"locks": JOB_LOCKS})


def _changed(tx: Tx, job_id: int) -> None:
    tx.touch(Domain.WORK)
    tx.moved(job_id)
