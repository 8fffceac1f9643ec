"""The page in a real browser, against a real server that runs published documents only."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from sqlalchemy import text

from app.db.tables import JobKind
from app.devserver import web_build
from app.devserver.embedded import EmbeddedRedis
from app.job_handlers import dispatch
from app.main import create_app
from app.resources import Resources
from app.server import web_documents
from app.server.static_files import WEB_BUILD_DIR
from app.server.uvicorn_options import uvicorn_options
from app.settings import Settings
from tests.support.catalog_rows import add_cpu
from tests.support.settings import make_settings
from tests.web import browser
from tests.web.browser import needs_browser, needs_node


@pytest.fixture(scope="session")
def built() -> Path:
    """The page as it is now."""
    said: list[str] = []
    web_build.build(said.append)
    assert all(line.startswith("Building") for line in said), said
    return WEB_BUILD_DIR


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """As in production: whatever is no published document is refused."""
    return make_settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, development=False)


class Served:
    """The API on one port; it can be away for a while."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.server: uvicorn.Server | None = None
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        app = create_app(self.settings)
        options = {**uvicorn_options(self.settings), "timeout_graceful_shutdown": 1}
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, lifespan="on", **options)
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self.task = asyncio.create_task(self.server.serve())
        while not self.server.started:
            if self.task.done():
                self.task.result()
            await asyncio.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self.server is not None
        assert self.task is not None
        self.server.should_exit = True
        await self.task


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """60 CPUs: two with prices, 20 by AMD (half of them with 8 cores), 40 by Intel."""
    shared: dict[str, Any] = {"socket": "LGA1151", "category": "Desktop", "tdp_w": 65, "release_year": 2018}
    marks: dict[str, Any] = {"cpu_mark_multi": 9500, "cpu_mark_single": 2400}
    await add_cpu(
        resources, "Intel Core i5-8500", [100, 110, 150, 160, 180, 200], cores=6, threads=6, **shared, **marks
    )
    ryzen: dict[str, Any] = {
        "socket": "AM4",
        "category": "Desktop",
        "release_year": 2021,
        "cpu_mark_multi": 100,
        "cpu_mark_single": 90,
    }
    await add_cpu(resources, "AMD Ryzen 5 5600G", [94, 99], cores=6, threads=12, **ryzen)
    for number in range(19):
        await add_cpu(resources, f"AMD Ryzen 7 {1000 + number}", cores=8 if number < 10 else 4, **ryzen)
    for number in range(39):
        await add_cpu(resources, f"Intel Xeon E5-{9 + number:02}00", cores=4, threads=8, cpu_mark_multi=5000 + number)
    await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    return resources


@pytest.fixture
async def served(settings: Settings, built: Path, catalogue: Resources) -> AsyncIterator[Served]:
    await asyncio.to_thread(web_documents.publish_web_documents, settings.required_database_url)
    running = Served(settings)
    await running.start()
    yield running
    await running.stop()


async def reprice(catalogue: Resources) -> None:
    """The i5-8500's good price is 151 instead of 150."""
    async with catalogue.write() as tx:
        await tx.execute(text("UPDATE listing SET price = 206, adjusted_price = 206 WHERE adjusted_price = 200"))
    await dispatch.run_in_foreground(catalogue, JobKind.RECALCULATE_METRICS, {})


@needs_browser
async def test_the_catalogue(served: Served, catalogue: Resources) -> None:
    actions: browser.Actions = {
        "stop-server": served.stop,
        "start-server": served.start,
        "change-price": partial(reprice, catalogue),
    }
    await browser.run("catalogue.test.mjs", f"http://127.0.0.1:{served.port}", actions)


@needs_browser
@pytest.mark.usefixtures("built")
async def test_redis_goes_away_during_use(settings: Settings, catalogue: Resources) -> None:
    await asyncio.to_thread(web_documents.publish_web_documents, settings.required_database_url)
    with tempfile.TemporaryDirectory(prefix="dealmark-test-", ignore_cleanup_errors=True) as folder:
        redis = EmbeddedRedis(Path(folder) / "redis")
        running = Served(settings.model_copy(update={"redis_url": redis.start()}))
        await running.start()
        try:

            async def stop_redis() -> None:
                await asyncio.to_thread(redis.stop)

            actions: browser.Actions = {"stop-redis": stop_redis, "change-price": partial(reprice, catalogue)}
            await browser.run("redis.test.mjs", f"http://127.0.0.1:{running.port}", actions)
        finally:
            await running.stop()
            redis.stop()


@needs_browser
async def test_pages_of_cpus(served: Served, catalogue: Resources) -> None:
    # An offer that cost $80 a year ago, $95 a hundred days ago and $90 forty days ago.
    past = """
        INSERT INTO price_observation (listing_id, seen_at, price, currency, adjusted_price)
        SELECT listing.id, now() - ago, amount, 'USD', amount
        FROM listing,
            (VALUES (interval '365 days', 80), ('100 days', 95), ('40 days', 90)) earlier (ago, amount)
        WHERE adjusted_price = 100
    """
    async with catalogue.write() as tx:
        await tx.execute(text(past))
        await tx.execute(text("UPDATE listing SET url = 'https://shop.test/1' WHERE adjusted_price = 100"))
    await browser.run("cpus.test.mjs", f"http://127.0.0.1:{served.port}", {})


@needs_node
def test_the_first_load_is_within_its_budget(built: Path) -> None:
    told = orjson.loads((built / "budget.json").read_bytes())
    assert 0 < told["first"] <= told["budget"] <= 200_000
