"""CPUs by key."""

from __future__ import annotations

from app.catalog import sql
from app.context import Context, Loader
from app.reading import Row
from app.relay import TOTAL_COUNT
from app.resources import Reader


class CpuRow(Row):
    """A row of CPU columns: those that the operation needs."""


class CpuById(Loader[int, CpuRow | None]):
    """The CPU with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[CpuRow | None]:
        """One statement for all keys."""
        rows = await session.rows(sql.by_id(columns(self.context)), {"ids": keys}, CpuRow)
        found = {row["id"]: row for row in rows}
        return [found.get(key) for key in keys]


class CpuBySlug(Loader[str, CpuRow | None]):
    """The CPU with this slug, or None."""

    async def values(self, session: Reader, keys: list[str]) -> list[CpuRow | None]:
        """One statement for all keys."""
        rows = await session.rows(sql.by_slug(columns(self.context)), {"slugs": keys}, CpuRow)
        found = {row["slug"]: row for row in rows}
        return [found.get(key) for key in keys]


def columns(context: Context) -> frozenset[str] | None:
    """What the operation needs of CPUs. The number of a page's listings is a column of the CPU, too."""
    wanted, of_page = context.wanted("CPU"), context.wanted("ListingConnection")
    if wanted is None or of_page is None or TOTAL_COUNT not in of_page:
        return wanted
    return wanted | {"listings_count"}
