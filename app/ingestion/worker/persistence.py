"""What came of fetches, and how it is stored: listings, outcomes and counts in one transaction."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from app.core.metrics import IMPORTS
from app.db.errors import is_unavailable
from app.db.tables import Domain, ImportStatus
from app.db.transaction import Tx
from app.ingestion.fetch.errors import Fault, Final, HttpRefused, Retryable
from app.ingestion.worker import queue_sql
from app.ingestion.worker.page_processing import MOST_REMARKS, Digest
from app.ingestion.worker.queue_sql import Payload
from app.market.lifecycle import mark_missing
from app.market.upsert import end, store
from app.resources import Resources

log = structlog.get_logger()

RETRIES = 3
JITTER = 0.5  # up to half of the pause is added
# Of a host that wants to be left alone, other pages wait no longer than this.
LONGEST_HOST_PAUSE = 300.0
GONE = {404, 410}
# Two that store the same offers, or revalue them, at the same time: one of them begins anew.
AGAIN_STATES = {"40001", "40P01"}


class GivenUp(Final):
    """Every worker that was at it ended."""

    code = "GIVEN_UP"


class NotStored(Final):
    """A fault of ours; the log knows more."""

    code = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: a digest, or a fault; and where the page was and what it was, if there was one."""

    fetch: Any  # id, url, host, attempts, retries
    digest: Digest | None = None
    fault: Fault | None = None
    final_url: str | None = None
    payload: Payload | None = None
    fetched_at: datetime | None = None

    @property
    def delay(self) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        if not isinstance(self.fault, Retryable) or self.fetch.retries >= RETRIES:
            return None
        return self.fault.retry_after or 0.0

    @property
    def is_gone(self) -> bool:
        """Whether the server said that there is nothing any more."""
        return isinstance(self.fault, HttpRefused) and self.fault.status in GONE


async def store_outcomes(resources: Resources, claim: int, outcomes: Sequence[Outcome]) -> None:
    """Stores what these came to, all in one transaction; if that cannot be, one by one, and the guilty alone fail."""
    try:
        await _stored(resources, claim, outcomes)
    except Exception as error:
        if is_unavailable(error):
            raise
        if _state(error) in AGAIN_STATES:
            await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311
            await store_outcomes(resources, claim, outcomes)
        elif len(outcomes) > 1:
            for each in outcomes:
                await store_outcomes(resources, claim, [each])
        else:
            (guilty,) = outcomes
            if isinstance(guilty.fault, NotStored):
                raise
            log.exception("imports.not_stored", url=guilty.fetch.url)
            fault = NotStored("What is on the page could not be stored; the worker's log knows more.")
            await _stored(resources, claim, [Outcome(guilty.fetch, fault=fault)])


async def _stored(resources: Resources, claim: int, outcomes: Sequence[Outcome]) -> None:
    retry_seconds = resources.settings.fetch_retry_seconds
    async with resources.write() as tx:
        held = await queue_sql.hold(tx, claim, [each.fetch.id for each in outcomes])
        mine = [each for each in outcomes if each.fetch.id in held]
        if not mine:
            return
        listing_ids = await _listings(tx, mine)
        delays = {each.fetch.id: _delay(each, retry_seconds) for each in mine}
        unvalued = await queue_sql.unvalued(tx, [listing for ids in listing_ids.values() for listing in ids])
        rows = [_row(each, delays[each.fetch.id], listing_ids, unvalued) for each in mine]
        await queue_sql.finish(tx, rows)
        payloads = {each.fetch.id: each.payload for each in mine if each.payload is not None}
        if payloads:
            await queue_sql.keep_payloads(tx, payloads)
        if pauses := _pauses(mine):
            await queue_sql.pause_hosts(tx, pauses)
        ended = [each.fetch.id for each in mine if delays[each.fetch.id] is None]
        await queue_sql.count_rows(tx, ended)
        sessions = await queue_sql.sessions_of(tx, [each.fetch.id for each in mine])
        tx.touch(Domain.WORK)
        tx.tell(queue_sql.IMPORTS, *map(queue_sql.topic, sessions))
    for row in rows:
        IMPORTS.labels(row["status"]).inc()


async def _listings(tx: Tx, outcomes: Sequence[Outcome]) -> dict[int, list[int]]:
    """Fetch -> its listings: those stored now, or those of a page that is gone, which end.

    What a page offered when it was last looked at, and does not any more, is missing from now on.
    """
    known = await queue_sql.known_listings(tx, [each.fetch.url for each in outcomes])
    found: dict[int, list[int]] = {}
    digests = [(each.fetch, each.digest) for each in outcomes if each.digest is not None]
    ids = iter(await store(tx, [sighting for _, digested in digests for sighting in digested.sightings]))
    for fetch, digested in digests:
        found[fetch.id] = list(dict.fromkeys(next(ids) for _ in digested.sightings))
    stored = {listing for listings in found.values() for listing in listings}
    if missing := {listing for fetch, _ in digests for listing in known.get(fetch.url, ())} - stored:
        await mark_missing(tx, sorted(missing))
    gone = {each.fetch.id: known.get(each.fetch.url, []) for each in outcomes if each.is_gone}
    await end(tx, [listing for listings in gone.values() for listing in listings])
    return found | gone


def _row(
    outcome: Outcome, delay: float | None, listing_ids: Mapping[int, list[int]], unvalued: Mapping[int, str]
) -> dict[str, Any]:
    digested, fault = outcome.digest, outcome.fault
    listings = listing_ids.get(outcome.fetch.id, [])
    reasons = [unvalued[listing] for listing in listings if listing in unvalued]
    status = digested.status if digested is not None else ImportStatus.FAILED
    return {
        "id": outcome.fetch.id,
        "status": status if delay is None else ImportStatus.QUEUED,
        "delay": delay,
        "error_code": None if fault is None else fault.code,
        "error": None if fault is None else fault.message,
        "quality": None if digested is None else digested.quality,
        "adapter": None if digested is None else digested.adapter,
        "final_url": outcome.final_url,
        "fetched_at": outcome.fetched_at,
        "listing_ids": listings,
        "remarks": [] if digested is None else _remarks(digested, reasons),
    }


def _remarks(digested: Digest, unvalued: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*digested.remarks, *unvalued]))[:MOST_REMARKS]


def _delay(outcome: Outcome, first: float) -> float | None:
    """Seconds until the next attempt: doubled each time, never exactly what others wait, never less than asked for."""
    if outcome.delay is None:
        return None
    pause: float = first * 2**outcome.fetch.retries * (1 + random.uniform(0, JITTER))  # noqa: S311
    return max(pause, outcome.delay)


def _pauses(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Host -> seconds for which it asked to be left alone."""
    pauses: dict[str, float] = {}
    for each in outcomes:
        if isinstance(each.fault, Retryable) and each.fault.retry_after:
            wait = min(each.fault.retry_after, LONGEST_HOST_PAUSE)
            pauses[each.fetch.host] = max(wait, pauses.get(each.fetch.host, 0.0))
    return pauses


def _state(error: BaseException) -> str:
    return str(getattr(error.orig, "sqlstate", "")) if isinstance(error, DBAPIError) else ""
