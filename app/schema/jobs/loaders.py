"""Loader of jobs."""

from __future__ import annotations

from app.db.statements import Row
from app.graphql.context import Loader
from app.job_queue import sql
from app.resources import Reader


class JobRow(Row):
    """Row with the job columns that the operation requests."""


class JobById(Loader[int, JobRow | None]):
    """Loads jobs by id; None if there is no such job."""

    async def values(self, session: Reader, keys: list[int]) -> list[JobRow | None]:
        """Run one statement for all keys."""
        rows = await session.rows(sql.by_id(self.context.requested_columns("Job")), {"ids": keys}, JobRow)
        row_by_id = {row["id"]: row for row in rows}
        return [row_by_id.get(key) for key in keys]
