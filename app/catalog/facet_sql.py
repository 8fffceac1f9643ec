"""How many CPUs have which value: the counts beside the controls of a filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select, tuple_

from app.catalog.sql import CONFIDENCE_FROM, CpuFilter, Shape, Statement, shape_of, where
from app.db.tables import cpu
from app.resources import Session

_LEVELS = " ".join(f"WHEN cpu.price_sample_size >= {least} THEN '{name}'" for name, least in CONFIDENCE_FROM.items())
FACETS: Mapping[str, ColumnElement[Any]] = {
    "manufacturers": cpu.c.manufacturer,
    "sockets": cpu.c.socket,
    "categories": cpu.c.category,
    "ratings": cpu.c.value_rating,
    "confidences": literal_column(f"CASE {_LEVELS} END"),
}
Counts = Mapping[str, Mapping[str, int]]


async def counts(session: Session, conditions: CpuFilter, wanted: frozenset[str] | None) -> Counts:
    """Facet -> value -> how many of the CPUs that satisfy the conditions have it; by value, none of them zero.

    Of the facets of these names (None: all), in one statement that reads the CPUs once.
    """
    names = [name for name in FACETS if wanted is None or name in wanted]
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    places = _places(names)
    for row in await session.rows(*facets(conditions, tuple(names))) if names else ():
        name = places[row["others"]]
        if row[name] is not None:
            found[name][row[name]] = row["cpus"]
    return {name: dict(sorted(each.items())) for name, each in found.items()}


def facets(conditions: CpuFilter, names: tuple[str, ...]) -> Statement:
    """A row for each value of each of these facets; `others`: see `_places`."""
    shape, values = shape_of(conditions)
    return Statement(_facets(shape, names), values)


@lru_cache(maxsize=512)
def _facets(shape: Shape, names: tuple[str, ...]) -> Select[Any]:
    columns = [FACETS[name] for name in names]
    selected = [column.label(name) for name, column in zip(names, columns, strict=True)]
    return (
        select(*selected, func.grouping(*columns).label("others"), func.count().label("cpus"))
        .select_from(cpu)
        .where(*where(shape))
        .group_by(func.grouping_sets(*(tuple_(column) for column in columns)))
    )


def _places(names: Sequence[str]) -> dict[int, str]:
    """What GROUPING says of the rows of each facet: a bit for each one, the first the highest, all set but its own."""
    every = 2 ** len(names) - 1
    return {every ^ (1 << len(names) - 1 - place): name for place, name in enumerate(names)}
