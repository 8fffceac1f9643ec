"""Jobs as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import strawberry

from app.db.tables import JobKind, JobStatus
from app.graphql.context import Info
from app.graphql.enums import graphql_enum
from app.graphql.fields import column, is_row
from app.graphql.relay import Node, id_field
from app.schema.jobs.loaders import JobById, JobRow

graphql_enum(
    JobKind,
    "What a job does.",
    {
        "RECALCULATE_METRICS": "Computes price targets and performance values anew.",
        "VERIFY_FIGURES": "Compares stored figures with computed ones; items that differ count as failed.",
        "CLEAN_UP": "Deletes what is older than it is kept; the items are its steps.",
        "REVALUE_LISTINGS": "Values listings anew after a change of exchange rates or valuation rules.",
    },
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
    """Its objects are rows of `job`."""

    is_type_of = is_row(JobRow)

    id: strawberry.ID = id_field("Job")
    kind: JobKind = column("kind", description="What it does.")
    status: JobStatus = column(
        "status", description="SUCCEEDED says that it ran to its end, even if some of the items failed; see `failed`."
    )
    total: int | None = column("total", description="Number of items; null before it started.")
    done: int = column("done", description="Items done so far.")
    succeeded: int = column("succeeded", description="Items that succeeded; counted at the end.")
    failed: int = column("failed", description="Items that failed and kept their old values; counted at the end.")
    error: str | None = column("error", description="Why it was given up; null otherwise.")
    requested_at: datetime = column("requested_at", description="When it was asked for.")
    started_at: datetime | None = column("started_at", description="When it first started; null before.")
    finished_at: datetime | None = column("finished_at", description="When it ended; null before.")

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Job | None:
        """For `node(id:)`."""
        return cast("Job | None", await info.context.loader(JobById).load(key))
