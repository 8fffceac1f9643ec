"""The comparison of stored with computed figures as arq functions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.job_queue.enqueue import schedule_job
from app.resources import Resources


async def verify_figures(ctx: dict[str, Any], job_id: int) -> None:
    """Runs the comparison that this job asks for."""
    await dispatch.run(ctx["resources"], JobKind.VERIFY_FIGURES, job_id)


async def nightly_verification(ctx: dict[str, Any]) -> None:
    """Creates the night's job, which repairs: once, however many workers there are, and not more than two hours late.

    It is due before the nightly recalculation, after which there would be nothing left to find.
    """
    resources: Resources = ctx["resources"]
    at = resources.settings.verification_at
    async with resources.write() as tx:
        await schedule_job(tx, JobKind.VERIFY_FIGURES, at, datetime.now(UTC), {"fix": True})
