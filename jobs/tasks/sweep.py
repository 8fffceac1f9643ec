"""Tells the queue again of jobs that nobody works on."""

from __future__ import annotations

from typing import Any

from app.job_queue.enqueue import requeue_abandoned
from app.resources import Resources


async def sweep(ctx: dict[str, Any]) -> None:
    """A message may be lost with Redis, and a worker may die: the job's row knows better than both."""
    resources: Resources = ctx["resources"]
    await requeue_abandoned(resources)
