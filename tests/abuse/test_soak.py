"""Subscriptions that live for a long time, while prices change and others read: memory stays flat.

`--effort long` takes a minute and `--effort soak` 30; `--soak-minutes 5` sets another time.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

import pytest

from app.settings import Settings
from tests.abuse.harness import (
    ServerProcess,
    Target,
    describe_counts,
    require_open_files,
    running_bystander,
    running_server,
)
from tests.abuse.subscribers import (
    PriceChanger,
    count_objects,
    fill_shared_results,
    price_changer,
    sse_subscribers,
    websocket_subscribers,
)
from tests.support import abuse_report
from tests.support.effort import size_of

pytestmark = pytest.mark.sized

SECONDS = size_of(short=0, long=60, soak=30 * 60)
CHANGE_INTERVAL_SECONDS = 0.5
CHANGES = 50
SUBSCRIBERS = 20  # over each protocol
# After a quarter of the time everything that is bounded has its size; memory then varies with the load of the moment.
WARM_UP = 0.25
MAX_GROWTH_MIB = 8.0
MAX_OBJECTS_PER_EVENT = 0.01


async def test_long_subscriptions_need_no_more_memory(
    settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    minutes = request.config.getoption("--soak-minutes")
    seconds = SECONDS if minutes is None else 60 * minutes
    require_open_files(1024)
    objects = tmp_path / "objects"
    command = ("-m", "tests.abuse.counted_server", str(objects))
    environment = {"DEALMARK_RESPONSE_MEMORY_MIB": "1"}
    async with (
        running_server(settings, tmp_path, environment, command=command) as server,
        running_bystander(server.port) as bystander,
        price_changer(settings, CHANGES) as changer,
        sse_subscribers(target := Target(server, bystander, settings), SUBSCRIBERS) as readers,
        websocket_subscribers(target, SUBSCRIBERS) as others,
    ):
        subscribers = [*readers, *others]
        await fill_shared_results(changer, subscribers)
        await change_prices(changer, server, WARM_UP * seconds)
        objects_before, events_before = await count_objects(server, objects), sum(s.events for s in subscribers)
        start, cpu_before = time.monotonic(), server.cpu_seconds
        memory = await change_prices(changer, server, (1 - WARM_UP) * seconds)
        events, cpu_seconds = sum(s.events for s in subscribers) - events_before, server.cpu_seconds - cpu_before
        objects_per_event = (await count_objects(server, objects) - objects_before) / events
        phase = bystander.between(start, time.monotonic())
    quarter = len(memory) // 4
    first, last = median(memory[:quarter]), median(memory[-quarter:])
    row = [
        f"{2 * SUBSCRIBERS} subscriptions for {seconds:.0f} s",
        f"{1000 * phase.p50:.0f}",
        f"{1000 * phase.p95:.0f}",
        describe_counts(phase.failures),
        f"{first:.1f} / {max(memory):.1f} / {last:.1f}",
        f"{cpu_seconds:.1f} of {(1 - WARM_UP) * seconds:.1f}",
        f"{events:,} events, {objects_per_event:.4f} objects per event",
    ]
    request.node.user_properties.append(abuse_report.as_property(row))
    assert not phase.failures, row
    assert objects_per_event < MAX_OBJECTS_PER_EVENT, row
    assert last - first < MAX_GROWTH_MIB, row


async def change_prices(changer: PriceChanger, server: ServerProcess, seconds: float) -> list[float]:
    """Change prices at a steady pace. Return the memory of the server after each change, in MiB."""
    deadline, memory = time.monotonic() + seconds, []
    while time.monotonic() < deadline:
        await changer.change_prices()
        await asyncio.sleep(CHANGE_INTERVAL_SECONDS)
        memory.append(server.memory)
    return memory
