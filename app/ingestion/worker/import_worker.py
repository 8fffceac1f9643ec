"""The worker's part of imports: claims what is due, fetches and understands it, and stores what it comes to.

All state is in PostgreSQL, and so is the news that there is something to do: Redis is not needed. What is stored of a
page, the outcome of its fetch and the counts of the sessions that wait for it are one transaction; until that commits
nothing has happened, and whoever takes over does it again.

Three stages run at the same time, each of which takes what the one before has ready, together: pages are fetched one
by one, understood in threads, and stored in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import structlog

from app.catalog.title_matcher import matcher
from app.db.errors import is_unavailable
from app.db.tables import Domain
from app.ingestion.extract.pipeline import obtain
from app.ingestion.extract.protocols import Source
from app.ingestion.fetch.errors import Fault
from app.ingestion.fetch.fetcher import Fetcher
from app.ingestion.fetch.page import Page
from app.ingestion.worker import queue_sql
from app.ingestion.worker.lease import Claim, claiming
from app.ingestion.worker.page_processing import digest, payload_of
from app.ingestion.worker.persistence import GivenUp, NotStored, Outcome, store_outcomes
from app.resources import Resources
from app.titles.matcher import Matcher

log = structlog.get_logger()

T = TypeVar("T")

# A worker that ended, for whatever reason, so often while it was at a page would do so again.
MOST_LOST = 4
# Pages that are stored in one transaction, and understood by one thread in one go.
MOST_STORED = 50
MOST_DIGESTED = 8
# Pages that wait for a thread, of up to 5 MiB each; while that many do, no more are fetched.
MOST_WAITING = 2 * MOST_DIGESTED
# Few: what they do is mostly Python, and the loop must get its turn.
DIGESTING_THREADS = 2
# What comes in one upon the other is taken together.
CALM_SECONDS = 0.01
RECONNECT_SECONDS = 1.0
OUR_FAULT = "Something went wrong here; the worker's log knows more."


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page, and the fetch (id, url, host, attempts, retries) that got it."""

    fetch: Any
    page: Page
    at: datetime


class Importer:
    """Imports until it is cancelled. One per worker process."""

    def __init__(self, resources: Resources, fetcher: Fetcher, others: Sequence[Source] = ()) -> None:
        self.resources = resources
        self.settings = resources.settings
        self.fetcher = fetcher
        self.others = others
        self._threads = ThreadPoolExecutor(DIGESTING_THREADS, "digest")
        self._matcher: tuple[int, Matcher] | None = None

    async def run(self) -> None:
        """Goes on through failures of the database; what is not ended when it is cancelled is queued again."""
        while True:
            try:
                async with claiming(self.settings) as claim:
                    await self._work(claim)
            except Exception as error:
                _tell("imports.interrupted", error)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _work(self, claim: Claim) -> None:
        """Until the claim is lost, or the database does not answer."""
        pages, outcomes = asyncio.Queue[Fetched](MOST_WAITING), asyncio.Queue[Outcome](2 * MOST_STORED)
        stages = [
            asyncio.create_task(claim.lost.wait(), name="imports-lost"),
            asyncio.create_task(self._store_all(claim, outcomes), name="store-imports"),
            *(
                asyncio.create_task(self._digest_all(pages, outcomes), name="digest-imports")
                for _ in range(DIGESTING_THREADS)
            ),
        ]
        fetching = set[asyncio.Task[Any]]()
        try:
            async with self.resources.changes.follow(queue_sql.IMPORTS) as told:
                swept = float("-inf")
                while not claim.lost.is_set():
                    told.clear()
                    if time.monotonic() - swept >= self.settings.sweep_seconds:
                        await self._free_orphans()
                        swept = time.monotonic()
                    wait = self.settings.sweep_seconds
                    free = self.settings.fetch_concurrency - len(fetching)
                    if free > 0:
                        claimed, due = await self._take(claim, free)
                        fetching |= {asyncio.create_task(self._attempt(each, pages, outcomes)) for each in claimed}
                        wait = min(wait, due)
                    await _first(told, [*fetching, *stages], wait)
                    await asyncio.sleep(CALM_SECONDS)
                    for task in [task for task in (*fetching, *stages) if task.done()]:
                        fetching.discard(task)
                        task.result()  # raises what ended it, if anything did
        finally:
            for task in (*fetching, *stages):
                task.cancel()
            await asyncio.gather(*fetching, *stages, return_exceptions=True)
            if not claim.lost.is_set():
                await self._release(claim)

    async def _take(self, claim: Claim, free: int) -> tuple[Sequence[Any], float]:
        """Fetches to begin with, at most `free`, and seconds until there may be more."""
        settings = self.settings
        async with self.resources.write() as tx:
            claimed = await queue_sql.claim(
                tx, claim.number, free, settings.fetch_per_host, settings.fetch_pause_seconds
            )
            if claimed:
                tx.touch(Domain.WORK)
                tx.tell(*map(queue_sql.topic, await queue_sql.sessions_of(tx, [fetch.id for fetch in claimed])))
            due = await queue_sql.next_due(tx)
        return claimed, settings.sweep_seconds if due is None else max(due, 0.0)

    async def _attempt(self, fetch: Any, pages: asyncio.Queue[Fetched], outcomes: asyncio.Queue[Outcome]) -> None:
        """One attempt at one page: it goes to the next stage, or what is wrong with it to the last one."""
        try:
            if fetch.attempts - fetch.retries > MOST_LOST + 1:
                raise GivenUp(f"Given up: the worker ended in each of {fetch.attempts - 1} attempts.")
            page = await obtain(fetch.url, self.fetcher, self.others)
        except Fault as fault:
            await outcomes.put(Outcome(fetch, fault=fault))
        except Exception:
            log.exception("imports.failed", url=fetch.url)
            await outcomes.put(Outcome(fetch, fault=NotStored(OUR_FAULT)))
        else:
            await pages.put(Fetched(fetch, page, datetime.now(UTC)))

    async def _digest_all(self, pages: asyncio.Queue[Fetched], outcomes: asyncio.Queue[Outcome]) -> None:
        """Understands what comes in."""
        loop = asyncio.get_running_loop()
        while True:
            batch = await _together(pages, MOST_DIGESTED)
            known = await self._known()
            for outcome in await loop.run_in_executor(self._threads, understood, batch, known):
                await outcomes.put(outcome)

    async def _known(self) -> Matcher:
        """The matcher of the catalogue as of the last news."""
        versions = self.resources.changes.current()
        version = None if versions is None else versions.get(Domain.CATALOG, 0)
        if self._matcher is None or version is None or self._matcher[0] != version:
            async with self.resources.read() as session:
                self._matcher = (
                    (await session.versions()).get(Domain.CATALOG, 0),
                    await matcher(self.resources, session),
                )
        return self._matcher[1]

    async def _store_all(self, claim: Claim, outcomes: asyncio.Queue[Outcome]) -> None:
        """Stores what comes in."""
        while True:
            batch = await _together(outcomes, MOST_STORED)
            # What ends listings and what writes them takes locks in an order of its own.
            for part in ([each for each in batch if each.is_gone], [each for each in batch if not each.is_gone]):
                if part:
                    await store_outcomes(self.resources, claim.number, part)

    async def _free_orphans(self) -> None:
        async with self.resources.write() as tx:
            freed = await queue_sql.free_orphans(tx)
        if freed:
            log.warning("imports.taken_over", fetches=freed)

    async def _release(self, claim: Claim) -> None:
        try:
            async with self.resources.write() as tx:
                if await queue_sql.release(tx, claim.number):
                    tx.tell(queue_sql.IMPORTS)
        except Exception as error:  # the lock goes with the connection in any case
            _tell("imports.not_released", error)


def understood(batch: Iterable[Fetched], known: Matcher) -> list[Outcome]:
    """The outcomes of pages that were fetched; to be called in a thread."""
    return [_understood(each, known) for each in batch]


def _understood(fetched: Fetched, known: Matcher) -> Outcome:
    page = fetched.page
    outcome = partial(Outcome, fetched.fetch, final_url=page.url, fetched_at=fetched.at)
    try:
        payload = payload_of(page)
        try:
            return outcome(digest=digest(page, known, fetched.at), payload=payload)
        except Fault as fault:
            return outcome(fault=fault, payload=payload)
    except Exception:
        log.exception("imports.failed", url=fetched.fetch.url)
        return outcome(fault=NotStored(OUR_FAULT))


async def _together(queue: asyncio.Queue[T], most: int) -> list[T]:
    """The next one, and what else comes in a moment, at most so many."""
    batch = [await queue.get()]
    if queue.empty():
        await asyncio.sleep(CALM_SECONDS)
    while len(batch) < most and not queue.empty():
        batch.append(queue.get_nowait())
    return batch


async def _first(told: asyncio.Event, tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
    """Returns when there is news, when one of these ends, or after so many seconds."""
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait([waiting, *tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


def _tell(event: str, error: Exception) -> None:
    if is_unavailable(error):
        log.warning(event, error=str(error) or type(error).__name__)
    else:
        log.error(event, exc_info=error)
