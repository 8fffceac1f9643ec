"""Loaders of CPUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.catalog import sql
from app.db.statements import Row
from app.graphql.context import Context, Loader
from app.graphql.prefetch import add_prefetch_values, populate_loaders, requested_prefetches
from app.graphql.relay import TOTAL_COUNT
from app.resources import Reader


class CpuRow(Row):
    """Row with the CPU columns that the operation requests."""

    __slots__ = ()


class PointRow(Row):
    """Row with the price map columns that the operation requests."""


class CpuById(Loader[int, CpuRow | None]):
    """Loads CPUs by id; None if there is no such CPU."""

    async def values(self, session: Reader, keys: list[int]) -> list[CpuRow | None]:
        """Run one statement for all keys."""
        rows = await load_rows(self.context, session, sql.select_by_id, "ids", keys)
        row_by_id = {row["id"]: row for row in rows}
        return [row_by_id.get(key) for key in keys]


class CpuBySlug(Loader[str, CpuRow | None]):
    """Loads CPUs by slug; None if there is no such CPU."""

    async def values(self, session: Reader, keys: list[str]) -> list[CpuRow | None]:
        """Run one statement for all keys."""
        rows = await load_rows(self.context, session, sql.select_by_slug, "slugs", keys)
        self.context.prime(CpuById, rows)
        row_by_slug = {row["slug"]: row for row in rows}
        return [row_by_slug.get(key) for key in keys]


class SimilarKey(NamedTuple):
    """Key of SimilarCpus: a CPU and the number of similar CPUs."""

    cpu_id: int
    first: int


class SimilarCpus(Loader[SimilarKey, list[CpuRow]]):
    """Loads the most similar CPUs of a CPU, most similar first."""

    async def values(self, session: Reader, keys: list[SimilarKey]) -> list[list[CpuRow]]:
        """Run one statement for all keys: fewer similar CPUs are the start of more."""
        rows_by_cpu: dict[int, list[CpuRow]] = defaultdict(list)
        statement = sql.select_similar(requested_columns(self.context))
        values = {"ids": list({key.cpu_id for key in keys}), "first": max(key.first for key in keys)}
        for row in await session.rows(statement, values, CpuRow):
            rows_by_cpu[row["similar_to"]].append(row)
        return [rows_by_cpu[key.cpu_id][: key.first] for key in keys]


async def load_rows(
    context: Context, session: Reader, statement: Any, name: str, keys: Sequence[Any]
) -> Sequence[CpuRow]:
    """Return the CPUs with these keys, which are the parameter `name` of the statement; with requested prefetches."""
    prefetches = requested_prefetches(context, "CPU", len(keys))
    prefetch_columns = tuple(prefetch.column(context) for prefetch in prefetches)
    values: dict[str, Any] = {name: keys}
    add_prefetch_values(values, prefetches)
    rows = await session.rows(statement(requested_columns(context), prefetch_columns), values, CpuRow)
    populate_loaders(context, "CPU", prefetches, rows)
    return rows


def requested_columns(context: Context) -> frozenset[str] | None:
    """Return the CPU columns that the operation requests (None: all).

    They include the number of listings if the operation requests `totalCount` of a CPU's listings.
    """
    columns, connection_fields = context.requested_columns("CPU"), context.requested_columns("ListingConnection")
    if columns is None or connection_fields is None or TOTAL_COUNT not in connection_fields:
        return columns
    return columns | {"listings_count"}
