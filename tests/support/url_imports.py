"""Helpers for imports of URLs: pages, an import worker, requests, and the rows that result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy import text

from app.db.tables import ImportPriority, ImportSource
from app.ingestion.fetch.fetcher import Fetcher, FetchLimits
from app.ingestion.fetch.url_policy import AllowList
from app.ingestion.requests.import_requests import ImportRequest, RequestedRow, request_import, request_url_import
from app.ingestion.worker.import_worker import ImportWorker
from app.resources import Resources
from app.settings import Settings
from tests.support.waiting import wait_until

# Short delays for tests. Tests of limits set their own values.
QUICK_SETTINGS: dict[str, Any] = {
    "fetch_allow": ("127.0.0.1",),
    "fetch_host_delay_seconds": 0.0,
    "fetch_host_concurrency": 8,
    "fetch_retry_delay_seconds": 0.05,
    "poll_interval_seconds": 0.3,
}
LOCALHOST_ONLY = AllowList.from_entries(["127.0.0.1"])
FINAL_STATES = {"complete", "partial", "failed"}


def quick_settings(settings: Settings, **more: Any) -> Settings:
    """Return settings for imports from a local site."""
    return settings.model_copy(update={**QUICK_SETTINGS, **more})


def product_page(name: str, price: object = "100.00", currency: str = "USD", **offer: Any) -> bytes:
    """Return the page of a shop about one product."""
    terms = {"@type": "Offer", "itemCondition": "https://schema.org/UsedCondition", **offer}
    if price is not None:
        terms |= {"price": price, "priceCurrency": currency}
    data = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": name,
        "image": "/picture.jpg",
        "offers": terms,
    }
    block = f'<script type="application/ld+json">{orjson.dumps(data).decode()}</script>'
    return f"<html><head><title>{name}</title>{block}</head><body><h1>{name}</h1></body></html>".encode()


@asynccontextmanager
async def run_import_worker(resources: Resources, limits: FetchLimits | None = None) -> AsyncIterator[ImportWorker]:
    """Run an import worker while the block runs."""
    async with Fetcher(LOCALHOST_ONLY, limits) as fetcher:
        worker = ImportWorker(resources, fetcher)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def request_urls(resources: Resources, *urls: str, priority: ImportPriority = ImportPriority.NORMAL) -> int:
    """Request the import of URLs and return the id of the session."""
    async with resources.write() as tx:
        if len(urls) == 1:
            return await request_url_import(tx, urls[0], priority, "tester", LOCALHOST_ONLY)
        request = ImportRequest(ImportSource.CSV, "file.csv", priority, "tester")
        return await request_import(tx, request, [RequestedRow(url) for url in urls], LOCALHOST_ONLY)


async def fetch_import_rows(resources: Resources, statement: str, **values: Any) -> Sequence[Any]:
    """Return the rows of a query."""
    async with resources.read() as session:
        return await session.rows(text(statement), values)


async def session_row(resources: Resources, session_id: int) -> Any:
    """Return the row of a session."""
    (row,) = await fetch_import_rows(resources, "SELECT * FROM import_session WHERE id = :id", id=session_id)
    return row


async def session_rows(resources: Resources, session_id: int) -> Sequence[Any]:
    """Return the rows of a session with the values of their fetches."""
    return await fetch_import_rows(
        resources,
        """
        SELECT r.position, r.url, r.fetch_id, coalesce(f.status, 'failed') AS status, f.attempts, f.retries, f.due_at,
            coalesce(r.error_code, f.error_code) AS error_code, coalesce(r.error, f.error) AS error, f.quality,
            f.adapter, f.final_url, f.listing_ids, f.remarks, f.priority
        FROM import_row AS r LEFT JOIN import_fetch AS f ON f.id = r.fetch_id
        WHERE r.session_id = :id ORDER BY r.position
        """,
        id=session_id,
    )


async def wait_until_session_ended(resources: Resources, session_id: int, seconds: float = 90) -> Any:
    """Wait until a session has finished and return its row."""

    async def finished_session() -> Any:
        row = await session_row(resources, session_id)
        return row if row.finished_at is not None else None

    return await wait_until(finished_session, seconds)


async def import_urls(resources: Resources, *urls: str) -> Any:
    """Import URLs with a worker and return the row of the session."""
    session_id = await request_urls(resources, *urls)
    async with run_import_worker(resources):
        return await wait_until_session_ended(resources, session_id)


async def all_listings(resources: Resources) -> Sequence[Any]:
    """Return all listings in the order of their creation."""
    return await fetch_import_rows(resources, "SELECT * FROM listing ORDER BY id")


async def all_observations(resources: Resources) -> list[tuple[int, Any]]:
    """Return the listing id and the price of all observations in chronological order."""
    rows = await fetch_import_rows(
        resources, "SELECT listing_id, price FROM price_observation ORDER BY seen_at, listing_id"
    )
    return [(row.listing_id, row.price) for row in rows]


async def assert_session_counts(resources: Resources) -> None:
    """Check that all rows are finished and that the counts of the sessions equal their rows."""
    wrong_sessions = await fetch_import_rows(
        resources,
        """
        SELECT s.id, s.status, s.total, s.complete, s.partial, s.failed, r.*
        FROM import_session AS s JOIN (
            SELECT r.session_id, count(*) AS n, count(*) FILTER (WHERE f.status = 'complete') AS c,
                count(*) FILTER (WHERE f.status = 'partial') AS p,
                count(*) FILTER (WHERE coalesce(f.status, 'failed') = 'failed') AS bad
            FROM import_row AS r LEFT JOIN import_fetch AS f ON f.id = r.fetch_id GROUP BY r.session_id
        ) AS r ON r.session_id = s.id
        WHERE (s.total, s.complete, s.partial, s.failed) IS DISTINCT FROM (n, c, p, bad) OR c + p + bad <> n
        """,
    )
    assert [dict(row) for row in wrong_sessions] == []
