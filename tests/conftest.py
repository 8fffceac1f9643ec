"""One PostgreSQL cluster and one Redis per process of the run, both real; per test a database cloned from a template.

`pytest -n 2` runs the tests in two processes; they share nothing but the folders of npm packages.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import asyncpg
import coverage
import httpx
import hypothesis
import pytest
import uvicorn
from redis.asyncio import Redis
from sqlalchemy import event, make_url
from starlette.types import ASGIApp

from app.core import circuit_breaker
from app.core.errors import StartupError
from app.core.logging import configure_logging
from app.db import schema_version
from app.db.tables import cpu, listing
from app.db.transaction import Tx
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis, account_for_postgres
from app.graphql.viewer import Role
from app.main import create_app
from app.resources import Reader, Resources
from app.server.authentication import mint
from app.settings import Settings
from jobs.worker import make_worker

SECRET = "a secret that only the tests know, 32 bytes"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
NUMBERS = count(1)

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.exists(), reason="the real data sets (../shared/data) are not on this machine"
)


# A change is not held up by what another one did: CI looks at the same random cases each time, developers at new ones.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def logs() -> None:
    """Logs as they are in development: structlog's own default draws a picture for every exception, for seconds."""
    configure_logging("console", "INFO", sys.stderr)


def pytest_configure(config: pytest.Config) -> None:
    """What must be so before the first test, in the process that was started and in each of `-n`."""
    if not hasattr(config, "workerinput"):
        with suppress(StartupError):  # the tests that need the account will tell
            account_for_postgres()  # here, since several processes must not make it at once
        return
    # This process is measured already: as a subprocess of a measured one, and by pytest-cov, which takes it for the
    # first one. What measures the tests comes later; where that pauses (no_cover) these two would go on.
    while (begun := coverage.Coverage.current()) is not None:
        begun.stop()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own."""
    parser.addoption(
        "--reads", type=int, default=5_000, help="how many answers the consistency of the cache is shown by"
    )
    parser.addoption(
        "--documents", type=int, default=20_000, help="how many random documents are executed by plans and graphql-core"
    )
    parser.addoption("--documents-seed", default="dealmark", help="what the random documents follow from")


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """URL of the run's cluster, with a migrated database `template` in it."""
    # Not in pytest's own folder: as root another run would close that to PostgreSQL's account at any moment.
    directory = Path(tempfile.mkdtemp(prefix="dealmark-test-"))
    server = EmbeddedPostgres(directory, durable=False)
    url = server.start()
    try:
        asyncio.run(_sql(url, "CREATE DATABASE template"))
        schema_version.upgrade(database_of(url, "template"))
        yield url
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the run's Redis."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is there is not given up when the machine pauses; tests of one that hangs say how long they wait."""
    monkeypatch.setattr(circuit_breaker, "TIMEOUT_SECONDS", 3.0)


@pytest.fixture
def database_url(cluster: str) -> Iterator[str]:
    """A migrated, empty database."""
    with database(cluster, template="template") as url:
        yield url


@pytest.fixture
async def redis_url(redis_server: str) -> AsyncIterator[str]:
    """An empty Redis; a test that leaves a job in the queue fails."""
    redis = Redis.from_url(redis_server)
    await redis.flushall()
    yield redis_server
    left = await redis.zcard("dealmark:queue")
    await redis.aclose()
    assert not left, "a job was left behind in the queue"


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of this test, independent of the environment."""
    return make_settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, development=True)


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open resources on the test's own database."""
    async with Resources.open(settings) as opened:
        yield opened


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """The API behind a real server on a port of its own, in this event loop."""
    async with serving(settings) as running:
        yield running


class Api:
    """A client of a running API."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, timeout=30, verify=False)  # no TLS: it need not read certificates
        self.settings = settings

    def token(self, role: Role) -> dict[str, str]:
        """The header of somebody with this role."""
        return {"authorization": f"Bearer {mint(self.settings, role, 'tester', timedelta(minutes=5))}"}

    async def ask(self, query: str, role: Role | None = None, **variables: Any) -> dict[str, Any]:
        """The whole response to a query by POST."""
        headers = {} if role is None else self.token(role)
        response = await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, query: str, role: Role | None = None, **variables: Any) -> dict[str, Any]:
        """The data of a response that must have no errors."""
        answer = await self.ask(query, role, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, query: str, role: Role | None = None, **variables: Any) -> tuple[str, str]:
        """Code and message of a response that must have one error."""
        answer = await self.ask(query, role, **variables)
        (error,) = answer["errors"]
        return error["extensions"]["code"], error["message"]


class _Server(uvicorn.Server):
    """uvicorn that stops at once, where its own looks for that ten times a second and then waits as long again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """They are pytest's."""
        return nullcontext()

    async def main_loop(self) -> None:
        """Until it is told to stop."""
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """In the same order as uvicorn's own."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110, uvicorn has no event
            await asyncio.sleep(0.005)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(settings: Settings, app: ASGIApp | None = None) -> AsyncIterator[Api]:
    """Runs the API, or this application in its place, while the block runs."""
    server = _Server(
        uvicorn.Config(
            app or create_app(settings), host="127.0.0.1", port=0, log_config=None, lifespan="on", proxy_headers=False
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Api(f"http://127.0.0.1:{port}", settings)
    try:
        yield running
    finally:
        await running.http.aclose()
        server.told.set()
        await task


async def listening(api: Api) -> None:
    """Returns when the process has the news of commits; before, it keeps no answers and reads documents anew."""
    for _ in range(1000):
        answer = await api.http.get("/graphql", params={"documentId": "Statistics"})
        if answer.headers["x-cache"] != "BYPASS":
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has no news of commits")


async def work_off(resources: Resources) -> None:
    """Runs a real arq worker in burst mode until the queue is empty."""
    worker = make_worker(resources, burst=True)
    await worker.async_run()


async def add_cpu(resources: Resources, name: str, prices: Sequence[float | str] = (), **columns: Any) -> int:
    """A CPU with active listings at these adjusted prices; its id."""
    async with resources.write() as tx:
        values = {"name": name, "slug": name.lower().replace(" ", "-"), "manufacturer": name.split()[0], **columns}
        cpu_id = int(await tx.scalar(cpu.insert().values(values).returning(cpu.c.id)))
        if prices:
            await tx.execute(listing.insert(), [_listing_at(cpu_id, price) for price in prices])
    return cpu_id


async def add_listing(tx: Tx, cpu_id: int | None, price: float | str | None, **columns: Any) -> int:
    """A listing; active and used unless told otherwise."""
    values = {**_listing_at(cpu_id, price), **columns}
    return int(await tx.scalar(listing.insert().values(values).returning(listing.c.id)))


def _listing_at(cpu_id: int | None, price: float | str | None) -> dict[str, Any]:
    number = next(NUMBERS)
    amount = None if price is None else Decimal(str(price))
    return {
        "cpu_id": cpu_id,
        "title": f"Listing {number}",
        "marketplace": "test",
        "condition": "used",
        "status": "active",
        "price": amount,
        "adjusted_price": amount,
        "offer_key": number.to_bytes(8),
        "seen_at": datetime.now(UTC),
    }


@dataclass
class Statements:
    """The SQL statements that readers and writers ran (BEGIN and COMMIT are no statements here)."""

    texts: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many."""
        return len(self.texts)


@contextmanager
def counting(resources: Resources) -> Iterator[Statements]:
    """Counts the statements run within."""
    seen = Statements()

    def record(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.texts.append(statement)

    fetch = Reader._fetch

    async def recorded(reader: Reader, sql: str, *rest: Any) -> Sequence[Any]:
        seen.texts.append(sql)
        return await fetch(reader, sql, *rest)

    engine = resources.engine.sync_engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        with mock.patch.object(Reader, "_fetch", recorded):
            yield seen
    finally:
        event.remove(engine, "before_cursor_execute", record)


@contextmanager
def database(cluster: str, template: str = "template0") -> Iterator[str]:
    """A database that exists while the block runs."""
    name = f"test_{next(NUMBERS)}"
    asyncio.run(_sql(cluster, f'CREATE DATABASE {name} TEMPLATE "{template}" STRATEGY FILE_COPY'))
    try:
        yield database_of(cluster, name)
    finally:
        asyncio.run(_sql(cluster, f"DROP DATABASE {name} WITH (FORCE)"))


def database_of(cluster: str, name: str) -> str:
    """The URL of a database in the cluster."""
    return cluster.replace("/postgres?", f"/{name}?")


def name_of(database_url: str) -> str:
    """The name of the database that a URL leads to."""
    name = make_url(database_url).database
    assert name is not None
    return name


def make_settings(**values: Any) -> Settings:
    """Settings with these values and the tests' secret."""
    return Settings(**{"jwt_secret": SECRET, **values})


async def _sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
