"""The revaluation of listings as arq functions."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch, revaluation


async def revalue_listings(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued revaluation."""
    await dispatch.run_queued_job(ctx["resources"], JobKind.REVALUE_LISTINGS, job_id)


async def apply_due_rules(ctx: dict[str, Any]) -> None:
    """Apply the rules that have become effective."""
    await revaluation.apply_due_rules(ctx["resources"])
