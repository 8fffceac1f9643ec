"""The valuation of listings as arq functions."""

from __future__ import annotations

from typing import Any

from app.db.tables import JobKind
from app.job_handlers import dispatch


async def revalue_listings(ctx: dict[str, Any], job_id: int) -> None:
    """Values the listings anew that this job names."""
    await dispatch.run(ctx["resources"], JobKind.REVALUE_LISTINGS, job_id)


async def due_rules(ctx: dict[str, Any]) -> None:
    """Every minute: rules that were to be valid from now on."""
    await dispatch.apply_due_rules(ctx["resources"])
