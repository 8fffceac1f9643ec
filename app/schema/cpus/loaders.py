"""CPUs by key."""

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
    """A row of CPU columns: those that the operation needs."""

    __slots__ = ()


class PointRow(Row):
    """A row of columns of a point in the map of prices: those that the operation needs."""


class CpuById(Loader[int, CpuRow | None]):
    """The CPU with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[CpuRow | None]:
        """One statement for all keys."""
        rows = await load_rows(self.context, session, sql.select_by_id, "ids", keys)
        found = {row["id"]: row for row in rows}
        return [found.get(key) for key in keys]


class CpuBySlug(Loader[str, CpuRow | None]):
    """The CPU with this slug, or None."""

    async def values(self, session: Reader, keys: list[str]) -> list[CpuRow | None]:
        """One statement for all keys."""
        rows = await load_rows(self.context, session, sql.select_by_slug, "slugs", keys)
        self.context.prime(CpuById, rows)
        found = {row["slug"]: row for row in rows}
        return [found.get(key) for key in keys]


class SimilarKey(NamedTuple):
    """The CPUs most similar to one, so many."""

    cpu_id: int
    first: int


class SimilarCpus(Loader[SimilarKey, list[CpuRow]]):
    """The most similar CPUs, most similar first."""

    async def values(self, session: Reader, keys: list[SimilarKey]) -> list[list[CpuRow]]:
        """One statement per distinct number."""
        found: dict[SimilarKey, list[CpuRow]] = defaultdict(list)
        statement = sql.select_similar(requested_columns(self.context))
        for first in dict.fromkeys(key.first for key in keys):
            ids = [key.cpu_id for key in keys if key.first == first]
            for row in await session.rows(statement, {"ids": ids, "first": first}, CpuRow):
                found[SimilarKey(row["similar_to"], first)].append(row)
        return [found[key] for key in keys]


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
    """What the operation needs of CPUs. The number of a page's listings is a column of the CPU, too."""
    wanted, of_page = context.requested_columns("CPU"), context.requested_columns("ListingConnection")
    if wanted is None or of_page is None or TOTAL_COUNT not in of_page:
        return wanted
    return wanted | {"listings_count"}
