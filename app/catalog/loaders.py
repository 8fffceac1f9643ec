"""CPUs by key."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Row

from app.catalog import sql
from app.context import Loader
from app.resources import Reader

CpuRow: TypeAlias = Row[Any]


class CpuById(Loader[int, CpuRow | None]):
    """The CPU with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[CpuRow | None]:
        """One statement for all keys."""
        found = {row.id: row for row in await sql.cpus_by_id(session, keys)}
        return [found.get(key) for key in keys]


class CpuBySlug(Loader[str, CpuRow | None]):
    """The CPU with this slug, or None."""

    async def values(self, session: Reader, keys: list[str]) -> list[CpuRow | None]:
        """One statement for all keys."""
        found = {row.slug: row for row in await sql.cpus_by_slug(session, keys)}
        return [found.get(key) for key in keys]
