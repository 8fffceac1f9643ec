"""The verification of stored figures as arq functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.job_queue.enqueue import schedule_job
from app.resources import Resources


async def verify_figures(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued verification."""
    await dispatch.run_queued_job(ctx["resources"], JobKind.VERIFY_FIGURES, job_id)


async def schedule_verification(ctx: dict[str, Any]) -> None:
    """Create the nightly job, which also repairs, unless another worker has created it.

    It is due before the nightly recalculation, which would hide all differences.
    """
    resources: Resources = ctx["resources"]
    at = resources.settings.verification_at
    async with resources.write() as tx:
        await schedule_job(tx, JobKind.VERIFY_FIGURES, at, datetime.now(UTC), {"fix": True})
