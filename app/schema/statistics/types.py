"""Statistics as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import Row


@strawberry.type(description="Least and greatest value in the catalogue.")
class IntRange:
    min: int | None = strawberry.field(description="Least; null when no CPU has a value.")
    max: int | None = strawberry.field(description="Greatest; null when no CPU has a value.")


@strawberry.type(description="The catalogue as a whole: what filters can offer.")
class Statistics:
    total: int = strawberry.field(description="Number of CPUs.")
    manufacturers: list[str] = strawberry.field(description="All makers, sorted.")
    sockets: list[str] = strawberry.field(description="All known sockets, sorted.")
    cores: IntRange = strawberry.field(description="Physical cores.")
    tdp_w: IntRange = strawberry.field(description="Thermal design power, watts.")
    release_year: IntRange = strawberry.field(description="Year of release.")
    cpu_mark_multi: IntRange = strawberry.field(description="Multi-thread mark.")
    cpu_mark_single: IntRange = strawberry.field(description="Single-thread mark.")
    listings: int = strawberry.field(description="Number of active listings.")
    updated_at: datetime | None = strawberry.field(
        description="When figures were last computed; null before the first recalculation."
    )

    @classmethod
    def of(cls, row: Row[Any]) -> Statistics:
        """From the row of `sql.statistics`."""
        values = row._mapping

        def between(name: str) -> IntRange:
            return IntRange(min=values[f"{name}_min"], max=values[f"{name}_max"])

        return cls(
            total=row.total,
            manufacturers=row.manufacturers,
            sockets=row.sockets,
            cores=between("cores"),
            tdp_w=between("tdp_w"),
            release_year=between("release_year"),
            cpu_mark_multi=between("cpu_mark_multi"),
            cpu_mark_single=between("cpu_mark_single"),
            listings=row.listings,
            updated_at=row.updated_at,
        )
