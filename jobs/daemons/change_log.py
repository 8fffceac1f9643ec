"""Recalculates what the change log names, as soon as a commit tells of it.

The log is in PostgreSQL and so is the news, so Redis is not needed for it. The transaction that recalculates also
deletes from the log: a worker that dies leaves both as they were. Of several workers one recalculates at a time, and
the others find nothing left.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import structlog

from app.db.errors import is_unavailable
from app.db.notifications import CHANGE_LOG
from app.job_handlers import dispatch
from app.resources import Resources

log = structlog.get_logger()

# News that come one upon the other are one batch: it begins when there were none for QUIET_SECONDS, or at last after
# BURST_SECONDS.
QUIET_SECONDS = 0.01
BURST_SECONDS = 0.1
# How soon to ask again when somebody else is writing CPUs.
BUSY_SECONDS = 0.1


async def follow_changes(resources: Resources) -> None:
    """Runs until it is cancelled. News that were lost are made up for every `sweep_seconds`."""
    async with resources.changes.follow(CHANGE_LOG) as told:
        while True:
            await _calm(told)
            pause, again = await _drain(resources)
            await asyncio.sleep(pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), again)


async def _drain(resources: Resources) -> tuple[float, float]:
    """Seconds to rest, and after which to look again even if nothing was told in between."""
    pause, sweep = resources.settings.change_pause_seconds, resources.settings.sweep_seconds
    try:
        match await dispatch.drain(resources):
            case None:
                return 0.0, sweep
            case False:
                return 0.0, BUSY_SECONDS
    except Exception as error:
        # The log is as it was. What is wrong may be wrong for long: the next look is soon enough.
        if is_unavailable(error):
            log.warning("changes.not_recalculated", error=str(error))
        else:
            log.exception("changes.not_recalculated")
    return pause, sweep


async def _calm(told: asyncio.Event) -> None:
    """Returns when a burst of news is over; what is told from then on is for the next batch."""
    began = time.monotonic()
    while told.is_set() and time.monotonic() - began < BURST_SECONDS:
        told.clear()
        await asyncio.sleep(QUIET_SECONDS)
    told.clear()
