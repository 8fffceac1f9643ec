"""Recovery of jobs after the loss of a message or a worker."""

from __future__ import annotations

from typing import Any

from app.job_queue.enqueue import requeue_abandoned
from app.resources import Resources


async def requeue_abandoned_jobs(ctx: dict[str, Any]) -> None:
    """Enqueue unfinished jobs that no worker runs."""
    resources: Resources = ctx["resources"]
    await requeue_abandoned(resources)
