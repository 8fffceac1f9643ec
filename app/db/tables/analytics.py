"""Results of recalculations: history, failures, verification, and the log of changes to recalculate."""

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

# History of the figures of a CPU: a row for each recalculation in which its own prices or marks changed them. A
# percentile that changes only because of other CPUs adds no row.
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

# Single row: time of the last full recalculation. CPUs with unchanged figures are not written, so their
# `figures_computed_at` may be older.
recalculation_watermark = Table(
    "recalculation_watermark",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("full_at", Timestamp),
    CheckConstraint("single", name="single"),
)

# CPUs that kept their old figures because the last recalculation could not compute new ones.
recalculation_failure = Table(
    "recalculation_failure",
    metadata,
    Column("cpu_id", BigInteger, ForeignKey("cpu.id", ondelete="CASCADE"), primary_key=True),
    Column("job_id", BigInteger),
    Column("failed_at", Timestamp, nullable=False, server_default=func.now()),
    Column("error", Text, nullable=False),
)

# Single row: result of the last verification. The results of earlier ones are in their jobs.
last_verification = Table(
    "last_verification",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("verified_at", Timestamp, nullable=False),
    # Number of items: each CPU, and the statistics as one more. `consistent` is counted before the repair, `left_over`
    # after it.
    Column("total", Integer, nullable=False),
    Column("consistent", Integer, nullable=False),
    Column("left_over", Integer, nullable=False),
    Column("fixed", Boolean, nullable=False),
    # The first inconsistent items: {"slug": that of the CPU or null, "columns": [...], "reason": text or null}.
    Column("differences", JSONB, nullable=False),
    CheckConstraint("single", name="single"),
)

# CPUs with outdated figures, because of changed prices or marks, or because the CPU is new or deleted. Triggers on
# `cpu` and `listing` add a row per statement and CPU, in the transaction of the change; a recalculation deletes the
# rows that it has read. It never deletes "up to an id", because ids are not in the order of commits.
data_change_log = Table(
    "data_change_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # No foreign key: a deleted CPU is logged, too, because the ranks of the other CPUs change.
    Column("cpu_id", BigInteger, nullable=False),
    Column("logged_at", Timestamp, nullable=False, server_default=func.clock_timestamp()),
)
