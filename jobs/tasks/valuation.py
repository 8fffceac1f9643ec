"""The revaluation of listings as an arq function."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch


async def revalue_listings(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued revaluation."""
    await dispatch.run_queued_job(ctx["resources"], JobKind.REVALUE_LISTINGS, job_id)
