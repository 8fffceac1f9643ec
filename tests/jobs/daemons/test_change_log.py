"""Processing of the change log: after commits, in batches, and after lost notifications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.resources import Resources
from app.settings import Settings
from jobs.daemons.change_log import follow_change_log
from tests.support.change_log import committed_change_log, data_versions, expected_figures
from tests.support.figures_catalog import (
    cpu_with_prices,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    run_statements,
    stored_figures,
)
from tests.support.waiting import wait_until


@pytest.fixture
async def resources_with_long_poll(settings: Settings) -> AsyncIterator[Resources]:
    """Resources with a poll interval of a minute: faster reactions are due to notifications."""
    async with opened(settings, poll_interval_seconds=60) as resources:
        await fill_catalog(resources, [cpu_with_prices(10, 20), cpu_with_prices(30, 40), cpu_with_prices(50, 60)])
        await recalculate_figures(resources)
        yield resources


@asynccontextmanager
async def opened(settings: Settings, **changed: float) -> AsyncIterator[Resources]:
    changed = {"change_log_min_interval_seconds": 0, **changed}
    async with Resources.open(settings.model_copy(update=changed)) as resources:
        await wait_until(lambda: asyncio.sleep(0, resources.notifications.connected))
        yield resources


@asynccontextmanager
async def run_workers(*resources: Resources) -> AsyncIterator[None]:
    """Run workers on these resources. They have processed all earlier changes when the block starts."""
    tasks = [asyncio.create_task(follow_change_log(each)) for each in resources]
    await wait_until_processed(resources[0])
    await asyncio.sleep(0.1)
    yield
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def wait_until_processed(resources: Resources) -> None:
    """Wait until the change log is empty."""

    async def empty() -> bool:
        return await committed_change_log(resources) == []

    await wait_until(empty)


async def test_commit_is_processed_immediately(resources_with_long_poll: Resources) -> None:
    async with run_workers(resources_with_long_poll):
        await replace_cpus(resources_with_long_poll, {2: cpu_with_prices(35, 45)})
        await wait_until_processed(resources_with_long_poll)
        assert (await stored_figures(resources_with_long_poll))[2]["price_good"] == 40
        await run_statements(resources_with_long_poll, "UPDATE listing SET adjusted_price = 1 WHERE cpu_id = 3")
        await wait_until_processed(resources_with_long_poll)
        await replace_cpus(resources_with_long_poll, {4: cpu_with_prices(7, 9)})
        await wait_until_processed(resources_with_long_poll)
    assert await stored_figures(resources_with_long_poll) == await expected_figures(resources_with_long_poll)


async def test_commit_without_relevant_change_is_not_processed(resources_with_long_poll: Resources) -> None:
    before = await data_versions(resources_with_long_poll)
    async with (
        run_workers(resources_with_long_poll),
        resources_with_long_poll.notifications.subscribe("change_log") as told,
    ):
        await run_statements(
            resources_with_long_poll, "UPDATE listing SET title = 'Another'", "UPDATE cpu SET cores = 4"
        )
        await replace_cpus(resources_with_long_poll, {})
        await asyncio.sleep(0.2)
        assert not told.is_set()
    assert await data_versions(resources_with_long_poll) == before


async def test_changes_made_without_a_worker_are_processed_at_start(resources_with_long_poll: Resources) -> None:
    await replace_cpus(resources_with_long_poll, {1: cpu_with_prices(1, 3)})
    async with run_workers(resources_with_long_poll):
        await wait_until_processed(resources_with_long_poll)
    assert await stored_figures(resources_with_long_poll) == await expected_figures(resources_with_long_poll)


async def test_burst_of_commits_is_processed_in_few_batches(settings: Settings) -> None:
    async with opened(settings, poll_interval_seconds=60, change_log_min_interval_seconds=0.3) as resources:
        await fill_catalog(resources, [cpu_with_prices(10, 20), cpu_with_prices(30, 40)])
        await recalculate_figures(resources)
        before = await data_versions(resources)
        async with run_workers(resources):
            for price in range(1, 41):
                await replace_cpus(resources, {1 + price % 2: cpu_with_prices(price, price + 2)})
            await wait_until_processed(resources)
        batches = (await data_versions(resources))["analytics"] - before["analytics"]
        assert 1 <= batches <= 10
        assert await stored_figures(resources) == await expected_figures(resources)


async def test_change_without_notification_is_found_by_polling(settings: Settings) -> None:
    async with opened(settings, poll_interval_seconds=0.2) as resources:
        await fill_catalog(resources, [cpu_with_prices(10, 20)])
        await recalculate_figures(resources)
        async with run_workers(resources):
            await run_statements(
                resources, "UPDATE cpu SET price_good = 1", "INSERT INTO data_change_log (cpu_id) VALUES (1)"
            )
            await wait_until_processed(resources)
        assert (await stored_figures(resources))[1]["price_good"] == 15


async def test_two_workers_process_each_change_once(resources_with_long_poll: Resources, settings: Settings) -> None:
    before = await data_versions(resources_with_long_poll)
    async with opened(settings, poll_interval_seconds=60) as other, run_workers(resources_with_long_poll, other):
        for price in range(5):
            await replace_cpus(resources_with_long_poll, {1: cpu_with_prices(price + 1, 9)})
            await wait_until_processed(resources_with_long_poll)
    assert (await data_versions(resources_with_long_poll))["analytics"] <= before["analytics"] + 5
    assert await stored_figures(resources_with_long_poll) == await expected_figures(resources_with_long_poll)


async def test_busy_change_log_is_retried(resources_with_long_poll: Resources) -> None:
    async with run_workers(resources_with_long_poll):
        async with resources_with_long_poll.write() as holder:
            await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CPU_WRITERS_LOCK})
            await put_prices(resources_with_long_poll, 1, 70)
            await asyncio.sleep(0.3)
            assert set(await committed_change_log(resources_with_long_poll)) == {1}
        await wait_until_processed(resources_with_long_poll)
    assert (await stored_figures(resources_with_long_poll))[1]["price_good"] == 70


async def put_prices(resources: Resources, cpu_id: int, price: int) -> None:
    """Write listings only."""
    await run_statements(resources, f"UPDATE listing SET adjusted_price = {price} WHERE cpu_id = {cpu_id}")


NO_SPACE = """
    CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END $$
"""


@pytest.mark.parametrize(
    ("harm", "mend", "level"),
    [
        (["ALTER TABLE figure_history RENAME TO away"], "ALTER TABLE away RENAME TO figure_history", "error"),
        (
            [NO_SPACE, "CREATE TRIGGER no_space BEFORE UPDATE ON cpu EXECUTE FUNCTION no_space()"],
            "DROP TRIGGER no_space ON cpu",
            "warning",
        ),
    ],
    ids=["a fault of ours", "of the server"],
)
async def test_failed_batch_is_retried(settings: Settings, harm: list[str], mend: str, level: str) -> None:
    async with opened(settings, poll_interval_seconds=0.2) as resources:
        await fill_catalog(resources, [cpu_with_prices(10, 20)])
        await recalculate_figures(resources)
        async with run_workers(resources):
            with capture_logs() as logs:
                await run_statements(resources, *harm)
                await put_prices(resources, 1, 3)
                await wait_until(lambda: asyncio.sleep(0, failure_levels(logs)))
            assert failure_levels(logs)[0] == level
            assert await committed_change_log(resources) == [1]
            await run_statements(resources, mend)
            await wait_until_processed(resources)
        assert (await stored_figures(resources))[1]["price_good"] == Decimal(3)


def failure_levels(logs: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the log levels of failed batches."""
    return [entry["log_level"] for entry in logs if entry["event"] == "changes.not_recalculated"]
