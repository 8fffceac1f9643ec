"""Facet counts: the number of CPUs per value of an attribute, for the controls of a filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select, tuple_

from app.catalog.sql import CpuFilter, FilterShape, split_filter, where_clauses
from app.db.statements import BoundStatement
from app.db.tables import MIN_SAMPLE_SIZE_BY_CONFIDENCE, cpu
from app.resources import Session

_CONFIDENCE_CASES = " ".join(
    f"WHEN cpu.price_sample_size >= {minimum} THEN '{name}'" for name, minimum in MIN_SAMPLE_SIZE_BY_CONFIDENCE.items()
)
# Facet (a field of the GraphQL type CPUFacets) -> the expression that is counted. Null is not counted.
FACETS: Mapping[str, ColumnElement[Any]] = {
    "manufacturers": cpu.c.manufacturer,
    "sockets": cpu.c.socket,
    "categories": cpu.c.category,
    "ratings": cpu.c.value_rating,
    "confidences": literal_column(f"CASE {_CONFIDENCE_CASES} END"),
}
FacetCounts = Mapping[str, Mapping[str, int]]


async def count_facets(session: Session, conditions: CpuFilter, facet_names: frozenset[str] | None) -> FacetCounts:
    """Return facet -> value -> number of CPUs that satisfy the conditions, sorted by value; no count is zero.

    `facet_names` selects keys of FACETS; None stands for all. One statement reads the CPUs once for all facets.
    """
    names = [name for name in FACETS if facet_names is None or name in facet_names]
    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    facet_by_bits = _facet_by_grouping_bits(names)
    for row in await session.rows(*select_facet_counts(conditions, tuple(names))) if names else ():
        name = facet_by_bits[row["grouping_bits"]]
        if row[name] is not None:
            counts[name][row[name]] = row["cpus"]
    return {name: dict(sorted(by_value.items())) for name, by_value in counts.items()}


def select_facet_counts(conditions: CpuFilter, names: tuple[str, ...]) -> BoundStatement:
    """Return the statement with one row per value of each facet: the value in the facet's column, and `cpus`.

    `grouping_bits` identifies the facet of a row, see `_facet_by_grouping_bits`.
    """
    shape, values = split_filter(conditions)
    return BoundStatement(_select_facet_counts(shape, names), values)


@lru_cache(maxsize=512)
def _select_facet_counts(shape: FilterShape, names: tuple[str, ...]) -> Select[Any]:
    columns = [FACETS[name] for name in names]
    labelled = [column.label(name) for name, column in zip(names, columns, strict=True)]
    return (
        select(*labelled, func.grouping(*columns).label("grouping_bits"), func.count().label("cpus"))
        .select_from(cpu)
        .where(*where_clauses(shape))
        .group_by(func.grouping_sets(*(tuple_(column) for column in columns)))
    )


def _facet_by_grouping_bits(names: Sequence[str]) -> dict[int, str]:
    """Return the facet for each value of GROUPING(): it has a bit per facet, the first is the highest.

    In the rows of a facet all bits except its own are set.
    """
    all_bits = 2 ** len(names) - 1
    return {all_bits ^ (1 << len(names) - 1 - index): name for index, name in enumerate(names)}
