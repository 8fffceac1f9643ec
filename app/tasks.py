"""What each kind of job does: the only list of them, used by worker and command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from app.analytics.recalculation import Outcome, ids_of_slugs, recalculate
from app.errors import NotFound
from app.resources import Resources, Tx
from app.tables import JobKind
from app.work import runner


async def run(resources: Resources, kind: JobKind, job_id: int) -> runner.Outcome | None:
    """Runs a job that was asked for; see `runner.run`."""
    return await runner.run(resources, job_id, performer(resources, kind))


async def run_now(resources: Resources, kind: JobKind, content: dict[str, Any]) -> runner.Outcome:
    """Runs work at once, in the foreground; see `runner.run_now`."""
    return await runner.run_now(resources, kind, content, performer(resources, kind))


async def cpu_ids(resources: Resources, slugs: Sequence[str]) -> list[int]:
    """The ids of these CPUs, ascending. Raises NotFound that names the slugs of none."""
    async with resources.read() as session:
        found = await ids_of_slugs(session, slugs)
    if unknown := [slug for slug in slugs if slug not in found]:
        raise NotFound(f"No CPU has the slug {', '.join(unknown)}.")
    return sorted(found.values())


def performer(resources: Resources, kind: JobKind) -> runner.Perform:
    """The work of this kind of job."""

    async def recalculate_metrics(tx: Tx, job_id: int, content: dict[str, Any], progress: runner.Progress) -> Outcome:
        batch_size = resources.settings.recalculation_batch_size
        with structlog.contextvars.bound_contextvars(correlation_id=job_id):
            return await recalculate(tx, job_id, content.get("cpu_ids"), batch_size, progress)

    performers: dict[JobKind, runner.Perform] = {JobKind.RECALCULATE_METRICS: recalculate_metrics}
    return performers[kind]
