"""Bulk imports during failures of workers, database connections, the database and Redis.

Each row ends in exactly one state, no offer becomes two listings, and no price is lost.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.db import schema_version
from app.devserver.embedded import EmbeddedPostgres
from app.ingestion.worker import queue_sql
from app.resources import Resources
from app.settings import Settings
from tests.support.ports import closed_port
from tests.support.settings import make_settings
from tests.support.sites import Handler, Site, http_response, run_site
from tests.support.url_imports import (
    all_listings,
    all_observations,
    assert_session_counts,
    fetch_import_rows,
    product_page,
    quick_settings,
    request_urls,
    run_import_worker,
    session_rows,
    wait_until_session_ended,
)
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker

PAGES = 60


def page(number: int) -> Handler:
    """Return a slow page with an offer."""

    async def answer(_request: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(http_response(product_page(f"Offer {number}", f"{number + 1}.00")))

    return answer


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    async with Resources.open(quick_settings(settings)) as opened:
        yield opened


@pytest.fixture
async def shop() -> AsyncIterator[Site]:
    async with run_site({f"/{number}": page(number) for number in range(PAGES)}) as running:
        yield running


async def request_pages(resources: Resources, shop: Site) -> int:
    return await request_urls(resources, *(shop.url(f"/{number}") for number in range(PAGES)))


async def wait_until_requested(shop: Site, pages: int) -> None:
    """Wait until the site has received a number of requests."""

    async def has_requests() -> bool:
        return len(shop.requests) >= pages

    await wait_until(has_requests, 30)


async def assert_all_rows_complete(resources: Resources, session_id: int) -> None:
    """Check that each row is complete and has one listing with one price."""
    session = await wait_until_session_ended(resources, session_id, 30)
    assert (session.status, session.total, session.complete) == ("complete", PAGES, PAGES)
    rows = await session_rows(resources, session_id)
    assert {(row.status, len(row.listing_ids)) for row in rows} == {("complete", 1)}
    prices = {listing.id: listing.price for listing in await all_listings(resources)}
    assert sorted(prices.values()) == [Decimal(number + 1) for number in range(PAGES)]
    assert dict(await all_observations(resources)) == prices
    assert len(await all_observations(resources)) == PAGES
    assert (
        await fetch_import_rows(
            resources, "SELECT FROM import_fetch WHERE claim IS NOT NULL OR status IN ('queued', 'running')"
        )
        == []
    )
    await assert_session_counts(resources)


async def wait_until_exited(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 15)


async def test_import_continues_after_workers_are_killed(
    resources: Resources, settings: Settings, shop: Site, tmp_path: Path
) -> None:
    """Another worker, or one that starts later, takes over the fetches of a killed worker."""
    session_id = await request_pages(resources, shop)
    with run_worker(settings, tmp_path / "one") as one, run_worker(settings, tmp_path / "two") as two:
        await wait_until_requested(shop, 12)
        one.kill()
        await wait_until_requested(shop, 30)
        two.kill()
        await wait_until_exited(two)
        assert {row.status for row in await session_rows(resources, session_id)} >= {"running", "complete"}
        with run_worker(settings, tmp_path / "three"):
            await assert_all_rows_complete(resources, session_id)
    assert len(shop.requests) > PAGES, "some pages were fetched again"
    await resources.broker.redis.flushall()


async def test_worker_requeues_unfinished_fetches_on_shutdown(
    resources: Resources, settings: Settings, shop: Site, tmp_path: Path
) -> None:
    """Redis is not available in this test; imports do not need it."""
    settings = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{closed_port()}/0"})
    session_id = await request_pages(resources, shop)
    with run_worker(settings, tmp_path / "one") as one:
        await wait_until_requested(shop, 10)
        one.send_signal(signal.SIGTERM)
        assert await wait_until_exited(one) == 0
    rows = await session_rows(resources, session_id)
    assert {row.status for row in rows} == {"queued", "complete"}
    assert {row.attempts for row in rows if row.status == "queued"} == {0}, "an interrupted attempt does not count"
    async with run_import_worker(resources):
        await assert_all_rows_complete(resources, session_id)


async def test_import_continues_after_connections_are_terminated(
    resources: Resources, settings: Settings, shop: Site
) -> None:
    session_id = await request_pages(resources, shop)
    connection = await asyncpg.connect(settings.required_database_url)
    terminate = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1"
    )
    async with run_import_worker(resources), run_import_worker(resources):
        for pages in (8, 20, 35):
            await wait_until_requested(shop, pages)
            assert await connection.fetchval(terminate, connection.get_server_pid()) > 3
        await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected))
        await resources.engine.dispose()
        await assert_all_rows_complete(resources, session_id)
    await connection.close()


async def test_import_continues_after_postgresql_restarts(redis_url: str, shop: Site) -> None:
    with tempfile.TemporaryDirectory(prefix="dm-") as folder:
        postgres = EmbeddedPostgres(Path(folder), durable=False)
        try:
            url = await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(schema_version.upgrade, url)
            async with Resources.open(
                quick_settings(make_settings(database_url=url, redis_url=redis_url))
            ) as resources:
                session_id = await request_pages(resources, shop)
                async with run_import_worker(resources):
                    await wait_until_requested(shop, 15)
                    await asyncio.to_thread(postgres.stop)
                    await asyncio.sleep(0.5)
                    await asyncio.to_thread(postgres.start)
                    await resources.engine.dispose()

                    async def is_available() -> bool:
                        try:
                            return bool(await fetch_import_rows(resources, "SELECT 1 AS one"))
                        except OSError:
                            return False

                    await wait_until(is_available)
                    await assert_all_rows_complete(resources, session_id)
        finally:
            await asyncio.to_thread(postgres.stop)


async def test_worker_that_lost_a_fetch_does_not_write_its_result(resources: Resources) -> None:
    """After a network failure, another worker owns the fetch, and the result of the first attempt is discarded."""
    proceed = asyncio.Event()

    async def slow(_request: str, writer: asyncio.StreamWriter) -> None:
        await proceed.wait()
        writer.write(http_response(product_page("An offer", "10")))

    async with run_site({"/a": slow}) as shop:
        session_id = await request_urls(resources, shop.url("/a"))
        async with run_import_worker(resources):
            await wait_until_requested(shop, 1)
            async with resources.write() as tx:
                await tx.execute(text("UPDATE import_fetch SET claim = claim + 1"))
            proceed.set()
            # No worker holds the lock of that lease number, so the fetch is requeued as abandoned.
            assert (await wait_until_session_ended(resources, session_id)).status == "complete"
        assert len(shop.requests) == 2
    (row,) = await session_rows(resources, session_id)
    assert row.attempts == 2
    assert len(await all_listings(resources)) == 1
    await assert_session_counts(resources)


async def test_fetch_that_crashes_every_worker_fails(resources: Resources, shop: Site) -> None:
    session_id = await request_urls(resources, shop.url("/1"))
    async with resources.write() as tx:
        await tx.execute(text("UPDATE import_fetch SET attempts = 5, status = 'running', claim = 1"))
    async with run_import_worker(resources):
        session = await wait_until_session_ended(resources, session_id)
    (row,) = await session_rows(resources, session_id)
    assert (session.status, row.error_code) == ("failed", "GIVEN_UP")
    assert row.error == "Given up: the worker crashed in each of 5 attempts."
    assert shop.requests == []


async def test_requeue_abandoned_keeps_fetches_of_live_workers(resources: Resources, shop: Site) -> None:
    session_id = await request_pages(resources, shop)

    async def running() -> list[Any]:
        return [row for row in await session_rows(resources, session_id) if row.status == "running"]

    async with run_import_worker(resources):
        await wait_until(running)
        async with resources.write() as tx:
            assert await queue_sql.requeue_abandoned(tx) == 0
        await assert_all_rows_complete(resources, session_id)
    assert len(shop.requests) == PAGES
