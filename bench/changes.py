"""Time from the commit of a price change to the new response over HTTP, with a running API and worker."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import httpx
from sqlalchemy import text

from app.db.tables import Domain, JobKind
from app.db.transaction import Transaction
from app.documents.registry import builtin_documents
from app.engine.document import content_id
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import ROOT, filled_database
from bench.serving import CORES, running_server

LISTINGS = 1_000_000
TARGET_SECONDS = 0.250
POLL_INTERVAL_SECONDS = 0.002
WAIT_TIMEOUT_SECONDS = 30.0
BURST_SIZE = 200

# One active listing of each CPU, for some CPUs that have several.
SELECT_LISTINGS = text(
    """
    SELECT slug, (SELECT min(id) FROM listing WHERE cpu_id = cpu.id AND status = 'active') AS listing_id
    FROM cpu WHERE price_sample_size > 1 ORDER BY md5(slug) LIMIT :limit
    """
)
# The price rises or falls, and with it the ranks of all CPUs.
REPRICE = text(
    """
    UPDATE listing SET price = price * :factor, adjusted_price = adjusted_price * :factor, updated_at = now()
    WHERE id = :id
    """
)
SELECT_ANALYTICS_VERSION = text("SELECT version FROM data_version WHERE domain = 'analytics'")
COUNT_LOGGED_CHANGES = text("SELECT count(*) FROM data_change_log")


def main() -> None:
    """Print p50 and p95. With `--quick`, use fewer listings and rounds."""
    if shutil.which("taskset") is None or len(CORES) < 2:
        print("needs two cores and taskset (on Debian: apt-get install util-linux)")
        return
    quick = "--quick" in sys.argv
    with filled_database(50_000 if quick else LISTINGS) as settings:
        asyncio.run(recalculate_all(settings))
        with running_server([sys.executable, "-m", "app.cli", "serve"], settings) as server, running_worker(settings):
            asyncio.run(measure(settings, f"http://127.0.0.1:{server.port}", 60 if quick else 300))


@contextmanager
def running_worker(settings: Settings) -> Iterator[None]:
    """Run a worker on the second core."""
    environment = {
        **os.environ,
        "DATABASE_URL": settings.required_database_url,
        "REDIS_URL": settings.required_redis_url,
        "DEALMARK_LOG_LEVEL": "WARNING",
    }
    command = ["taskset", "-c", str(CORES[1]), sys.executable, "-m", "app.cli", "worker"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as worker:
        try:
            yield
        finally:
            worker.terminate()


async def recalculate_all(settings: Settings) -> None:
    """Calculate all figures, so that the change log is empty."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})


async def measure(settings: Settings, url: str, rounds: int) -> None:
    """Measure single changes one after another, then a burst."""
    rng = random.Random(1)
    async with (
        Resources.open(settings, listen=False) as resources,
        httpx.AsyncClient(base_url=url, headers={"accept": "application/json"}) as http,
    ):
        await wait_until(resources.broker.is_worker_alive)
        async with resources.read() as session:
            listings = await session.rows(SELECT_LISTINGS, {"limit": rounds + 5 + BURST_SIZE})
        seconds = []
        for row in listings[: rounds + 5]:
            await asyncio.sleep(rng.uniform(0.3, 0.6))
            seconds.append(await one_change(resources, http, row))
        print_percentiles("a price change", sorted(seconds[5:]))
        await burst(resources, http, listings[rounds + 5 :])


async def one_change(resources: Resources, http: httpx.AsyncClient, row: Any) -> float:
    """Return the seconds from the commit until the response has another price target."""
    old_target = await price_target(http, row.slug)
    async with resources.write() as tx:
        await reprice(tx, row.listing_id)
    started_at = time.perf_counter()
    await wait_for_change(http, row.slug, old_target)
    return time.perf_counter() - started_at


async def burst(resources: Resources, http: httpx.AsyncClient, listings: Any) -> None:
    """Commit many changes as fast as possible, and measure until all responses are new."""
    old_targets = {row.slug: await price_target(http, row.slug) for row in listings}
    async with resources.read() as session:
        version = await session.scalar(SELECT_ANALYTICS_VERSION)
    started_at = time.perf_counter()
    for row in listings:
        async with resources.write() as tx:
            await reprice(tx, row.listing_id)
    committed = time.perf_counter()
    for slug, old_target in old_targets.items():
        await wait_for_change(http, slug, old_target)
    ended = time.perf_counter()
    async with resources.read() as session:
        batches = await session.scalar(SELECT_ANALYTICS_VERSION) - version
        assert await session.scalar(COUNT_LOGGED_CHANGES) == 0
    print(
        f"  {len(listings)} commits in {committed - started_at:.2f} s took {batches} batches; all responses were new "
        f"{(ended - committed) * 1000:.0f} ms after the last one, including {len(listings)} requests"
    )


async def reprice(tx: Transaction, listing_id: int) -> None:
    """Change a price as an import would."""
    await tx.execute(REPRICE, {"id": listing_id, "factor": random.choice((0.5, 1.5))})
    tx.bump_version(Domain.MARKET)


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a condition until it is true. Raises SystemExit after WAIT_TIMEOUT_SECONDS."""
    deadline = time.perf_counter() + WAIT_TIMEOUT_SECONDS
    while not await condition():
        if time.perf_counter() > deadline:
            raise SystemExit(f"The condition was not met within {WAIT_TIMEOUT_SECONDS:.0f} s.")
        await asyncio.sleep(POLL_INTERVAL_SECONDS)


async def wait_for_change(http: httpx.AsyncClient, slug: str, old_target: Any) -> None:
    """Wait until the price target of a CPU has changed."""

    async def has_changed() -> bool:
        return bool(await price_target(http, slug) != old_target)

    await wait_until(has_changed)


async def price_target(http: httpx.AsyncClient, slug: str) -> Any:
    """Return the good price in the response of the built-in document CpuDetail."""
    document = content_id(builtin_documents()["CpuDetail"])
    response = await http.get(f"/graphql/{document}", params={"variables": json.dumps({"slug": slug})})
    return response.raise_for_status().json()["data"]["cpu"]["priceTarget"]["good"]


def print_percentiles(title: str, seconds: list[float]) -> None:
    """Print the percentiles of sorted times."""
    p50, p95 = median(seconds), seconds[int(0.95 * len(seconds))]
    verdict = "within" if p95 <= TARGET_SECONDS else "MISSES"
    print(
        f"  {title}: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, maximum {seconds[-1] * 1000:.0f} ms "
        f"({len(seconds)} rounds); {verdict} the target of {TARGET_SECONDS * 1000:.0f} ms",
        flush=True,
    )
