"""Revaluation: recompute the adjusted prices of listings after a change of rules or rates.

Each batch is a transaction of its own. An adjusted price depends only on the row, the rules and the rates, so a job
that is repeated after a crash writes the remaining rows. The figures of CPUs follow through the change log, as after
any change of prices: the trigger function `log_listing_changes` adds the CPUs to `data_change_log`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from app.core.progress import ProgressCallback
from app.db.tables import Domain, JobKind
from app.db.transaction import Transaction
from app.job_queue.enqueue import request_job
from app.resources import Resources
from app.valuation import revaluation_sql as sql

log = structlog.get_logger()

BATCH_SIZE = 2000
# Waiting for other transactions that may have read rules or rates before the change.
WRITER_POLL_INTERVAL_SECONDS = 0.05
WRITER_WAIT_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class RevaluationResult:
    """Numbers of listings that were checked (`total`) and of those with a changed adjusted price."""

    total: int
    written: int

    @property
    def succeeded(self) -> int:
        """All listings: a batch that fails raises, and the job is tried again."""
        return self.total

    @property
    def failed(self) -> int:
        """Always 0, see `succeeded`."""
        return 0


async def run_revaluation(
    resources: Resources, content: Mapping[str, Any], progress: ProgressCallback, batch_size: int = BATCH_SIZE
) -> RevaluationResult:
    """Revalue the listings that a change can affect.

    `content` is the input of the job: `rules`, a list of components and kinds; or `currencies` and `since`, the first
    day of changed rates. Without either, all listings are revalued except boxed CPUs in USD. `progress(done, total)` is
    awaited after each batch.
    """
    scope = sql.ListingScope.of(content)
    async with resources.write() as tx:
        writers = await sql.open_writers(tx)
        total = await sql.count_listings(tx, scope)
    written = await _revalue_in_batches(resources, scope, total, progress, batch_size)
    if writers:
        await _wait_for_writers(resources, writers)
        # These transactions may have valued listings by the old rules or rates, and committed them after their batch.
        written += await _revalue_in_batches(resources, scope, total, progress, batch_size)
    log.info("valuation.complete", total=total, written=written)
    return RevaluationResult(total, written)


async def activate_due_rules(tx: Transaction) -> int | None:
    """Request a job that revalues listings by rules that come into force; return its id, or None.

    A rule comes into force once its start has passed, and is activated once. None means that no rule is due.
    """
    rules = await sql.activate_due_rules(tx)
    if not rules:
        return None
    tx.bump_version(Domain.MARKET)
    return await request_job(tx, JobKind.REVALUE_LISTINGS, {"rules": rules}, "schedule")


async def _revalue_in_batches(
    resources: Resources, scope: sql.ListingScope, total: int, progress: ProgressCallback, batch_size: int
) -> int:
    """Revalue the listings in the scope in ascending order of ids; return the number of listings written."""
    last_id, done, written = 0, 0, 0
    while True:
        async with resources.write() as tx:
            batch = await sql.next_batch(tx, scope, last_id, batch_size)
            if batch.last_id is None:
                return written
            changed = await sql.revalue_batch(tx, scope, last_id, batch.last_id)
            if changed:
                tx.bump_version(Domain.MARKET)
        last_id, done, written = batch.last_id, done + batch.listings, written + changed
        await progress(done, max(total, done))


async def _wait_for_writers(resources: Resources, writers: set[str]) -> None:
    """Wait until these transactions have ended; log a warning on timeout."""
    deadline = time.monotonic() + WRITER_WAIT_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        async with resources.write() as tx:
            if not writers & await sql.open_writers(tx):
                return
        await asyncio.sleep(WRITER_POLL_INTERVAL_SECONDS)
    log.warning("valuation.writer_wait_timeout", transactions=len(writers))
