"""GraphQL types of jobs."""

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
    "Kind of work of a job.",
    {
        "RECALCULATE_METRICS": "Recalculate price targets and performance values.",
        "VERIFY_FIGURES": "Compare stored figures with computed ones; items that differ count as failed.",
        "CLEAN_UP": "Run the nightly maintenance; its items are the steps.",
        "REVALUE_LISTINGS": "Recompute adjusted prices after a change of exchange rates or valuation rules.",
    },
)
graphql_enum(
    JobStatus,
    "Status of a job.",
    {
        "QUEUED": "Waiting for a worker.",
        "RUNNING": "In progress, or to be resumed by another worker.",
        "SUCCEEDED": "Completed; single items may have failed. Final.",
        "FAILED": "Given up for the reason in `error`. Final.",
    },
)


@strawberry.type(description="Work in the background.")
class Job(Node):
    """Objects are instances of JobRow."""

    is_type_of = is_row(JobRow)

    id: strawberry.ID = id_field("Job")
    kind: JobKind = column("kind", description="Kind of work.")
    status: JobStatus = column("status", description="Status; a job with failed items can be SUCCEEDED, see `failed`.")
    total: int | None = column("total", description="Number of items; null before the job starts.")
    done: int = column("done", description="Number of items processed so far.")
    succeeded: int = column("succeeded", description="Number of items that succeeded; 0 until the job ends.")
    failed: int = column(
        "failed", description="Number of items that failed and keep their old values; 0 until the job ends."
    )
    error: str | None = column("error", description="Reason of the failure; null unless the status is FAILED.")
    requested_at: datetime = column("requested_at", description="Time of the request.")
    started_at: datetime | None = column("started_at", description="Time when the job first started; null before.")
    finished_at: datetime | None = column("finished_at", description="Time when the job ended; null before.")

    @classmethod
    async def load_node(cls, info: Info, key: int) -> Job | None:
        """Return the job with this key, or None."""
        return cast("Job | None", await info.context.loader(JobById).load(key))
