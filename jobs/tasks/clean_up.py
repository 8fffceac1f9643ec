"""The nightly cleanup as an arq function."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch


async def clean_up(ctx: dict[str, Any], job_id: int) -> None:
    """Run a queued cleanup."""
    await dispatch.run_queued_job(ctx["resources"], JobKind.CLEAN_UP, job_id)
