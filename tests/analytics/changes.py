"""The change log as its tests see it: read, worked off, and what follows from it compared with a recalculation."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from app.job_handlers import dispatch
from app.resources import Resources, Session
from tests.analytics.catalogue import as_stored, recalculated, stored, table
from tests.analytics.reference import Cpu, figures

LISTED = text(
    """
    SELECT cpu.id, cpu_mark_multi AS multi, cpu_mark_single AS single,
        coalesce(array_agg(status) FILTER (WHERE l.id IS NOT NULL), '{}') AS statuses,
        coalesce(array_agg(adjusted_price) FILTER (WHERE l.id IS NOT NULL), '{}') AS prices
    FROM cpu LEFT JOIN listing AS l ON l.cpu_id = cpu.id
    GROUP BY cpu.id ORDER BY cpu.id
    """
)


async def logged(session: Session) -> list[int]:
    """The CPUs in the log, one for each row, ascending."""
    rows = await session.rows(text("SELECT cpu_id FROM data_change_log ORDER BY cpu_id"))
    return [row.cpu_id for row in rows]


async def in_log(resources: Resources) -> list[int]:
    """The same, of what is committed."""
    async with resources.read() as session:
        return await logged(session)


async def drained(resources: Resources) -> None:
    """Works off the log, which is not empty."""
    assert await dispatch.drain(resources) is True
    assert await in_log(resources) == []


async def versions(resources: Resources) -> dict[str, int]:
    """The data versions."""
    async with resources.read() as session:
        return dict(await session.versions())


async def by_reference(resources: Resources) -> dict[int, dict[str, Any]]:
    """What the columns of all CPUs must hold, by a plain reading of their marks and listings."""
    async with resources.read() as session:
        rows = await session.rows(LISTED)
    cpus = [Cpu(row.multi, row.single, tuple(zip(row.statuses, row.prices, strict=True))) for row in rows]
    return {row.id: as_stored(*each) for row, each in zip(rows, figures(cpus), strict=True)}


async def nothing_is_left_to_do(resources: Resources) -> None:
    """A recalculation of all CPUs finds every figure as it would make it, and fails where it failed before."""
    failures = "SELECT cpu_id FROM recalculation_failure ORDER BY cpu_id"
    before, failed = await stored(resources), await table(resources, failures)
    outcome = await recalculated(resources)
    assert outcome.written == 0
    assert await stored(resources) == before
    assert await table(resources, failures) == failed
