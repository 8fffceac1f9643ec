"""SQL statements for jobs."""

from __future__ import annotations

from collections.abc import Sequence
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

from app.db.advisory_locks import JOB_LOCK_BASE
from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement
from app.db.tables import Domain, JobKind, JobStatus, job
from app.db.transaction import Transaction
from app.resources import Session

# A scheduled job that could not start within this time is skipped.
MAX_START_DELAY = "2 hours"

INSERT_JOB = text(
    """
    INSERT INTO job (kind, input, requested_by, due_at)
    SELECT CAST(:kind AS text), CAST(:input AS jsonb), CAST(:requested_by AS text), CAST(:due_at AS timestamptz)
    -- Workers schedule a job again and again, and a conflict would use up an id each time.
    WHERE NOT EXISTS (SELECT FROM job WHERE kind = CAST(:kind AS text) AND due_at = CAST(:due_at AS timestamptz))
    ON CONFLICT DO NOTHING
    RETURNING id
    """
)
# A queued job has not read any data yet, so a later request for the same input, or for a part of it, can share it.
SELECT_WAITING = text(
    """
    SELECT id FROM job
    WHERE kind = :kind AND status = 'queued' AND (input = CAST(:input AS jsonb) OR input = '{}'::jsonb)
    ORDER BY id LIMIT 1
    """
)
TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
SELECT_UNFINISHED = text(
    f"""
    SELECT id, kind, input, attempts, due_at IS NOT NULL AND now() > due_at + interval '{MAX_START_DELAY}' AS too_late
    FROM job WHERE id = :id AND status IN ('queued', 'running')
    """
)
# Unfinished jobs with a free lock: queued ones, and running ones of a dead worker.
LOCK_ABANDONED = text(
    """
    SELECT id, kind FROM job
    WHERE status IN ('queued', 'running') AND pg_try_advisory_xact_lock(:locks + id)
    ORDER BY id LIMIT 1000
    """
)
SELECT_LATEST_SUCCESS = text(
    """
    SELECT succeeded, total FROM job WHERE kind = :kind AND status = 'succeeded' ORDER BY finished_at DESC LIMIT 1
    """
)
# The last success of each kind is kept: metrics report its result.
DELETE_OLD = text(
    """
    DELETE FROM job WHERE id = ANY (ARRAY(
        SELECT id FROM job
        WHERE finished_at < now() - CAST(:retention AS interval)
            AND id NOT IN (
                SELECT DISTINCT ON (kind) id FROM job WHERE status = 'succeeded' ORDER BY kind, finished_at DESC)
        ORDER BY id LIMIT :batch
    ))
    """
)


async def create(
    tx: Transaction, kind: JobKind, job_input: dict[str, Any], requested_by: str, due_at: datetime | None = None
) -> int | None:
    """Create a job and enqueue it on commit, or find a waiting job for the same work. Return its id.

    Return None if the job is scheduled and has been created before, or if the waiting job has just started.
    """
    values = {"kind": kind, "input": orjson.dumps(job_input).decode()}
    waiting = await tx.scalar(SELECT_WAITING, values)
    if waiting is not None:
        return int(waiting)
    job_id = await tx.scalar(INSERT_JOB, {**values, "requested_by": requested_by, "due_at": due_at})
    if job_id is None:
        # Another transaction created it between the two statements, and INSERT waited until that was committed.
        waiting = await tx.scalar(SELECT_WAITING, values)
        return None if waiting is None else int(waiting)
    tx.bump_version(Domain.WORK)
    tx.enqueue(kind, int(job_id))
    return int(job_id)


async def create_running(tx: Transaction, kind: JobKind, job_input: dict[str, Any], requested_by: str) -> int:
    """Create a job that the caller runs in the same transaction. Return its id."""
    values = {
        "kind": kind,
        "input": job_input,
        "requested_by": requested_by,
        "status": JobStatus.RUNNING,
        "attempts": 1,
    }
    job_id = await tx.scalar(insert(job).values(**values, started_at=func.now()).returning(job.c.id))
    assert job_id is not None
    return int(job_id)


NEWEST_FIRST = Keyset("jobs", [SortKey("id", job.c.id, descending=True)])


class JobFilter(NamedTuple):
    """Conditions on jobs: one of these kinds, one of these states; None for any."""

    kind: Sequence[str] | None = None
    status: Sequence[str] | None = None

    @property
    def conditions(self) -> dict[str, list[str]]:
        """Allowed values by column name."""
        return {name: list(values) for name, values in self._asdict().items() if values is not None}


@lru_cache(maxsize=512)
def by_id(columns: frozenset[str] | None = None) -> Select[Any]:
    """Return the statement for the jobs with the ids in `:ids`, in any order.

    It selects the id and the columns of these names, None for all.
    """
    return select(*_columns(columns)).where(job.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))


def page(
    job_filter: JobFilter, request: PageRequest, columns: frozenset[str] | None, with_count: bool
) -> BoundStatement:
    """Return the statement for a page of jobs, newest first.

    `columns`: the names of the columns to select, None for all. With `with_count`, each row has the number of all
    matching jobs in `total_count`.
    """
    conditions = job_filter.conditions
    shape, values = NEWEST_FIRST.bind(request)
    return BoundStatement(_page(tuple(conditions), shape, columns, with_count), {**conditions, **values})


@lru_cache(maxsize=512)
def _page(filtered: tuple[str, ...], shape: PageShape, columns: frozenset[str] | None, with_count: bool) -> Select[Any]:
    selected: list[Any] = _columns(columns)
    if with_count:
        selected.append(_count(filtered).correlate(None).scalar_subquery().label("total_count"))
    return NEWEST_FIRST.paginate(select(*selected).where(*_where(filtered)), shape)


def count(job_filter: JobFilter) -> BoundStatement:
    """Return the statement for the number of matching jobs."""
    conditions = job_filter.conditions
    return BoundStatement(_count(tuple(conditions)), conditions)


@lru_cache(maxsize=16)
def _count(filtered: tuple[str, ...]) -> Select[Any]:
    return select(func.count()).select_from(job).where(*_where(filtered))


def _where(filtered: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [job.c[name] == any_(bindparam(name, type_=ARRAY(Text))) for name in filtered]


def _columns(names: frozenset[str] | None) -> list[Column[Any]]:
    return [column for column in job.c if names is None or column.name in names or column.name == "id"]


async def jobs_by_id(session: Session, ids: Sequence[int]) -> Sequence[Any]:
    """Return the jobs with these ids, in any order."""
    return await session.rows(by_id(), {"ids": list(ids)})


async def latest_success(session: Session, kind: JobKind) -> Any:
    """Return the item counts of the job of this kind that succeeded last, None if there is none."""
    return await session.row(SELECT_LATEST_SUCCESS, {"kind": kind})


async def try_lock(tx: Transaction, job_id: int) -> bool:
    """Lock the job until the transaction ends. Return False if another worker has the lock."""
    return bool(await tx.scalar(TRY_LOCK, {"key": JOB_LOCK_BASE + job_id}))


async def get_unfinished(tx: Transaction, job_id: int) -> Any | None:
    """Return the job, or None if it has finished or does not exist."""
    return await tx.row(SELECT_UNFINISHED, {"id": job_id})


async def mark_running(tx: Transaction, job_id: int) -> None:
    """Count an attempt, and set the status to running."""
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


async def save_progress(tx: Transaction, job_id: int, done: int, total: int) -> None:
    """Save how many items are done."""
    await tx.execute(update(job).where(job.c.id == job_id).values(done=done, total=total))
    _changed(tx, job_id)


async def mark_succeeded(tx: Transaction, job_id: int, total: int, succeeded: int, failed: int) -> None:
    """Save the result of a job. `tx` is the transaction that did the work, so that both are committed or neither."""
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


async def mark_failed(tx: Transaction, job_id: int, error: str) -> None:
    """Set the status to failed; clients can read `error`."""
    await tx.execute(
        update(job)
        .where(job.c.id == job_id)
        .values(status=JobStatus.FAILED, error=error, finished_at=func.clock_timestamp())
    )
    _changed(tx, job_id)


async def delete_old(tx: Transaction, retention: timedelta, batch_size: int) -> int:
    """Delete up to `batch_size` jobs that finished before the retention period. Return how many."""
    return (await tx.execute(DELETE_OLD, {"retention": retention, "batch": batch_size})).rowcount


async def lock_abandoned(session: Session) -> Sequence[Any]:
    """Return the unfinished jobs that no worker runs, and lock them until the transaction ends."""
    return await session.rows(LOCK_ABANDONED, {"locks": JOB_LOCK_BASE})


def _changed(tx: Transaction, job_id: int) -> None:
    tx.bump_version(Domain.WORK)
    tx.job_changed(job_id)
