"""CPUs by key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.catalog import sql
from app.db.statements import Row
from app.graphql.context import Context, Loader
from app.graphql.relay import TOTAL_COUNT
from app.resources import Reader

# Of more CPUs the lists that each brings along would cost more than statements of their own.
FEW = 5


class CpuRow(Row):
    """A row of CPU columns: those that the operation needs."""

    __slots__ = ()


class PointRow(Row):
    """A row of columns of a point in the map of prices: those that the operation needs."""


class CpuById(Loader[int, CpuRow | None]):
    """The CPU with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[CpuRow | None]:
        """One statement for all keys."""
        rows = await read(self.context, session, sql.by_id, "ids", keys)
        found = {row["id"]: row for row in rows}
        return [found.get(key) for key in keys]


class CpuBySlug(Loader[str, CpuRow | None]):
    """The CPU with this slug, or None."""

    async def values(self, session: Reader, keys: list[str]) -> list[CpuRow | None]:
        """One statement for all keys."""
        rows = await read(self.context, session, sql.by_slug, "slugs", keys)
        self.context.offer(CpuById, rows)
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
        statement = sql.similar(columns(self.context))
        for first in dict.fromkeys(key.first for key in keys):
            ids = [key.cpu_id for key in keys if key.first == first]
            for row in await session.rows(statement, {"ids": ids, "first": first}, CpuRow):
                found[SimilarKey(row["similar_to"], first)].append(row)
        return [found[key] for key in keys]


async def read(context: Context, session: Reader, statement: Any, name: str, keys: Sequence[Any]) -> Sequence[CpuRow]:
    """CPUs by these keys; of a few also what will be asked for next, which saves a statement each."""
    ahead = context.ahead.get("CPU", []) if len(keys) <= FEW else []
    values: dict[str, Any] = {name: keys}
    for each in ahead:
        assert values.keys().isdisjoint(each.values), "two parameters of one name"
        values.update(each.values)
    rows = await session.rows(statement(columns(context), tuple(a.column(context) for a in ahead)), values, CpuRow)
    if ahead:
        context.brought.add("CPU")
    for row in rows:
        for each in ahead:
            each.take(context, row)
    return rows


def columns(context: Context) -> frozenset[str] | None:
    """What the operation needs of CPUs. The number of a page's listings is a column of the CPU, too."""
    wanted, of_page = context.wanted("CPU"), context.wanted("ListingConnection")
    if wanted is None or of_page is None or TOTAL_COUNT not in of_page:
        return wanted
    return wanted | {"listings_count"}
