"""Helpers to read and process the change log, and to compare figures with a recalculation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from app.job_handlers.recalculation import process_change_log
from app.resources import Resources, Session
from tests.support.figures_catalog import expected_stored, fetch_rows, recalculate_figures, stored_figures
from tests.support.figures_reference import Cpu, compute_reference_figures

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
    """Return the CPU ids of all rows in the change log, in ascending order."""
    rows = await session.rows(text("SELECT cpu_id FROM data_change_log ORDER BY cpu_id"))
    return [row.cpu_id for row in rows]


async def committed_change_log(resources: Resources) -> list[int]:
    """Return the CPU ids of all committed rows."""
    async with resources.read() as session:
        return await logged_cpu_ids(session)


async def process_all_changes(resources: Resources) -> None:
    """Process the change log, which must not be empty."""
    assert await process_change_log(resources) is True
    assert await committed_change_log(resources) == []


async def data_versions(resources: Resources) -> dict[str, int]:
    """Return the data versions."""
    async with resources.read() as session:
        return dict(await session.versions())


async def expected_figures(resources: Resources) -> dict[int, dict[str, Any]]:
    """Return the expected figures of all CPUs, computed in Python from their marks and listings."""
    async with resources.read() as session:
        rows = await session.rows(CPUS_WITH_LISTINGS)
    cpus = [Cpu(row.multi, row.single, tuple(zip(row.statuses, row.prices, strict=True))) for row in rows]
    return {row.id: expected_stored(*each) for row, each in zip(rows, compute_reference_figures(cpus), strict=True)}


async def assert_figures_are_current(resources: Resources) -> None:
    """Check that a recalculation of all CPUs changes no figure, and fails for the same CPUs as before."""
    failures = "SELECT cpu_id FROM recalculation_failure ORDER BY cpu_id"
    before, failed = await stored_figures(resources), await fetch_rows(resources, failures)
    outcome = await recalculate_figures(resources)
    assert outcome.written == 0
    assert await stored_figures(resources) == before
    assert await fetch_rows(resources, failures) == failed
