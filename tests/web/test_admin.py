"""The pages of administration in a real browser: a real server, the worker's parts, and a shop on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.graphql.viewer import Role
from app.resources import Resources
from app.server import web_documents
from app.server.authentication import issue_token
from app.settings import Settings
from tests.support.queue_worker import run_queued_jobs
from tests.support.settings import make_settings
from tests.support.sites import http_response, run_site
from tests.support.url_imports import product_page, quick_settings, run_import_worker
from tests.web import browser
from tests.web.browser import needs_browser
from tests.web.test_browser import Served, built, catalogue

__all__ = ["built", "catalogue"]  # fixtures

PAGES = {
    "/good": http_response(product_page("HP EliteDesk 800 G4 Mini i5-8500 16GB 256GB SSD Win11", "123.00")),
    "/other": http_response(product_page("A box of something", "20.00")),
    "/empty": http_response(b"<p>Nothing is sold here.</p>"),
}


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """As in production, but that pages of this machine may be fetched."""
    return quick_settings(
        make_settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, development=False)
    )


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    """The address of a web server with PAGES."""
    async with run_site(PAGES) as it:
        yield it.url("")


def tokens(settings: Settings) -> dict[str, str]:
    """By the names under which the tests in the browser look for them."""
    day = timedelta(days=1)
    made = {role.name: issue_token(settings, role, f"{role.name.lower()}@example.com", day) for role in Role}
    return {**made, "EXPIRED": issue_token(settings, Role.ADMIN, "late@example.com", -day)}


@needs_browser
async def test_administration(
    settings: Settings, built: Path, catalogue: Resources, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(web_documents.publish_web_documents, settings.required_database_url)
    for name, value in {**tokens(settings), "SHOP": shop}.items():
        monkeypatch.setenv(f"TEST_{name}", value)
    served = Served(settings)
    await served.start()

    async def work() -> None:
        await run_queued_jobs(catalogue)

    async def spoil() -> None:
        async with catalogue.write() as tx:
            await tx.execute(text("UPDATE cpu SET price_good = 1 WHERE slug = 'intel-core-i5-8500'"))

    try:
        async with run_import_worker(catalogue):
            actions = {
                "stop-server": served.stop,
                "start-server": served.start,
                "run-jobs": work,
                "corrupt-figure": spoil,
            }
            await browser.run("admin.test.mjs", f"http://127.0.0.1:{served.port}", actions)
    finally:
        await served.stop()
