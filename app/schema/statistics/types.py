"""GraphQL types of the catalogue statistics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import Row


@strawberry.type(description="Least and greatest value in the catalogue.")
class IntRange:
    min: int | None = strawberry.field(description="Least value; null if no CPU has a value.")
    max: int | None = strawberry.field(description="Greatest value; null if no CPU has a value.")


@strawberry.type(description="Statistics of the whole catalogue, for the options of filters.")
class Statistics:
    total: int = strawberry.field(description="Number of CPUs.")
    manufacturers: list[str] = strawberry.field(description="All manufacturers, sorted.")
    sockets: list[str] = strawberry.field(description="All known sockets, sorted.")
    cores: IntRange = strawberry.field(description="Range of the number of physical cores.")
    tdp_w: IntRange = strawberry.field(description="Range of the thermal design power in watts.")
    release_year: IntRange = strawberry.field(description="Range of the year of release.")
    cpu_mark_multi: IntRange = strawberry.field(description="Range of the multi-thread benchmark mark.")
    cpu_mark_single: IntRange = strawberry.field(description="Range of the single-thread benchmark mark.")
    listings: int = strawberry.field(description="Number of active listings.")
    updated_at: datetime | None = strawberry.field(
        description="Time of the last computation of figures; null before the first recalculation."
    )

    @classmethod
    def of(cls, row: Row[Any]) -> Statistics:
        """Return the object for the row of `statistics_sql.load_statistics`."""
        values = row._mapping

        def value_range(name: str) -> IntRange:
            return IntRange(min=values[f"{name}_min"], max=values[f"{name}_max"])

        return cls(
            total=row.total,
            manufacturers=row.manufacturers,
            sockets=row.sockets,
            cores=value_range("cores"),
            tdp_w=value_range("tdp_w"),
            release_year=value_range("release_year"),
            cpu_mark_multi=value_range("cpu_mark_multi"),
            cpu_mark_single=value_range("cpu_mark_single"),
            listings=row.listings,
            updated_at=row.updated_at,
        )
