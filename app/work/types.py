"""Jobs as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry
from sqlalchemy import Row

from app.context import Context
from app.graphql_enums import graphql_enum
from app.relay import Node, global_id
from app.tables import JobKind, JobStatus
from app.work.loaders import JobById

Info = strawberry.Info[Context, None]

graphql_enum(
    JobKind, "What a job does.", {"RECALCULATE_METRICS": "Computes price targets and performance values anew."}
)
graphql_enum(
    JobStatus,
    "State of a job.",
    {
        "QUEUED": "Waits for a worker.",
        "RUNNING": "A worker is at it, or the next one will take it up again.",
        "SUCCEEDED": "Ran to its end; single items may have failed. Final.",
        "FAILED": "Given up; `error` tells why. Final.",
    },
)


@strawberry.type(description="Work done in the background.")
class Job(Node):
    kind: JobKind = strawberry.field(description="What it does.")
    status: JobStatus = strawberry.field(
        description="SUCCEEDED says that it ran to its end, even if some of the items failed; see `failed`."
    )
    total: int | None = strawberry.field(description="Number of items; null before it started.")
    done: int = strawberry.field(description="Items done so far.")
    succeeded: int = strawberry.field(description="Items that succeeded; counted at the end.")
    failed: int = strawberry.field(description="Items that failed and kept their old values; counted at the end.")
    error: str | None = strawberry.field(description="Why it was given up; null otherwise.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When it first started; null before.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null before.")

    @classmethod
    def of(cls, row: Row[Any]) -> Job:
        """From a row of `job`."""
        return cls(
            id=global_id("Job", row.id),
            kind=JobKind(row.kind),
            status=JobStatus(row.status),
            total=row.total,
            done=row.done,
            succeeded=row.succeeded,
            failed=row.failed,
            error=row.error,
            requested_at=row.requested_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Job | None:
        """For `node(id:)`."""
        row = await info.context.loader(JobById).load(key)
        return None if row is None else cls.of(row)
