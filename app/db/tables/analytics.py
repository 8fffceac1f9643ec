"""What recalculations leave: histories, failures, and the log of what is to be recalculated."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.tables.base import Timestamp, metadata

# The figures of a CPU each time that its own prices or marks moved them (a percentile that drifts because
# of other CPUs is no change of this one).
figure_history = Table(
    "figure_history",
    metadata,
    Column("cpu_id", BigInteger, ForeignKey("cpu.id", ondelete="CASCADE"), nullable=False),
    Column("computed_at", Timestamp, nullable=False),
    Column("job_id", BigInteger),
    Column("price_great", Numeric(16, 2)),
    Column("price_good", Numeric(16, 2)),
    Column("price_fair", Numeric(16, 2)),
    Column("price_stddev", Numeric(16, 2)),
    Column("price_sample_size", Integer, nullable=False),
    Column("dollar_per_mark_multi", Numeric(44, 30)),
    Column("dollar_per_mark_single", Numeric(44, 30)),
    Column("value_percentile", Numeric(4, 1)),
    Column("value_rating", Text),
    PrimaryKeyConstraint("cpu_id", "computed_at"),
)

# When the whole catalogue was last recalculated: rows whose figures did not change are not written,
# and this one row says that they were computed all the same.
recalculation_watermark = Table(
    "recalculation_watermark",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("full_at", Timestamp),
    CheckConstraint("single", name="single"),
)

# CPUs that the last recalculation left with their old figures, and why.
recalculation_failure = Table(
    "recalculation_failure",
    metadata,
    Column("cpu_id", BigInteger, ForeignKey("cpu.id", ondelete="CASCADE"), primary_key=True),
    Column("job_id", BigInteger),
    Column("failed_at", Timestamp, nullable=False, server_default=func.now()),
    Column("error", Text, nullable=False),
)

# What the last verification found; each one replaces the one before, whose outcome is still that of its job.
last_verification = Table(
    "last_verification",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("verified_at", Timestamp, nullable=False),
    # Items: the CPUs, and the statistics as one more. Consistent before any repair, left over after it.
    Column("total", Integer, nullable=False),
    Column("consistent", Integer, nullable=False),
    Column("left_over", Integer, nullable=False),
    Column("fixed", Boolean, nullable=False),
    # Of the first of the others: {"slug": of the CPU or null, "columns": [...], "reason": text or null}.
    Column("differences", JSONB, nullable=False),
    CheckConstraint("single", name="single"),
)

# The CPUs whose figures a commit left behind: other prices or marks, a CPU that came or went. Triggers on `cpu` and
# `listing` write it, once per statement and CPU, in the transaction that changes them; who recalculates deletes it.
# Ids tell nothing about the order of commits, so what is deleted is what is seen, never "everything up to an id".
data_change_log = Table(
    "data_change_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # No foreign key: a CPU that is gone has moved the ranks of the others.
    Column("cpu_id", BigInteger, nullable=False),
    Column("logged_at", Timestamp, nullable=False, server_default=func.clock_timestamp()),
)
