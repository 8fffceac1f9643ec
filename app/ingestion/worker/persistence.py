"""Persist the results of fetches (listings, fetch rows, session counts) in one transaction, and schedule retries."""

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
from app.db.transaction import Transaction
from app.ingestion.fetch.errors import HttpStatusError, IngestionError, PermanentError, RetryableError
from app.ingestion.worker import queue_sql, result_sql
from app.ingestion.worker.page_processing import MAX_REMARKS, ExtractionResult
from app.ingestion.worker.queue_sql import ClaimedFetch
from app.ingestion.worker.result_sql import PagePayload
from app.market.lifecycle import mark_missing
from app.market.upsert import end_listings, upsert_offers
from app.resources import Resources

log = structlog.get_logger()

MAX_RETRIES = 3
JITTER_RATIO = 0.5  # each delay is lengthened by up to this part of it
# A Retry-After header delays the other pages of the host by at most this time.
MAX_HOST_PAUSE_SECONDS = 300.0
GONE_STATUSES = {404, 410}
# Serialization failure and deadlock: two transactions wrote the same listings. One of them repeats its work.
CONFLICT_SQLSTATES = {"40001", "40P01"}


class AttemptsExhausted(PermanentError):
    """The worker crashed in every attempt."""

    code = "GIVEN_UP"


class PersistenceError(PermanentError):
    """An unexpected exception while the page was processed or stored. The worker's log contains the traceback."""

    code = "INTERNAL"


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The result of one attempt: an extraction or an error. `final_url`, `payload` and `fetched_at` need a page."""

    fetch: ClaimedFetch
    extraction: ExtractionResult | None = None
    error: IngestionError | None = None
    final_url: str | None = None
    payload: PagePayload | None = None
    fetched_at: datetime | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the server answered that the page no longer exists."""
        return isinstance(self.error, HttpStatusError) and self.error.status in GONE_STATUSES


def fetch_retry_delay(result: FetchResult, base_seconds: float) -> float | None:
    """Return the seconds until the next attempt, None if there is none.

    The delay doubles with each retry, has random jitter, and is never shorter than the server's Retry-After.
    """
    error, retries = result.error, result.fetch.retries
    if not isinstance(error, RetryableError) or retries >= MAX_RETRIES:
        return None
    backoff: float = base_seconds * 2**retries * (1 + random.uniform(0, JITTER_RATIO))  # noqa: S311
    return max(backoff, error.retry_after or 0.0)


async def persist_results(resources: Resources, lease_number: int, results: Sequence[FetchResult]) -> None:
    """Persist results in one transaction. If that fails, persist each of them in a transaction of its own."""
    try:
        await _persist(resources, lease_number, results)
    except Exception as error:
        if is_unavailable(error):
            raise
        if _sqlstate(error) in CONFLICT_SQLSTATES:
            await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311
            await persist_results(resources, lease_number, results)
        elif len(results) > 1:
            for result in results:
                await persist_results(resources, lease_number, [result])
        else:
            (failing,) = results
            if isinstance(failing.error, PersistenceError):
                raise
            log.exception("imports.not_stored", url=failing.fetch.url)
            failure = PersistenceError("The offers of the page could not be stored. See the worker's log.")
            await _persist(resources, lease_number, [FetchResult(failing.fetch, error=failure)])


async def _persist(resources: Resources, lease_number: int, results: Sequence[FetchResult]) -> None:
    base_seconds = resources.settings.fetch_retry_delay_seconds
    async with resources.write() as tx:
        owned_ids = await queue_sql.lock_owned(tx, lease_number, [result.fetch.id for result in results])
        owned = [result for result in results if result.fetch.id in owned_ids]
        if not owned:
            return
        listing_ids = await _write_listings(tx, owned)
        delays = {result.fetch.id: fetch_retry_delay(result, base_seconds) for result in owned}
        unpriced = await result_sql.unpriced_listings(tx, [key for keys in listing_ids.values() for key in keys])
        rows = [
            _fetch_row(result, delays[result.fetch.id], listing_ids.get(result.fetch.id, []), unpriced)
            for result in owned
        ]
        await result_sql.write_results(tx, rows)
        payloads = {result.fetch.id: result.payload for result in owned if result.payload is not None}
        if payloads:
            await result_sql.store_payloads(tx, payloads)
        if pauses := _host_pauses(owned):
            await queue_sql.pause_hosts(tx, pauses)
        finished_ids = [fetch_id for fetch_id, delay in delays.items() if delay is None]
        await result_sql.update_session_counts(tx, finished_ids)
        sessions = await queue_sql.sessions_waiting_for(tx, [result.fetch.id for result in owned])
        tx.bump_version(Domain.WORK)
        tx.notify(queue_sql.IMPORTS_TOPIC, *map(queue_sql.session_topic, sessions))
    for row in rows:
        IMPORTS.labels(row["status"]).inc()


async def _write_listings(tx: Transaction, results: Sequence[FetchResult]) -> dict[int, list[int]]:
    """Upsert the listings of extracted offers and end the listings of pages that are gone.

    Returns the listing ids by fetch id. Listings that the previous fetch of a URL found, and this one did not, are
    marked as missing.
    """
    previous = await result_sql.last_known_listings(tx, [result.fetch.url for result in results])
    extractions = [(result.fetch, result.extraction) for result in results if result.extraction is not None]
    ids = iter(await upsert_offers(tx, [offer for _, extraction in extractions for offer in extraction.offers]))
    upserted = {
        fetch.id: list(dict.fromkeys(next(ids) for _ in extraction.offers)) for fetch, extraction in extractions
    }
    upserted_ids = {listing_id for listing_ids in upserted.values() for listing_id in listing_ids}
    previous_ids = {listing_id for fetch, _ in extractions for listing_id in previous.get(fetch.url, ())}
    if missing := previous_ids - upserted_ids:
        await mark_missing(tx, sorted(missing))
    gone = {result.fetch.id: previous.get(result.fetch.url, []) for result in results if result.is_gone}
    await end_listings(tx, [listing_id for listing_ids in gone.values() for listing_id in listing_ids])
    return upserted | gone


def _fetch_row(
    result: FetchResult, delay: float | None, listing_ids: Sequence[int], unpriced: Mapping[int, str]
) -> dict[str, Any]:
    """Return the columns of `import_fetch` for a result. `unpriced` maps listing ids to reasons."""
    extraction, error = result.extraction, result.error
    reasons = [unpriced[listing_id] for listing_id in listing_ids if listing_id in unpriced]
    status = extraction.status if extraction is not None else ImportStatus.FAILED
    return {
        "id": result.fetch.id,
        "status": status if delay is None else ImportStatus.QUEUED,
        "delay": delay,
        "error_code": None if error is None else error.code,
        "error": None if error is None else error.message,
        "quality": None if extraction is None else extraction.quality,
        "adapter": None if extraction is None else extraction.adapter,
        "final_url": result.final_url,
        "fetched_at": result.fetched_at,
        "listing_ids": listing_ids,
        "remarks": [] if extraction is None else list(dict.fromkeys([*extraction.remarks, *reasons]))[:MAX_REMARKS],
    }


def _host_pauses(results: Iterable[FetchResult]) -> dict[str, float]:
    """Return the pause that each host requested by Retry-After, in seconds."""
    pauses: dict[str, float] = {}
    for result in results:
        if isinstance(result.error, RetryableError) and result.error.retry_after:
            seconds = min(result.error.retry_after, MAX_HOST_PAUSE_SECONDS)
            pauses[result.fetch.host] = max(seconds, pauses.get(result.fetch.host, 0.0))
    return pauses


def _sqlstate(error: BaseException) -> str:
    return str(getattr(error.orig, "sqlstate", "")) if isinstance(error, DBAPIError) else ""
