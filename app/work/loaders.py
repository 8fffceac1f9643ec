"""Jobs by key."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Row

from app.context import Loader
from app.resources import Reader
from app.work import sql

JobRow: TypeAlias = Row[Any]


class JobById(Loader[int, JobRow | None]):
    """The job with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[JobRow | None]:
        """One statement for all keys."""
        found = {row.id: row for row in await sql.jobs_by_id(session, keys)}
        return [found.get(key) for key in keys]
