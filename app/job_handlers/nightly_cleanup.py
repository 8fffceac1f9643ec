"""What is done every night because its day has come, and what is deleted as too old: the only list of it.

A step works in transactions of its own, a batch in each: it holds no locks for long, and what it has done stays done.
It can be run again at any time. The change log is no part of this: its rows are work to be done, and go when it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from app.events.retention import delete_old_changes, forget_old_webhooks
from app.ingestion.retention import delete_old_imports, delete_old_payloads
from app.job_queue.retention import delete_old_jobs
from app.job_queue.runner import Progress
from app.market.retention import end_missing_listings, make_price_months
from app.resources import Resources

log = structlog.get_logger()

# Returns how many rows it made, changed or deleted.
Step = Callable[[Resources], Awaitable[int]]

STEPS: tuple[Step, ...] = (
    make_price_months,
    end_missing_listings,
    forget_old_webhooks,
    delete_old_payloads,
    delete_old_imports,
    delete_old_changes,
    delete_old_jobs,
)


@dataclass(frozen=True)
class Cleaned:
    """The outcome as that of a job: its items are the steps. `rows`: step -> rows concerned, of each that succeeded."""

    total: int
    rows: dict[str, int]

    @property
    def succeeded(self) -> int:
        """Steps that ran to their end."""
        return len(self.rows)

    @property
    def failed(self) -> int:
        """Steps that did not; the log tells why."""
        return self.total - self.succeeded


async def clean_up(resources: Resources, progress: Progress, steps: tuple[Step, ...] = STEPS) -> Cleaned:
    """Runs all steps; one that fails does not stop the others."""
    rows: dict[str, int] = {}
    for done, step in enumerate(steps):
        await progress(done, len(steps))
        try:
            rows[step.__name__] = await step(resources)
        except Exception:
            log.exception("clean_up.step_failed", step=step.__name__)
    cleaned = Cleaned(len(steps), rows)
    log.info("clean_up.complete", failed=cleaned.failed, **rows)
    return cleaned
