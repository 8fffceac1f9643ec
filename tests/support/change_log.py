"""The change log as its tests see it: read, worked off, and what follows from it compared with a recalculation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from app.job_handlers.recalculation import process_change_log
from app.resources import Resources, Session
from tests.support.metrics_catalog import expected_stored, fetch_rows, recalculate_metrics, stored_metrics
from tests.support.metrics_reference import Cpu, compute_metrics

CPUS_WITH_LISTINGS = text(
    """
    SELECT cpu.id, cpu_mark_multi AS multi, cpu_mark_single AS single,
        coalesce(array_agg(status) FILTER (WHERE l.id IS NOT NULL), '{}') AS statuses,
        coalesce(array_agg(adjusted_price) FILTER (WHERE l.id IS NOT NULL), '{}') AS prices
    FROM cpu LEFT JOIN listing AS l ON l.cpu_id = cpu.id
    GROUP BY cpu.id ORDER BY cpu.id
    """
)


async def logged_cpu_ids(session: Session) -> list[int]:
    """The CPUs in the log, one for each row, ascending."""
    rows = await session.rows(text("SELECT cpu_id FROM data_change_log ORDER BY cpu_id"))
    return [row.cpu_id for row in rows]


async def committed_change_log(resources: Resources) -> list[int]:
    """The same, of what is committed."""
    async with resources.read() as session:
        return await logged_cpu_ids(session)


async def process_all_changes(resources: Resources) -> None:
    """Works off the log, which is not empty."""
    assert await process_change_log(resources) is True
    assert await committed_change_log(resources) == []


async def data_versions(resources: Resources) -> dict[str, int]:
    """The data versions."""
    async with resources.read() as session:
        return dict(await session.versions())


async def expected_metrics(resources: Resources) -> dict[int, dict[str, Any]]:
    """What the columns of all CPUs must hold, by a plain reading of their marks and listings."""
    async with resources.read() as session:
        rows = await session.rows(CPUS_WITH_LISTINGS)
    cpus = [Cpu(row.multi, row.single, tuple(zip(row.statuses, row.prices, strict=True))) for row in rows]
    return {row.id: expected_stored(*each) for row, each in zip(rows, compute_metrics(cpus), strict=True)}


async def assert_metrics_are_current(resources: Resources) -> None:
    """A recalculation of all CPUs finds every figure as it would make it, and fails where it failed before."""
    failures = "SELECT cpu_id FROM recalculation_failure ORDER BY cpu_id"
    before, failed = await stored_metrics(resources), await fetch_rows(resources, failures)
    outcome = await recalculate_metrics(resources)
    assert outcome.written == 0
    assert await stored_metrics(resources) == before
    assert await fetch_rows(resources, failures) == failed
