"""Shared fixtures: Node packages, a catalogue, and the expected page."""

from __future__ import annotations

import pytest

from app.core.global_ids import encode_global_id
from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.resources import Resources
from tests.clients import node
from tests.clients.node import ClientRequest
from tests.support.catalog_rows import add_cpu


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """Install the packages once per run, and only if the lock file has changed."""
    if node.MISSING is None:
        node.install()


@pytest.fixture
async def page(resources: Resources) -> ClientRequest:
    """The page of the only CPU in the catalogue, with a good price of 150."""
    number = await add_cpu(resources, "Intel Core i5-8500", [100, 200])
    await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    return ClientRequest("CpuPage", {"id": encode_global_id("CPU", number)})
