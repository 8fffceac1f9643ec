"""Responses are neither outdated nor mixed, while data change, connections are cut and Redis is restarted.

Every write sets all marks and prices of the catalogue to the next number, and a recalculation makes it the
good price of all CPUs. So a response that mixes two states has two numbers, and an outdated one has a number that was
replaced before the request began. Three API processes are queried, one of them without a cache. With `-s` the test
prints how much it read, and the age of the oldest response.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy import text

from app.analytics.recalculation import recalculate
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.tables import Domain
from app.devserver.embedded import EmbeddedRedis
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.databases import run_statement
from tests.support.effort import size_of
from tests.support.ports import closed_port
from tests.support.response_cache import persisted_query_url, register_query
from tests.support.settings import SECRET, make_settings
from tests.support.waiting import wait_until

log = structlog.get_logger()

# Maximum time from a commit until every process knows of it; much longer than on an idle machine.
NOTIFIED_SECONDS = 1.0
READS = size_of(short=1_500, long=20_000, soak=100_000)
CPUS = 4
READERS = 10
LEAST_ROUNDS = 3
MIN_WRITES = 20
MIN_RECALCULATIONS = 5
EXPECTED_SOURCES = {"HIT-L1", "HIT-L2", "MISS", "BYPASS", "HIT-L1 304"}

FIELDS = "cpuMarkMulti priceTarget { good } listings { nodes { adjustedPrice } }"
LIST = f"query List {{ cpus {{ nodes {{ {FIELDS} }} }} }}"
ONE = f"query One($slug: String!) {{ cpu(slug: $slug) {{ {FIELDS} }} }}"
TOTAL = "query Total { statistics { cpuMarkMulti { min max } } }"
TIMED = "query Timed { cpus(first: 2) { nodes { cpuMarkMulti priceTarget { good fresh } } } }"
TARGETS = [
    persisted_query_url(LIST),
    persisted_query_url(TOTAL),
    persisted_query_url(TIMED),
    *(persisted_query_url(ONE, slug=f"cpu-{n}") for n in range(CPUS)),
]
WRITE = """
    WITH priced AS (UPDATE listing SET price = :n, adjusted_price = :n)
    UPDATE cpu SET cpu_mark_multi = :n, cpu_mark_single = :n
"""
CUT = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'dealmark notifications'
"""


@dataclass
class Timeline:
    """When each number could be visible first (its commit began), and when it had to be (its commit had ended)."""

    begun: list[float] = field(default_factory=lambda: [0.0])
    ended: list[float] = field(default_factory=lambda: [0.0])
    numbers: list[int] = field(default_factory=lambda: [0])

    def check(self, number: int, asked: float, answered: float, allowed: float) -> float:
        """Return how many seconds a number was outdated when it was requested. Fail if that is not allowed."""
        at = self.numbers.index(number)
        assert self.begun[at] <= answered, f"{number} was not there yet"
        old = asked - self.ended[at + 1] if at + 1 < len(self.ended) else 0.0
        assert old <= allowed, f"{number} was out of date for {old:.3f} s"
        return max(0.0, old)


@dataclass
class World:
    """The written numbers and the read responses."""

    prices: Timeline = field(default_factory=Timeline)
    goods: Timeline = field(default_factory=Timeline)
    sources: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, bytes] = field(default_factory=dict)
    reads: int = 0
    oldest: float = 0.0
    rounds: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """A persistent connection for fast requests, without a client library."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.etags: dict[str, str] = {}

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def get(self, target: str, etag: str | None) -> tuple[int, dict[str, str], bytes]:
        """Send a request. Return status, headers and body."""
        condition = f"if-none-match: {etag}\r\n" if etag else ""
        self.writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\n{condition}\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body


async def read(world: World, connection: Connection) -> None:
    """Read until there are enough responses, and compare each with the written numbers."""
    await connection.open()
    try:
        while not world.enough.is_set():
            await ask(world, connection)
    finally:
        await connection.close()


async def ask(world: World, connection: Connection) -> None:
    target = random.choice(TARGETS)
    etag = connection.etags.get(target) if random.random() < 0.5 else None
    asked = time.monotonic()
    status, headers, body = await connection.get(target, etag)
    answered = time.monotonic()
    assert status == (304 if not body else 200), body
    source = headers["x-cache"]
    if "etag" in headers:
        connection.etags[target] = headers["etag"]
        body = body or world.bodies[headers["etag"]]
        assert world.bodies.setdefault(headers["etag"], body) == body, "one validator, one body"
    # An execution for this request only is current; another request may have started or cached any other response.
    compare(world, body, asked, answered, 0.0 if source == "BYPASS" else NOTIFIED_SECONDS)
    world.sources[source + (" 304" if status == 304 else "")] += 1
    world.reads += 1


def compare(world: World, body: bytes, asked: float, answered: float, allowed: float) -> None:
    """Check that a response has one number, and that it is current."""
    assert b'"errors"' not in body, body
    numbers = {int(float(n)) for n in re.findall(rb'"(?:cpuMarkMulti|adjustedPrice|min|max)":([0-9.]+)', body)}
    assert len(numbers) == 1, f"mixed: {body!r}"
    goods = {int(float(n)) for n in re.findall(rb'"good":([0-9.]+)', body)}
    assert len(goods) <= 1, f"mixed: {body!r}"
    for timeline, found in ((world.prices, numbers), (world.goods, goods)):
        for number in found:
            world.oldest = max(world.oldest, timeline.check(number, asked, answered, allowed))


async def write(world: World, resources: Resources) -> None:
    """Write the next number repeatedly."""
    while not world.enough.is_set():
        number = world.prices.numbers[-1] + 1
        async with resources.write() as tx:
            await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CPU_WRITERS_LOCK})
            await tx.execute(text(WRITE), {"n": number})
            tx.bump_version(Domain.CATALOG, Domain.MARKET)
            _begin(world.prices, number)
        world.prices.ended.append(time.monotonic())
        await asyncio.sleep(random.choice([0.0, 0.01, 0.2, 0.5]))


async def calculate(world: World, resources: Resources) -> None:
    """Recalculate all figures repeatedly while prices change."""

    async def noted(_done: int, _total: int) -> None: ...

    while not world.enough.is_set():
        async with resources.write() as tx:
            await recalculate(tx, None, None, 2, noted)
            # Null before the first write: listings start without a price above 0.
            number = int(await tx.scalar(text("SELECT max(price_good) FROM cpu")) or 0)
            moved = number != world.goods.numbers[-1]
            if moved:
                _begin(world.goods, number)
        if moved:
            world.goods.ended.append(time.monotonic())
        await asyncio.sleep(random.choice([0.01, 0.2, 0.5]))


def _begin(timeline: Timeline, number: int) -> None:
    timeline.begun.append(time.monotonic())
    timeline.numbers.append(number)


async def disturb(world: World, url: str, redis: EmbeddedRedis) -> None:
    """Cut the notification connections, and restart Redis."""
    while not world.enough.is_set():
        await asyncio.sleep(random.uniform(0.3, 0.8))
        # After the first cut the processes reconnect immediately, after the second with a delay.
        await run_statement(url, CUT)
        await asyncio.sleep(random.uniform(0.05, 0.3))
        await run_statement(url, CUT)
        await asyncio.sleep(random.uniform(0.8, 1.5))
        await asyncio.to_thread(redis.stop)
        await asyncio.sleep(random.uniform(0.0, 0.5))
        await asyncio.to_thread(redis.start)
        await asyncio.sleep(0.5)
        world.rounds += 1


@contextmanager
def processes(settings: Settings) -> Iterator[list[int]]:
    """Start three API processes, the last one without a cache. Return their ports."""
    ports, started = [closed_port() for _ in range(3)], []
    own = {name: value for name, value in os.environ.items() if not name.startswith("DEALMARK_")}
    try:
        for number, port in enumerate(ports):
            environment = {
                "DATABASE_URL": settings.required_database_url,
                "REDIS_URL": settings.required_redis_url,
                "DEALMARK_PORT": str(port),
                "DEALMARK_DOCUMENTS": "apq",
                "DEALMARK_JWT_SECRET": SECRET,
                "DEALMARK_LOG_LEVEL": "ERROR",
                "DEALMARK_RESPONSE_CACHE": "off" if number == 2 else "on",
            }
            command = [sys.executable, "-m", "app.cli", "serve"]
            started.append(subprocess.Popen(command, env=own | environment))
        yield ports
    finally:
        for process in started:
            process.terminate()
        assert {process.wait(20) for process in started} <= {0, -signal.SIGTERM}


async def prepare(port: int, settings: Settings) -> None:
    """Wait until the process serves requests and receives notifications, then register the queries."""
    api = ApiClient(f"http://127.0.0.1:{port}", settings)

    async def listens() -> bool:
        try:
            return (await api.http.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await wait_until(listens, 30)
    for query in (LIST, ONE, TOTAL, TIMED):
        await register_query(api, query)
    await api.http.aclose()


async def watch(world: World, reads: int) -> None:
    """Stop the test after enough reads, writes, recalculations and rounds of cuts and restarts."""
    while (  # noqa: ASYNC110, there is no event to wait for
        world.reads < reads
        or world.rounds < LEAST_ROUNDS
        or len(world.prices.numbers) <= MIN_WRITES
        or len(world.goods.numbers) <= MIN_RECALCULATIONS
        or not world.sources.keys() >= EXPECTED_SOURCES
    ):
        await asyncio.sleep(0.05)
    world.enough.set()


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    with tempfile.TemporaryDirectory(prefix="dealmark-test-") as folder:
        redis = EmbeddedRedis(Path(folder))
        redis.start()
        yield redis
        redis.stop()


@pytest.mark.sized
async def test_no_response_is_outdated_or_mixed(database_url: str, own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    settings = make_settings(database_url=database_url, redis_url=own_redis.url, data_dir=tmp_path)
    world = World()
    began = time.monotonic()
    async with Resources.open(settings, listen=False) as resources:
        for number in range(CPUS):
            await add_cpu(resources, f"CPU {number}", [0, 0, 0], cpu_mark_multi=0, cpu_mark_single=0)
        with processes(settings) as ports:
            await asyncio.gather(*(prepare(port, settings) for port in ports))
            async with asyncio.TaskGroup() as group:
                for number in range(READERS):
                    # Every fifth reader uses the process without a cache, which must never return outdated responses.
                    group.create_task(read(world, Connection(ports[(0, 1, 0, 1, 2)[number % 5]])))
                for task in (write(world, resources), calculate(world, resources), watch(world, READS)):
                    group.create_task(task)
                group.create_task(disturb(world, database_url, own_redis))
    report = (
        f"{world.reads} reads in {time.monotonic() - began:.1f} s: {dict(world.sources)}; {len(world.prices.numbers)} "
        f"writes, {len(world.goods.numbers)} recalculations, {world.rounds} rounds of cuts and restarts; "
        f"the oldest answer was out of date for {world.oldest * 1000:.1f} ms"
    )
    log.info(report)
    assert "STALE" not in world.sources, "PostgreSQL was there all the time"
