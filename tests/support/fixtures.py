"""Fixtures of the whole suite, registered by `tests/conftest.py`."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.core import circuit_breaker, log_sampling
from app.core.logging import configure_logging
from app.db import schema_version
from app.devserver.embedded import EmbeddedPostgres, EmbeddedRedis
from app.resources import Resources
from app.server import health
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.databases import database_url_in, run_statement, temporary_database
from tests.support.settings import make_settings


@pytest.fixture(scope="session", autouse=True)
def configured_logging() -> None:
    """Configure logging as in development: structlog's default formats exceptions for seconds."""
    configure_logging("console", "INFO", sys.stderr)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """URL of the PostgreSQL cluster of the test run, with a migrated database `template`."""
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    server = EmbeddedPostgres(directory, durable=False)
    url = server.start()
    try:
        asyncio.run(run_statement(url, "CREATE DATABASE template"))
        schema_version.upgrade(database_url_in(url, "template"))
        yield url
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the Redis of the test run."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def redis_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the Redis timeout, because a machine may pause. Tests of a hanging Redis set their own."""
    monkeypatch.setattr(circuit_breaker, "CALL_TIMEOUT_SECONDS", 3.0)


@pytest.fixture(autouse=True)
def complete_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log every line, because tests of one process share the samplers. Tests of the sampling set their own limit."""
    monkeypatch.setattr(log_sampling, "MAX_SAMPLED_LINES", 1_000_000)


@pytest.fixture(autouse=True)
def current_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make /ready and /metrics report the current state. A test of their reuse sets its own times."""
    monkeypatch.setattr(health, "METRICS_TTL_SECONDS", 0.0)
    monkeypatch.setattr(health, "READINESS_TTL_SECONDS", 0.0)


@pytest.fixture
def database_url(cluster: str) -> Iterator[str]:
    """URL of a migrated, empty database."""
    with temporary_database(cluster, template="template") as url:
        yield url


@pytest.fixture
async def redis_url(redis_server: str) -> AsyncIterator[str]:
    """URL of an empty Redis. A test fails if it leaves a job in the queue."""
    redis = Redis.from_url(redis_server)
    await redis.flushall()
    yield redis_server
    left = await redis.zcard("dealmark:queue")
    await redis.aclose()
    assert not left, "a job was left behind in the queue"


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Return settings for the test, independent of the environment."""
    return make_settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=tmp_path,
        development=True,
        # Long, because a machine may pause. Tests of the timeout set their own.
        request_timeout_seconds=60.0,
    )


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open resources on the database of the test."""
    async with Resources.open(settings) as opened:
        yield opened


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[ApiClient]:
    """Client of the API, which runs in a real server in the same event loop."""
    async with run_api(settings) as running:
        yield running
