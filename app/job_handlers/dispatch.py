"""Runs jobs by their kind, for the worker and the command line."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind

# Imported for their handlers, which register themselves.
from app.job_handlers import nightly_cleanup, recalculation, revaluation, verification  # noqa: F401
from app.job_handlers.registry import handler_for
from app.job_queue import runner
from app.job_queue.runner import JobResult
from app.resources import Resources


async def run_queued_job(resources: Resources, kind: JobKind, job_id: int) -> JobResult | None:
    """Run a job from the queue; see `runner.run_job`."""
    return await runner.run_job(resources, kind, job_id, handler_for(kind))


async def run_in_foreground(resources: Resources, kind: JobKind, job_input: dict[str, Any]) -> JobResult:
    """Run a new job and return its result; see `runner.run_job_in_foreground`."""
    return await runner.run_job_in_foreground(resources, kind, job_input, handler_for(kind))
