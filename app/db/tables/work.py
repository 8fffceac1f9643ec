"""Background jobs."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db.tables.base import Timestamp, metadata, one_of


class JobKind(StrEnum):
    """Kind of a job; the value is the name of the worker's function."""

    RECALCULATE_METRICS = "recalculate_metrics"
    VERIFY_FIGURES = "verify_figures"
    REVALUE_LISTINGS = "revalue_listings"
    CLEAN_UP = "clean_up"


class JobStatus(StrEnum):
    """State of a job; the last two are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


job = Table(
    "job",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    Column("input", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("requested_by", Text, nullable=False),
    # Scheduled time of a nightly job. Unique with the kind, so that several workers create one job per night.
    Column("due_at", Timestamp),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("total", Integer),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("succeeded", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("requested_at", Timestamp, nullable=False, server_default=func.now()),
    Column("started_at", Timestamp),
    Column("finished_at", Timestamp),
    UniqueConstraint("kind", "due_at"),
    one_of("kind", JobKind),
    one_of("status", JobStatus),
)
# A request for work that is already queued returns the queued job.
Index(
    "job_queued_key",
    job.c.kind,
    text("md5(input::text)"),
    unique=True,
    postgresql_where=job.c.status == text("'queued'"),
)
Index("job_unfinished_idx", job.c.id, postgresql_where=text("status IN ('queued', 'running')"))
