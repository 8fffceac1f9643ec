"""Recalculation as a whole: log events, its transaction, and concurrent recalculations."""

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
from tests.support.figures_catalog import (
    cpu_with_prices,
    fetch_rows,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    rows_by_cpu,
    run_statements,
    stored_figures,
)
from tests.support.queue_worker import run_queued_jobs

CPUS = [cpu_with_prices(10 * i, 11 * i) for i in range(1, 8)]
EVENTS = "cpu_metrics.recalc."


def event_names(logs: Sequence[Any]) -> list[str]:
    """Return the names of the recalculation's log events."""
    return [entry["event"].removeprefix(EVENTS) for entry in logs if entry["event"].startswith(EVENTS)]


async def test_recalculation_log_events_have_job_id(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    async with resources.write() as tx:
        job_id = await request_job(tx, JobKind.RECALCULATE_METRICS, {}, "tester")
    with capture_logs(processors=[merge_contextvars]) as logs:
        await run_queued_jobs(resources)
    assert event_names(logs) == ["start", "progress", "complete"]
    assert {entry["correlation_id"] for entry in logs if entry["event"].startswith(EVENTS)} == {job_id}
    (complete,) = [entry for entry in logs if entry["event"] == "cpu_metrics.recalc.complete"]
    assert [complete[name] for name in ("total", "succeeded", "failed", "written")] == [7, 7, 0, 7]


async def test_recalculation_reports_progress_after_each_batch(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    reports: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        reports.append((done, total))

    with capture_logs() as logs:
        await recalculate_figures(resources, batch_size=3, progress=progress)
    assert reports == [(3, 7), (6, 7), (7, 7)]
    assert [(e["done"], e["total"]) for e in logs if e["event"] == "cpu_metrics.recalc.progress"] == reports


async def test_recalculation_failure_is_logged(resources: Resources) -> None:
    await run_statements(resources, "DROP TABLE figure_history")
    await fill_without_history(resources)
    with capture_logs(processors=[merge_contextvars]) as logs, pytest.raises(DBAPIError):
        await dispatch.run_in_foreground(resources, JobKind.RECALCULATE_METRICS, {})
    assert event_names(logs) == ["start", "failed"]
    failed = logs[-1]
    assert failed["log_level"] == "error"
    assert failed["correlation_id"]
    assert failed["error"] == 'relation "figure_history" does not exist'


async def fill_without_history(resources: Resources) -> None:
    """Like `fill`, for a database with a history that cannot be emptied."""
    await replace_cpus(resources, dict(enumerate(CPUS, 1)))


async def test_recalculation_with_lost_connection_changes_nothing(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    before = await stored_figures(resources)
    await replace_cpus(resources, {key: cpu_with_prices(key) for key in range(1, 8)})

    async def cut(_done: int, _total: int) -> None:
        # The connection that recalculates has the lock of CPU writers.
        await run_statements(
            resources,
            "SELECT pg_terminate_backend(pid, 5000) "
            "FROM pg_locks JOIN pg_database AS d ON d.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()",
        )

    with capture_logs() as logs, pytest.raises(DBAPIError):
        await recalculate_figures(resources, batch_size=3, progress=cut)

    assert event_names(logs)[-1] == "failed"
    assert await stored_figures(resources) == before
    assert await fetch_rows(resources, "SELECT * FROM recalculation_failure") == []
    outcome = await recalculate_figures(resources)
    assert (outcome.total, outcome.succeeded) == (7, 7)


async def test_recalculation_cancelled_changes_nothing(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    halfway = asyncio.Event()

    async def wait(_done: int, _total: int) -> None:
        halfway.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        running = asyncio.create_task(recalculate_figures(resources, batch_size=3, progress=wait))
        await halfway.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert (logs[-1]["event"], logs[-1]["error"]) == ("cpu_metrics.recalc.failed", "CancelledError")
    assert {row.price_good for row in (await rows_by_cpu(resources)).values()} == {None}


async def wait_for_blocked_recalculation(resources: Resources) -> None:
    """Wait until a transaction waits for the lock of CPU writers."""
    waiting = (
        "SELECT 1 FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(60):
        while not await fetch_rows(resources, waiting):  # noqa: ASYNC110 - there is no event for a waiting transaction
            await asyncio.sleep(0.01)


async def test_recalculations_run_one_after_another(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    halfway, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_done: int, _total: int) -> None:
        halfway.set()
        await go_on.wait()

    first = asyncio.create_task(recalculate_figures(resources, progress=hold))
    await halfway.wait()
    second = asyncio.create_task(recalculate_figures(resources))
    await wait_for_blocked_recalculation(resources)
    assert not second.done()
    # The second one sees changes that commit while it waits.
    await run_statements(resources, "UPDATE listing SET adjusted_price = 1 WHERE cpu_id = 7")
    go_on.set()
    assert ((await first).written, (await second).written) == (7, 7)
    assert (await rows_by_cpu(resources))[7].value_percentile == 0


async def test_recalculation_disables_jit_in_its_transaction_only(resources: Resources) -> None:
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
