"""The walks of the architecture page: the functions that they name are called, in this order."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from app.bulk_import.staging import ImportOptions
from app.catalog.cpu_import import import_cpus, open_cpus
from app.db.functions import function_names
from app.db.tables import metadata
from app.market.imports.importer import import_listings, open_listings
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.change_log import follow_change_log
from jobs.daemons.events import follow_events
from tests.docs.pages import ROOT
from tests.support.api_server import run_api, wait_for_notifications
from tests.support.waiting import wait_until

CPUS = "name,cpu_mark_multi,cpu_mark_single\nIntel Core i5-8500T @ 2.10GHz,7500,2200\n"
LISTINGS = (
    "title,cpu,price,currency,marketplace,vendor_item_id\n"
    "i5-8500T tested 16GB RAM,Core i5 8500T,{price},USD,ebay,1\n"
    "Intel Core i5-8500T,Intel Core i5-8500T,50,USD,ebay,2\n"
)
# Functions that the tests replace or leave out: the command, subscriptions and webhooks.
NOT_CALLED = {"listings", "read_after", "deliver_batch"}
# The outbox is followed at the same time as the change log.
CONCURRENT = {"follow_outbox", "sequence_outbox"}


def documented_functions(heading: str) -> list[str]:
    """Return the functions of `app/` and `jobs/` that a walk names in code, `name` or `Class.name`, in their order."""
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    section = page.split(f"\n## {heading}")[1].split("\n## ")[0]
    modules = "\n".join(path.read_text() for folder in ("app", "jobs") for path in (ROOT / folder).rglob("*.py"))
    defined = set(re.findall(r"def (\w+)\(", modules)) - {*metadata.tables, *function_names(), *NOT_CALLED}
    return [span for span in re.findall(r"`([A-Za-z_][\w.]*)`", section) if span.rpartition(".")[2] in defined]


@contextmanager
def recorded_calls() -> Iterator[list[str]]:
    """Record the names of the functions of `app/` and `jobs/` that are called, in the order of their first calls."""
    folders = (str(ROOT / "app"), str(ROOT / "jobs"))
    calls: list[str] = []

    def record(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(folders) and code.co_qualname not in calls:
            calls.append(code.co_qualname)

    sys.setprofile(record)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def assert_called_in_order(functions: list[str], calls: list[str]) -> None:
    """Compare documented functions with recorded calls. A name without its class stands for any class."""
    assert len(functions) > 15
    places = {
        function: next((n for n, call in enumerate(calls) if f".{call}".endswith(f".{function}")), None)
        for function in functions
    }
    assert [function for function, place in places.items() if place is None] == []
    ordered = [function for function in functions if function not in CONCURRENT]
    assert ordered == sorted(ordered, key=lambda function: places[function] or 0)


async def import_files(resources: Resources, folder: Path, price: int, *, cpus: bool = False) -> None:
    """Import a CPU if requested, and two listings of it; one has this price."""
    options = ImportOptions(folder / "rejected.csv")
    if cpus:
        (folder / "cpus.csv").write_text(CPUS)
        async with resources.write() as tx:
            await import_cpus(tx, open_cpus(folder / "cpus.csv"), options)
    (folder / "listings.csv").write_text(LISTINGS.format(price=price))
    records = open_listings(folder / "listings.csv")
    async with resources.write() as tx:
        await import_listings(tx, records, options)


async def test_cold_persisted_get_calls_the_documented_functions(
    settings: Settings, resources: Resources, tmp_path: Path
) -> None:
    await import_files(resources, tmp_path, 60, cpus=True)
    variables = json.dumps({"slug": "intel-core-i5-8500t-2-10ghz"})
    async with run_api(settings) as api:
        await wait_for_notifications(api)
        with recorded_calls() as calls:
            response = await api.http.get("/graphql/CpuDetail", params={"variables": variables})
    assert response.headers["x-cache"] == "MISS"
    assert_called_in_order(documented_functions("Walk: a cold persisted GET"), calls)


async def test_price_change_calls_the_documented_functions(resources: Resources, tmp_path: Path) -> None:
    await import_files(resources, tmp_path, 60, cpus=True)
    with recorded_calls() as calls:
        # The file is read in the command, before its transaction begins.
        await import_files(resources, tmp_path, 70)
        daemons = [asyncio.create_task(follow(resources)) for follow in (follow_change_log, follow_events)]

        async def has_followed() -> bool:
            return {"record_outcome", "sequence_outbox"} <= set(calls)

        await wait_until(has_followed)
    for daemon in daemons:
        daemon.cancel()
    await asyncio.gather(*daemons, return_exceptions=True)
    assert_called_in_order(documented_functions("Walk: a price change"), calls)
