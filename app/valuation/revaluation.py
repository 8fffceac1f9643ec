"""Listings valued anew after a change of rules or rates, a batch at a time, each in a transaction of its own.

A value follows from the row, the rules and the rates alone; so a worker that dies in the middle loses nothing, and the
next one writes what is left. Figures follow through the change log, as after any change of prices.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from app.db.tables import Domain, JobKind
from app.db.transaction import Tx
from app.job_queue.enqueue import request_job
from app.resources import Resources
from app.valuation import revaluation_sql as sql

log = structlog.get_logger()

BATCH_SIZE = 2000
# Writers that may have read rules or rates before the change: how often to look whether they ended, and how long.
LOOK_SECONDS = 0.05
WAIT_SECONDS = 600.0

Progress = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True)
class Revalued:
    """What a revaluation did: listings that it looked at, and those of them whose price or valuation is another one."""

    total: int
    written: int

    @property
    def succeeded(self) -> int:
        """All: a batch that fails fails the attempt, and the next one does it."""
        return self.total

    @property
    def failed(self) -> int:
        """None, see `succeeded`."""
        return 0


async def revalue(
    resources: Resources, content: Mapping[str, Any], progress: Progress, size: int = BATCH_SIZE
) -> Revalued:
    """Values the listings that a change concerns: `content` has `rules` (component and kind), or `currencies` and
    `since`; without either all listings that are not plain."""
    concerned = sql.Concerned.of(content)
    async with resources.write() as tx:
        writers = await sql.earlier_writers(tx)
        total = await sql.count(tx, concerned)
    written = await _walk(resources, concerned, total, progress, size)
    if writers:
        await _end(resources, writers)
        # What they wrote may have been valued before the change, and committed behind the walk.
        written += await _walk(resources, concerned, total, progress, size)
    log.info("valuation.complete", total=total, written=written)
    return Revalued(total, written)


async def bring_into_force(tx: Tx) -> int | None:
    """Asks for the job that values listings by the rules whose time has come; its id, None when there are none."""
    rules = await sql.due_rules(tx)
    if not rules:
        return None
    tx.touch(Domain.MARKET)
    return await request_job(tx, JobKind.REVALUE_LISTINGS, {"rules": rules}, "schedule")


async def _walk(resources: Resources, concerned: sql.Concerned, total: int, progress: Progress, size: int) -> int:
    """The number of listings written."""
    after, done, written = 0, 0, 0
    while True:
        async with resources.write() as tx:
            batch = await sql.next_batch(tx, concerned, after, size)
            if batch.upto is None:
                return written
            changed = await sql.revalue(tx, concerned, after, batch.upto)
            if changed:
                tx.touch(Domain.MARKET)
        after, done, written = batch.upto, done + batch.listings, written + changed
        await progress(done, max(total, done))


async def _end(resources: Resources, writers: set[str]) -> None:
    """Waits until these transactions are over, or very long."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        async with resources.write() as tx:
            if not writers & await sql.earlier_writers(tx):
                return
        await asyncio.sleep(LOOK_SECONDS)
    log.warning("valuation.writers_do_not_end", transactions=len(writers))
