"""Revaluation of listings: the job, and the rules that become effective as time passes."""

from __future__ import annotations

from app.db.tables import JobKind
from app.job_handlers.registry import job_handler
from app.job_queue.runner import JobRun
from app.resources import Resources
from app.valuation.revaluation import RevaluationResult, activate_due_rules, run_revaluation


@job_handler(JobKind.REVALUE_LISTINGS)
async def revalue_listings(run: JobRun) -> RevaluationResult:
    """Recompute the adjusted prices of the listings that the input selects, in a separate transaction per batch."""
    return await run_revaluation(run.resources, run.input, run.report_progress)


async def apply_due_rules(resources: Resources) -> None:
    """Request a revaluation for the rules that have become effective since the last call."""
    async with resources.write() as tx:
        await activate_due_rules(tx)
