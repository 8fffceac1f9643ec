"""Execution of queued jobs by a real arq worker."""

from __future__ import annotations

from app.resources import Resources
from jobs.worker import create_arq_worker


async def run_queued_jobs(resources: Resources) -> None:
    """Run an arq worker in burst mode until the queue is empty."""
    worker = create_arq_worker(resources, burst=True)
    await worker.async_run()
