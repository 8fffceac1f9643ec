"""Import worker: claims due fetches, loads their pages, and stores the offers on them.

All state is in PostgreSQL, and so are the notifications about new fetches; Redis is not needed. The listings of a page,
the result of its fetch and the counts of the waiting sessions are written in one transaction. Until that commits, the
fetch has not happened, and another worker may repeat it.

Three stages run concurrently: one task per fetch loads a page, threads extract and match the offers of batches of
pages, and one task persists batches of results.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import structlog

from app.catalog.title_matcher import get_matcher
from app.db.errors import is_unavailable
from app.db.tables import Domain
from app.ingestion.extract.pipeline import load_page
from app.ingestion.extract.protocols import PageSource
from app.ingestion.fetch.errors import IngestionError
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.fetch.page import WebPage
from app.ingestion.worker import queue_sql
from app.ingestion.worker.lease import WorkerLease, hold_lease
from app.ingestion.worker.page_processing import compress_page, process_page
from app.ingestion.worker.persistence import AttemptsExhausted, FetchResult, PersistenceError, persist_results
from app.ingestion.worker.queue_sql import ClaimedFetch
from app.resources import Resources
from app.titles.matcher import TitleMatcher

log = structlog.get_logger()

T = TypeVar("T")

# A fetch during which workers died this many times is likely to kill the next worker, too.
MAX_LOST_ATTEMPTS = 4
MAX_PERSIST_BATCH = 50  # results in one transaction
MAX_PROCESS_BATCH = 8  # pages that one thread processes in a row
# Pages of up to 5 MiB each that wait for a thread. Fetching stops while the queue is full.
MAX_PENDING_PAGES = 2 * MAX_PROCESS_BATCH
# Only a few, because page processing is mostly Python code and competes with the event loop.
PROCESSING_THREADS = 2
# How long to wait for further items of a batch.
DEBOUNCE_SECONDS = 0.01
RECONNECT_DELAY_SECONDS = 1.0
INTERNAL_ERROR = "Internal error. See the worker's log."


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page and the fetch that loaded it."""

    fetch: ClaimedFetch
    page: WebPage
    fetched_at: datetime


class ImportWorker:
    """Worker of the fetch queue. A worker process runs one."""

    def __init__(self, resources: Resources, fetcher: Fetcher, sources: Sequence[PageSource] = ()) -> None:
        self.resources = resources
        self.settings = resources.settings
        self.fetcher = fetcher
        self.sources = sources
        self._threads = ThreadPoolExecutor(PROCESSING_THREADS, "process-pages")
        self._matcher: tuple[int, TitleMatcher] | None = None  # with the catalogue version

    async def run(self) -> None:
        """Run until cancelled, also through failures of the database. Unfinished fetches are requeued at the end."""
        while True:
            try:
                async with hold_lease(self.settings) as lease:
                    await self._run_stages(lease)
            except Exception as error:
                _log_error("imports.interrupted", error)
            await asyncio.sleep(RECONNECT_DELAY_SECONDS)

    async def _run_stages(self, lease: WorkerLease) -> None:
        """Run all stages until the lease is lost or the database is unavailable."""
        pages = asyncio.Queue[FetchedPage](MAX_PENDING_PAGES)
        results = asyncio.Queue[FetchResult](2 * MAX_PERSIST_BATCH)
        stages = [
            asyncio.create_task(lease.lost.wait(), name="imports-lease-lost"),
            asyncio.create_task(self._persist_results(lease, results), name="imports-persist"),
            *(
                asyncio.create_task(self._process_pages(pages, results), name="imports-process")
                for _ in range(PROCESSING_THREADS)
            ),
        ]
        fetch_tasks = set[asyncio.Task[Any]]()
        try:
            await self._fetch_pages(lease, stages, fetch_tasks, pages, results)
        finally:
            for task in (*fetch_tasks, *stages):
                task.cancel()
            await asyncio.gather(*fetch_tasks, *stages, return_exceptions=True)
            if not lease.lost.is_set():
                await self._requeue_claimed(lease)

    async def _fetch_pages(
        self,
        lease: WorkerLease,
        stages: Collection[asyncio.Task[Any]],
        fetch_tasks: set[asyncio.Task[Any]],
        pages: asyncio.Queue[FetchedPage],
        results: asyncio.Queue[FetchResult],
    ) -> None:
        """Claim fetches and start a task for each. Raises the exception of any task that fails."""
        poll_interval = self.settings.poll_interval_seconds
        async with self.resources.notifications.subscribe(queue_sql.IMPORTS_TOPIC) as notified:
            last_requeue = float("-inf")
            while not lease.lost.is_set():
                notified.clear()
                if time.monotonic() - last_requeue >= poll_interval:
                    await self._requeue_abandoned()
                    last_requeue = time.monotonic()
                wait_seconds = poll_interval
                free_slots = self.settings.fetch_concurrency - len(fetch_tasks)
                if free_slots > 0:
                    fetches, seconds_until_due = await self._claim_due(lease, free_slots)
                    fetch_tasks |= {asyncio.create_task(self._fetch_page(fetch, pages, results)) for fetch in fetches}
                    wait_seconds = min(wait_seconds, seconds_until_due)
                await _wait_any(notified, [*fetch_tasks, *stages], wait_seconds)
                await asyncio.sleep(DEBOUNCE_SECONDS)
                for task in [task for task in (*fetch_tasks, *stages) if task.done()]:
                    fetch_tasks.discard(task)
                    task.result()  # raises the exception of a task that failed

    async def _claim_due(self, lease: WorkerLease, free_slots: int) -> tuple[Sequence[ClaimedFetch], float]:
        """Claim at most `free_slots` fetches. Returns them, and the seconds until more may be due."""
        settings = self.settings
        async with self.resources.write() as tx:
            fetches = await queue_sql.claim_fetches(
                tx, lease.number, free_slots, settings.fetch_host_concurrency, settings.fetch_host_delay_seconds
            )
            if fetches:
                sessions = await queue_sql.sessions_waiting_for(tx, [fetch.id for fetch in fetches])
                tx.bump_version(Domain.WORK)
                tx.notify(*map(queue_sql.session_topic, sessions))
            seconds = await queue_sql.seconds_until_due(tx)
        return fetches, settings.poll_interval_seconds if seconds is None else max(seconds, 0.0)

    async def _fetch_page(
        self, fetch: ClaimedFetch, pages: asyncio.Queue[FetchedPage], results: asyncio.Queue[FetchResult]
    ) -> None:
        """Make one attempt: a page goes to the processing stage, an error directly to the last stage."""
        try:
            if fetch.attempts - fetch.retries > MAX_LOST_ATTEMPTS + 1:
                raise AttemptsExhausted(f"Given up: the worker crashed in each of {fetch.attempts - 1} attempts.")
            page = await load_page(fetch.url, self.fetcher, self.sources)
        except IngestionError as error:
            await results.put(FetchResult(fetch, error=error))
        except Exception:
            log.exception("imports.failed", url=fetch.url)
            await results.put(FetchResult(fetch, error=PersistenceError(INTERNAL_ERROR)))
        else:
            await pages.put(FetchedPage(fetch, page, fetch.now()))

    async def _process_pages(self, pages: asyncio.Queue[FetchedPage], results: asyncio.Queue[FetchResult]) -> None:
        """Extract and match the offers of fetched pages, in threads."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await _drain_queue(pages, MAX_PROCESS_BATCH)
            matcher = await self._current_matcher()
            for result in await loop.run_in_executor(self._threads, process_pages, batch, matcher):
                await results.put(result)

    async def _current_matcher(self) -> TitleMatcher:
        """Return the matcher of the current catalogue; it is read from the database only after a notification."""
        versions = self.resources.notifications.current_versions()
        version = None if versions is None else versions.get(Domain.CATALOG, 0)
        if self._matcher is None or version is None or self._matcher[0] != version:
            async with self.resources.read() as session:
                version = (await session.versions()).get(Domain.CATALOG, 0)
                self._matcher = (version, await get_matcher(self.resources, session))
        return self._matcher[1]

    async def _persist_results(self, lease: WorkerLease, results: asyncio.Queue[FetchResult]) -> None:
        """Persist results in batches."""
        while True:
            batch = await _drain_queue(results, MAX_PERSIST_BATCH)
            # Ending listings and writing listings lock them in different orders, so they need separate transactions.
            gone = [result for result in batch if result.is_gone]
            others = [result for result in batch if not result.is_gone]
            for part in (gone, others):
                if part:
                    await persist_results(self.resources, lease.number, part)

    async def _requeue_abandoned(self) -> None:
        async with self.resources.write() as tx:
            count = await queue_sql.requeue_abandoned(tx)
        if count:
            log.warning("imports.requeued_abandoned", fetches=count)

    async def _requeue_claimed(self, lease: WorkerLease) -> None:
        try:
            async with self.resources.write() as tx:
                if await queue_sql.requeue_claimed(tx, lease.number):
                    tx.notify(queue_sql.IMPORTS_TOPIC)
        except Exception as error:  # other workers will requeue them once the connection of the lease is closed
            _log_error("imports.requeue_failed", error)


def process_pages(batch: Iterable[FetchedPage], matcher: TitleMatcher) -> list[FetchResult]:
    """Return the results of fetched pages. This is CPU-bound: call it in a thread."""
    return [_process_page(fetched, matcher) for fetched in batch]


def _process_page(fetched: FetchedPage, matcher: TitleMatcher) -> FetchResult:
    page = fetched.page
    result = partial(FetchResult, fetched.fetch, final_url=page.url, fetched_at=fetched.fetched_at)
    try:
        payload = compress_page(page)
        try:
            return result(extraction=process_page(page, matcher, fetched.fetched_at), payload=payload)
        except IngestionError as error:
            return result(error=error, payload=payload)
    except Exception:
        log.exception("imports.failed", url=fetched.fetch.url)
        return result(error=PersistenceError(INTERNAL_ERROR))


async def _drain_queue(queue: asyncio.Queue[T], limit: int) -> list[T]:
    """Wait for an item, then for further ones for DEBOUNCE_SECONDS. Returns at most `limit` items."""
    batch = [await queue.get()]
    if queue.empty():
        await asyncio.sleep(DEBOUNCE_SECONDS)
    while len(batch) < limit and not queue.empty():
        batch.append(queue.get_nowait())
    return batch


async def _wait_any(notified: asyncio.Event, tasks: Iterable[asyncio.Task[Any]], timeout_seconds: float) -> None:
    """Wait for a notification, the end of a task, or the timeout, whichever comes first."""
    notification = asyncio.create_task(notified.wait())
    try:
        await asyncio.wait([notification, *tasks], timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        notification.cancel()
        with suppress(asyncio.CancelledError):
            await notification


def _log_error(event: str, error: Exception) -> None:
    """Log an unavailable database as a warning, and any other error with its traceback."""
    if is_unavailable(error):
        log.warning(event, error=str(error) or type(error).__name__)
    else:
        log.error(event, exc_info=error)
