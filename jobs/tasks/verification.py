"""The verification of stored figures as an arq function."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch


async def verify_figures(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued verification."""
    await dispatch.run_queued_job(ctx["resources"], JobKind.VERIFY_FIGURES, job_id)
