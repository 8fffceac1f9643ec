"""The query `statistics`: an empty catalogue, and a comparison with the reference."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, update

from app.db.tables import cpu, recalculation_watermark
from app.resources import Resources
from tests.support.mixed_catalog import CpuRows, fill_mixed_catalog
from tests.support.schema_execution import query_data

RANGES = {
    "cores": "cores",
    "tdpW": "tdp_w",
    "releaseYear": "release_year",
    "cpuMarkMulti": "cpu_mark_multi",
    "cpuMarkSingle": "cpu_mark_single",
}
STATISTICS = (
    "{ statistics { total manufacturers sockets listings updatedAt "
    + " ".join(f"{name} {{ min max }}" for name in RANGES)
    + " } }"
)


async def test_statistics_of_empty_catalogue_are_empty(resources: Resources) -> None:
    assert (await query_data(resources, STATISTICS))["statistics"] == {
        "total": 0,
        "manufacturers": [],
        "sockets": [],
        "listings": 0,
        "updatedAt": None,
        **{name: {"min": None, "max": None} for name in RANGES},
    }


def known_values(cpu_rows: CpuRows, column: str) -> list[Any]:
    """Return the values of a column that are not null."""
    return [row[column] for row in cpu_rows if row[column] is not None]


async def test_statistics_match_catalogue(resources: Resources) -> None:
    cpu_rows = await fill_mixed_catalog(resources)
    statistics = (await query_data(resources, STATISTICS))["statistics"]
    assert statistics == {
        "total": len(cpu_rows),
        "manufacturers": sorted(set(known_values(cpu_rows, "manufacturer"))),
        "sockets": sorted(set(known_values(cpu_rows, "socket"))),
        "listings": sum(row["listings"] for row in cpu_rows),
        "updatedAt": None,
        **{
            name: {"min": min(known_values(cpu_rows, column)), "max": max(known_values(cpu_rows, column))}
            for name, column in RANGES.items()
        },
    }
    assert None not in statistics["sockets"]


async def test_statistics_updated_at_is_last_computation(resources: Resources) -> None:
    cpu_rows = await fill_mixed_catalog(resources, 3)
    first, later, last = (datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2, 3))
    async with resources.write() as tx:
        await tx.execute(update(cpu).where(cpu.c.id == cpu_rows[1]["id"]).values(figures_computed_at=later))
    assert (await query_data(resources, STATISTICS))["statistics"]["updatedAt"] == later.isoformat()
    for full, expected in ((first, later), (last, last)):
        async with resources.write() as tx:
            await tx.execute(recalculation_watermark.delete())
            await tx.execute(insert(recalculation_watermark).values(full_at=full))
        assert (await query_data(resources, STATISTICS))["statistics"]["updatedAt"] == expected.isoformat()
