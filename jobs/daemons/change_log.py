"""Recalculates the CPUs in the change log when a commit adds to it.

The change log and its notifications are in PostgreSQL, so this does not need Redis. The transaction that recalculates
also deletes the processed rows, so nothing is lost if the worker dies. Of several workers, one recalculates at a time,
and the others find an empty change log.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from app.core.waiting import wait_for_event
from app.db.errors import is_unavailable
from app.db.notifications import CHANGE_LOG_TOPIC
from app.job_handlers.recalculation import process_change_log
from app.resources import Resources

log = structlog.get_logger()

# Notifications are debounced: a batch starts when none arrived for DEBOUNCE_SECONDS, or after MAX_DEBOUNCE_SECONDS.
DEBOUNCE_SECONDS = 0.01
MAX_DEBOUNCE_SECONDS = 0.1
# Delay before the next attempt while another transaction writes CPUs.
BUSY_RETRY_INTERVAL_SECONDS = 0.1


async def follow_change_log(resources: Resources) -> None:
    """Process the change log until cancelled. Polls every `poll_interval_seconds` in case a notification is lost."""
    async with resources.notifications.subscribe(CHANGE_LOG_TOPIC) as changed:
        while True:
            await _debounce(changed)
            pause, timeout = await _process(resources)
            await asyncio.sleep(pause)
            await wait_for_event(changed, timeout)


async def _process(resources: Resources) -> tuple[float, float]:
    """Process the change log once.

    Return the seconds to pause, and the seconds after which to continue without a notification.
    """
    pause, poll_interval = resources.settings.change_log_min_interval_seconds, resources.settings.poll_interval_seconds
    try:
        match await process_change_log(resources):
            case None:
                return 0.0, poll_interval
            case False:
                return 0.0, BUSY_RETRY_INTERVAL_SECONDS
    except Exception as error:
        # The change log is unchanged. The cause may last, so the next poll is soon enough.
        if is_unavailable(error):
            log.warning("changes.not_recalculated", error=str(error))
        else:
            log.exception("changes.not_recalculated")
    return pause, poll_interval


async def _debounce(changed: asyncio.Event) -> None:
    """Return when a burst of notifications has ended; later ones belong to the next batch."""
    started_at = time.monotonic()
    while changed.is_set() and time.monotonic() - started_at < MAX_DEBOUNCE_SECONDS:
        changed.clear()
        await asyncio.sleep(DEBOUNCE_SECONDS)
    changed.clear()
