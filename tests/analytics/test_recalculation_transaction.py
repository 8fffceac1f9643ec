"""How a recalculation behaves as a whole: its events, its transaction, and others that run beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from app.analytics.recalculation import recalculate
from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.job_queue.enqueue import request_job
from app.resources import Resources
from tests.support.metrics_catalog import (
    cpu_with_prices,
    fetch_rows,
    fill_catalog,
    recalculate_metrics,
    replace_cpus,
    rows_by_cpu,
    run_statements,
    stored_metrics,
)
from tests.support.queue_worker import run_queued_jobs

CPUS = [cpu_with_prices(10 * i, 11 * i) for i in range(1, 8)]
EVENTS = "cpu_metrics.recalc."


def events_of(logs: Sequence[Any]) -> list[str]:
    """The names of the recalculation's events."""
    return [entry["event"].removeprefix(EVENTS) for entry in logs if entry["event"].startswith(EVENTS)]


async def test_events_carry_the_job_id(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    async with resources.write() as tx:
        job_id = await request_job(tx, JobKind.RECALCULATE_METRICS, {}, "tester")
    with capture_logs(processors=[merge_contextvars]) as logs:
        await run_queued_jobs(resources)
    assert events_of(logs) == ["start", "progress", "complete"]
    assert {entry["correlation_id"] for entry in logs if entry["event"].startswith(EVENTS)} == {job_id}
    (complete,) = [entry for entry in logs if entry["event"] == "cpu_metrics.recalc.complete"]
    assert [complete[name] for name in ("total", "succeeded", "failed", "written")] == [7, 7, 0, 7]


async def test_progress_is_told_after_each_batch(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    told: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        told.append((done, total))

    with capture_logs() as logs:
        await recalculate_metrics(resources, batch_size=3, progress=progress)
    assert told == [(3, 7), (6, 7), (7, 7)]
    assert [(e["done"], e["total"]) for e in logs if e["event"] == "cpu_metrics.recalc.progress"] == told


async def test_a_job_that_fails_as_a_whole_says_so(resources: Resources) -> None:
    await run_statements(resources, "DROP TABLE figure_history")
    await fill_without_history(resources)
    with capture_logs(processors=[merge_contextvars]) as logs, pytest.raises(DBAPIError):
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    assert events_of(logs) == ["start", "failed"]
    failed = logs[-1]
    assert failed["log_level"] == "error"
    assert failed["correlation_id"]
    assert failed["error"] == 'relation "figure_history" does not exist'


async def fill_without_history(resources: Resources) -> None:
    """As `fill`, where the history cannot be emptied."""
    await replace_cpus(resources, dict(enumerate(CPUS, 1)))


async def test_a_lost_connection_is_nobodys_fault_and_leaves_nothing(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_metrics(resources)
    before = await stored_metrics(resources)
    await replace_cpus(resources, {key: cpu_with_prices(key) for key in range(1, 8)})

    async def cut(_done: int, _total: int) -> None:
        # Of the two connections, the one that recalculates holds the writers' lock.
        await run_statements(
            resources,
            "SELECT pg_terminate_backend(pid, 5000) "
            "FROM pg_locks JOIN pg_database AS d ON d.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()",
        )

    with capture_logs() as logs, pytest.raises(DBAPIError):
        await recalculate_metrics(resources, batch_size=3, progress=cut)

    assert events_of(logs)[-1] == "failed"
    assert await stored_metrics(resources) == before
    assert await fetch_rows(resources, "SELECT * FROM recalculation_failure") == []
    outcome = await recalculate_metrics(resources)
    assert (outcome.total, outcome.succeeded) == (7, 7)


async def test_a_cancelled_recalculation_leaves_nothing(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    halfway = asyncio.Event()

    async def wait(_done: int, _total: int) -> None:
        halfway.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        running = asyncio.create_task(recalculate_metrics(resources, batch_size=3, progress=wait))
        await halfway.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (logs[-1]["event"], logs[-1]["error"]) == ("cpu_metrics.recalc.failed", "CancelledError")
    assert {row.price_good for row in (await rows_by_cpu(resources)).values()} == {None}


async def waits_for_a_lock(resources: Resources) -> None:
    """Returns when somebody waits for the writers' lock."""
    waiting = (
        "SELECT 1 FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(60):
        while not await fetch_rows(resources, waiting):  # noqa: ASYNC110 - nobody sets an event when another waits
            await asyncio.sleep(0.01)


async def test_two_recalculations_take_turns(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    halfway, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_done: int, _total: int) -> None:
        halfway.set()
        await go_on.wait()

    first = asyncio.create_task(recalculate_metrics(resources, progress=hold))
    await halfway.wait()
    second = asyncio.create_task(recalculate_metrics(resources))
    await waits_for_a_lock(resources)
    assert not second.done()
    # What is committed while the second waits, it sees.
    await run_statements(resources, "UPDATE listing SET adjusted_price = 1 WHERE cpu_id = 7")
    go_on.set()
    assert ((await first).written, (await second).written) == (7, 7)
    assert (await rows_by_cpu(resources))[7].value_percentile == 0


async def test_jit_is_off_inside_and_as_it_was_outside(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    jit = text("SHOW jit")
    seen: list[str] = []
    async with resources.write() as tx:
        assert await tx.scalar(jit) == "on"

        async def look(_done: int, _total: int) -> None:
            seen.append(await tx.scalar(jit))

        await recalculate(tx, None, None, 1000, look)
    async with resources.write() as tx:
        assert (seen, await tx.scalar(jit)) == (["off"], "on")
