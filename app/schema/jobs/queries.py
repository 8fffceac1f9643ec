"""Query and subscription fields for jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from app.core.errors import NotFound
from app.core.global_ids import key_from_global_id
from app.core.waiting import wait_for_event
from app.db.pagination import DEFAULT_PAGE_SIZE, parse_page_arguments
from app.db.tables import Domain, JobKind, JobStatus
from app.graphql.context import Info
from app.graphql.directives import cache_hints, connection_size
from app.graphql.permissions import IsOperator
from app.graphql.relay import TOTAL_COUNT, After, Before, Connection, First, Last, requests_total_count
from app.job_queue import sql
from app.schema.jobs.loaders import JobRow
from app.schema.jobs.types import Job

JobId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the job.")]

# Subscriptions also poll, because notifications are lost while the connection to the database is.
POLL_INTERVAL_SECONDS = 5.0


@strawberry.type
class JobsQuery:
    @strawberry.field(description="A job; null if there is no such job.", metadata=cache_hints(Domain.WORK, max_age=0))
    async def job(self, info: Info, id: JobId) -> Job | None:  # noqa: A002
        """Return the job."""
        return await Job.load_node(info, key_from_global_id(id, "Job"))

    @strawberry.field(
        description="Jobs, newest first. Operators only.",
        metadata=cache_hints(Domain.WORK, max_age=0),
        permission_classes=[IsOperator],
        directives=[connection_size(DEFAULT_PAGE_SIZE)],
    )
    async def jobs(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        kind: Annotated[
            list[JobKind] | None, strawberry.argument(description="Accepted kinds; null accepts all.")
        ] = None,
        status: Annotated[
            list[JobStatus] | None, strawberry.argument(description="Accepted statuses; null accepts all.")
        ] = None,
    ) -> Connection[Job]:
        """Return a page; without `first` and `last`, the 50 newest jobs."""
        request = parse_page_arguments(first, after, last, before)
        conditions = sql.JobFilter(*(None if each is None else list(dict.fromkeys(each)) for each in (kind, status)))
        context = info.context
        counted = requests_total_count(info, "JobConnection")
        async with context.read() as session:
            rows = await session.rows(*sql.page(conditions, request, context.requested_columns("Job"), counted), JobRow)

        async def count() -> int:
            if counted and rows:
                return int(rows[0][TOTAL_COUNT])
            async with context.read() as session:
                return int(await session.scalar(*sql.count(conditions)))

        return Connection(page=sql.NEWEST_FIRST.build_page(rows, request), count=count)


@strawberry.type
class JobsSubscription:
    @strawberry.subscription(description="The job now and after each change, until the job has ended.")
    async def job_progress(self, info: Info, id: JobId) -> AsyncGenerator[Job, None]:  # noqa: A002
        """Yield the job after each change. Raises NotFound if there is no such job."""
        key = key_from_global_id(id, "Job")
        resources = info.context.resources
        last: JobRow | None = None
        async with resources.notifications.subscribe(f"job:{key}") as changed:
            while True:
                changed.clear()
                async with resources.read() as session:
                    rows = await session.rows(sql.by_id(), {"ids": [key]}, JobRow)
                if not rows:
                    raise NotFound(f'There is no job "{id}".')
                job = rows[0]
                if job != last:
                    yield job
                last = job
                if job["status"] in {JobStatus.SUCCEEDED, JobStatus.FAILED}:
                    return
                await wait_for_event(changed, POLL_INTERVAL_SECONDS)
