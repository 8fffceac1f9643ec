"""Every table, and the enumerations that their text columns hold.

Plain SQLAlchemy Core tables: there are no ORM entities, so no attribute access can run a statement behind one's back.
Money is NUMERIC; times are timezone-aware; enumerations are text with a CHECK, so that adding a value is one migration.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


class Condition(StrEnum):
    """Condition of an offer, best first."""

    NEW = "new"
    OPEN_BOX = "open_box"
    REFURBISHED = "refurbished"
    USED = "used"
    FOR_PARTS = "for_parts"
    UNKNOWN = "unknown"


class ListingStatus(StrEnum):
    """Whether an offer can still be bought."""

    ACTIVE = "active"
    PENDING = "pending"
    SOLD = "sold"
    ENDED = "ended"


class ValueRating(StrEnum):
    """Price for performance, by percentile: <= 25, <= 50, <= 75, above."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


class JobKind(StrEnum):
    """What a job does; the value is the name of the worker's function."""

    RECALCULATE_METRICS = "recalculate_metrics"
    VERIFY_FIGURES = "verify_figures"


class JobStatus(StrEnum):
    """State of a job; the last two are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Domain(StrEnum):
    """What a write touches and a document reads; each has a row in `data_version`."""

    CATALOG = "catalog"
    MARKET = "market"
    ANALYTICS = "analytics"
    WORK = "work"
    DOCUMENTS = "documents"


metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

Money = Numeric(12, 2)
Timestamp = DateTime(timezone=True)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """A CHECK that `column` holds a value of the enumeration."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def not_negative(column: str) -> CheckConstraint:
    """A CHECK that `column` is null, zero or more."""
    return CheckConstraint(f"{column} >= 0", name=column)


def is_amount(column: str) -> CheckConstraint:
    """A CHECK that `column` is null, zero or more; to NUMERIC, NaN is greater than any number."""
    return CheckConstraint(f"{column} >= 0 AND {column} <> 'NaN'", name=column)


cpu = Table(
    "cpu",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("manufacturer", Text, nullable=False),
    Column("socket", Text),
    Column("category", Text),
    Column("cores", Integer),
    Column("threads", Integer),
    Column("tdp_w", Integer),
    Column("release_year", Integer),
    Column("cpu_mark_multi", Integer),
    Column("cpu_mark_single", Integer),
    Column("igpu_model", Text),
    Column("igpu_mark", Integer),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    # Letters and digits only, so that a search for "i5 8500t" or "i58500T" finds "Intel Core i5-8500T".
    Column("search_text", Text, Computed("lower(regexp_replace(name, '[^[:alnum:]]+', '', 'g'))", persisted=True)),
    # The figures, written by a recalculation alone. $/mark is kept unrounded, because ranks compare unrounded values.
    Column("price_great", Numeric(16, 2)),
    Column("price_good", Numeric(16, 2)),
    Column("price_fair", Numeric(16, 2)),
    Column("price_stddev", Numeric(16, 2)),
    Column("price_sample_size", Integer, nullable=False, server_default=text("0")),
    Column("price_high_variance", Boolean, nullable=False, server_default=text("false")),
    Column("dollar_per_mark_multi", Numeric(44, 30)),
    Column("dollar_per_mark_single", Numeric(44, 30)),
    Column("value_percentile", Numeric(4, 1)),
    Column("value_percentile_single", Numeric(4, 1)),
    Column("value_rating", Text),
    Column("figures_computed_at", Timestamp),
    one_of("value_rating", ValueRating),
    *(not_negative(c) for c in ("cores", "threads", "tdp_w", "cpu_mark_multi", "cpu_mark_single", "igpu_mark")),
    # The figures change every night and are in no index: with room left in a page such an update stays there (HOT).
    postgresql_with={"fillfactor": "70"},
)
Index("cpu_name_key", func.lower(cpu.c.name), unique=True)
Index("cpu_name_id_idx", cpu.c.name, cpu.c.id)

listing = Table(
    "listing",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # No foreign key: its trigger runs a query per row, nearly half the time of a large import, which takes the ids from
    # `cpu` in the same statement. CPUs are not deleted.
    Column("cpu_id", BigInteger),
    Column("title", Text, nullable=False),
    Column("url", Text),
    Column("marketplace", Text, nullable=False),
    Column("seller", Text),
    Column("vendor_item_id", Text),
    Column("condition", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("price", Money),
    Column("shipping", Money),
    Column("currency", Text, nullable=False, server_default=text("'USD'")),
    Column("adjusted_price", Numeric(13, 2)),
    # SHA-256 of what makes two rows the same offer, see market.import_sql.OFFER_KEY; the price is no part of it.
    Column("offer_key", LargeBinary, nullable=False),
    Column("is_sample", Boolean, nullable=False, server_default=text("false")),
    Column("seen_at", Timestamp, nullable=False),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    UniqueConstraint("offer_key"),
    one_of("condition", Condition),
    one_of("status", ListingStatus),
    is_amount("price"),
    is_amount("shipping"),
    is_amount("adjusted_price"),
)
# Serves the ten cheapest, the count and the aggregation of a CPU's active listings, all without touching the table.
Index(
    "listing_active_idx",
    listing.c.cpu_id,
    listing.c.adjusted_price,
    listing.c.id,
    postgresql_where=listing.c.status == text("'active'"),
)

# One row per price seen. No foreign key either, for the same reason; listings are never deleted.
price_observation = Table(
    "price_observation",
    metadata,
    Column("listing_id", BigInteger, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Column("price", Money),
    Column("shipping", Money),
    Column("currency", Text, nullable=False),
    PrimaryKeyConstraint("listing_id", "seen_at"),
)

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

# The catalogue as a whole, kept ready for readers. Triggers on `cpu` and `listing` write these two in the transaction
# that changes what they say (see the migration that made them); nobody else does.
cpu_statistics = Table(
    "cpu_statistics",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("total", Integer, nullable=False),
    Column("manufacturers", ARRAY(Text), nullable=False),
    Column("sockets", ARRAY(Text), nullable=False),
    *(
        Column(f"{name}_{bound}", Integer)
        for name in ("cores", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single")
        for bound in ("min", "max")
    ),
    Column("figures_computed_at", Timestamp),
    CheckConstraint("single", name="single"),
)

# The number of active listings is the sum over these few rows, of which some may be negative: each transaction adds to
# one that is free.
listing_statistics = Table(
    "listing_statistics",
    metadata,
    Column("shard", Integer, Identity(always=True), primary_key=True),
    Column("active", BigInteger, nullable=False),
)

data_version = Table(
    "data_version",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    one_of("domain", Domain),
)

document = Table(
    "document",
    metadata,
    Column("id", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("name", Text),
    Column("published_at", Timestamp, nullable=False, server_default=func.now()),
    Column("retired_at", Timestamp),
)

# How documents are used, those too that ship with the server and have no row above.
document_use = Table(
    "document_use",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("first_used_at", Timestamp, nullable=False),
    Column("last_used_at", Timestamp, nullable=False),
    Column("hits", BigInteger, nullable=False),
)

# Which version of which client asked for a document to be served; one that nobody asks for any more is retired.
document_client = Table(
    "document_client",
    metadata,
    Column("document_id", Text, ForeignKey("document.id", ondelete="CASCADE"), nullable=False),
    Column("client_name", Text, nullable=False),
    Column("client_version", Text, nullable=False),
    Column("published_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("document_id", "client_name", "client_version"),
)

job = Table(
    "job",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    Column("input", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("requested_by", Text, nullable=False),
    # Of a scheduled job: the moment it was due. Unique, so that one night has one job however many workers ask.
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
# Asking again while the same work is still queued returns the job that waits.
Index(
    "job_queued_key",
    job.c.kind,
    text("md5(input::text)"),
    unique=True,
    postgresql_where=job.c.status == text("'queued'"),
)
Index("job_unfinished_idx", job.c.id, postgresql_where=text("status IN ('queued', 'running')"))
