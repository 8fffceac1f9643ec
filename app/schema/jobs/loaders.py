"""Jobs by key."""

from __future__ import annotations

from app.db.statements import Row
from app.graphql.context import Loader
from app.job_queue import sql
from app.resources import Reader


class JobRow(Row):
    """A row of job columns: those that the operation needs."""


class JobById(Loader[int, JobRow | None]):
    """The job with this id, or None."""

    async def values(self, session: Reader, keys: list[int]) -> list[JobRow | None]:
        """One statement for all keys."""
        rows = await session.rows(sql.by_id(self.context.requested_columns("Job")), {"ids": keys}, JobRow)
        found = {row["id"]: row for row in rows}
        return [found.get(key) for key in keys]
