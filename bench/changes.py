"""From the commit of a price change to fresh bytes over HTTP: real API, real worker, both warm."""

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
from app.engine.document import content_id
from app.job_handlers import dispatch
from app.resources import Resources
from app.settings import Settings
from bench.database import ROOT, filled_database
from bench.serving import CORES, running

LISTINGS = 1_000_000
TARGET_SECONDS = 0.250
POLL_SECONDS = 0.002
PATIENCE_SECONDS = 30.0
BURST = 200

# One active listing of each of some CPUs that have several.
CHOSEN = text(
    """
    SELECT slug, (SELECT min(id) FROM listing WHERE cpu_id = cpu.id AND status = 'active') AS listing_id
    FROM cpu WHERE price_sample_size > 1 ORDER BY md5(slug) LIMIT :limit
    """
)
# Dearer or cheaper, and so up or down in everybody's ranks.
REPRICE = text(
    """
    UPDATE listing SET price = price * :factor, adjusted_price = adjusted_price * :factor, updated_at = now()
    WHERE id = :id
    """
)
ANALYTICS = text("SELECT version FROM data_version WHERE domain = 'analytics'")
LOGGED = text("SELECT count(*) FROM data_change_log")


def main() -> None:
    """Prints p50 and p95; `--quick`: fewer listings and rounds."""
    if shutil.which("taskset") is None or len(CORES) < 2:
        print("needs two cores and taskset (on Debian: apt-get install util-linux)")
        return
    quick = "--quick" in sys.argv
    with filled_database(50_000 if quick else LISTINGS) as settings:
        asyncio.run(first_recalculation(settings))
        with running([sys.executable, "-m", "app.cli", "serve"], settings) as server, working(settings):
            asyncio.run(measure(settings, f"http://127.0.0.1:{server.port}", 60 if quick else 300))


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """A worker on the second core, while the block runs."""
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


async def first_recalculation(settings: Settings) -> None:
    """All figures are right, and the log is empty."""
    async with Resources.open(settings, listen=False) as resources:
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})


async def measure(settings: Settings, url: str, rounds: int) -> None:
    """One change after the other, then a burst."""
    chance = random.Random(1)
    async with (
        Resources.open(settings, listen=False) as resources,
        httpx.AsyncClient(base_url=url, headers={"accept": "application/json"}) as http,
    ):
        await until(resources.broker.is_worker_alive)
        async with resources.read() as session:
            chosen = await session.rows(CHOSEN, {"limit": rounds + 5 + BURST})
        seconds = []
        for row in chosen[: rounds + 5]:
            await asyncio.sleep(chance.uniform(0.3, 0.6))
            seconds.append(await one_change(resources, http, row))
        tell("a price change", sorted(seconds[5:]))
        await burst(resources, http, chosen[rounds + 5 :])


async def one_change(resources: Resources, http: httpx.AsyncClient, row: Any) -> float:
    """Seconds from the commit until the answer has another price target."""
    before = await target(http, row.slug)
    async with resources.write() as tx:
        await reprice(tx, row.listing_id)
    began = time.perf_counter()
    await moved(http, row.slug, before)
    return time.perf_counter() - began


async def burst(resources: Resources, http: httpx.AsyncClient, chosen: Any) -> None:
    """Many commits, one after the other as fast as they go; the figures of all of them."""
    before = {row.slug: await target(http, row.slug) for row in chosen}
    async with resources.read() as session:
        version = await session.scalar(ANALYTICS)
    began = time.perf_counter()
    for row in chosen:
        async with resources.write() as tx:
            await reprice(tx, row.listing_id)
    committed = time.perf_counter()
    for slug, old in before.items():
        await moved(http, slug, old)
    ended = time.perf_counter()
    async with resources.read() as session:
        batches = await session.scalar(ANALYTICS) - version
        assert await session.scalar(LOGGED) == 0
    print(
        f"  {len(chosen)} commits in {committed - began:.2f} s were {batches} batches; all answers were fresh "
        f"{(ended - committed) * 1000:.0f} ms after the last (asking for {len(chosen)} of them included)"
    )


async def reprice(tx: Transaction, listing_id: int) -> None:
    """A price as an import would change it."""
    await tx.execute(REPRICE, {"id": listing_id, "factor": random.choice((0.5, 1.5))})
    tx.bump_version(Domain.MARKET)


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    """Looks again and again. Raises SystemExit after PATIENCE_SECONDS."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not await look():
        if time.perf_counter() > deadline:
            raise SystemExit("it did not happen in time")
        await asyncio.sleep(POLL_SECONDS)


async def moved(http: httpx.AsyncClient, slug: str, before: Any) -> None:
    """Until the price target is another one."""

    async def look() -> bool:
        return bool(await target(http, slug) != before)

    await until(look)


async def target(http: httpx.AsyncClient, slug: str) -> Any:
    """The good price in the shipped document about a CPU."""
    document = content_id((ROOT / "app" / "documents" / "CpuDetail.graphql").read_text(encoding="utf-8"))
    response = await http.get(f"/graphql/{document}", params={"variables": json.dumps({"slug": slug})})
    return response.raise_for_status().json()["data"]["cpu"]["priceTarget"]["good"]


def tell(title: str, seconds: list[float]) -> None:
    """Of sorted times."""
    p50, p95 = median(seconds), seconds[int(0.95 * len(seconds))]
    verdict = "within" if p95 <= TARGET_SECONDS else "MISSES"
    print(
        f"  {title}: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, most {seconds[-1] * 1000:.0f} ms "
        f"({len(seconds)} rounds); {verdict} the target of {TARGET_SECONDS * 1000:.0f} ms",
        flush=True,
    )
