"""Imports of web pages: requested URLs, their fetches and results, and the fetched pages."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from app.db.tables.base import Timestamp, metadata, one_of


class ImportStatus(StrEnum):
    """State of an import session and of each fetch; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


FINAL_IMPORT_STATUSES = frozenset({ImportStatus.COMPLETE, ImportStatus.PARTIAL, ImportStatus.FAILED})


class ImportSource(StrEnum):
    """What an import was requested with."""

    URL = "url"
    CSV = "csv"
    JSON = "json"


class ImportPriority(IntEnum):
    """Priority of a fetch; of those that are due, the highest comes first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


IS_UNFINISHED = text("status IN ('queued', 'running')")
IS_QUEUED = text("status = 'queued'")

# One request to import URLs. `total` is the number of its rows; the three counters are incremented as rows end.
import_session = Table(
    "import_session",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    Column("source", Text, nullable=False),
    # The URL or the name of the file.
    Column("name", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("complete", Integer, nullable=False, server_default=text("0")),
    Column("partial", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("requested_at", Timestamp, nullable=False, server_default=func.now()),
    Column("started_at", Timestamp),
    Column("finished_at", Timestamp),
    one_of("status", ImportStatus),
    one_of("source", ImportSource),
)

# A URL to fetch, and the result. Requests for a URL that is already queued or running share its fetch, so several rows
# of `import_row` may refer to one.
import_fetch = Table(
    "import_fetch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # Normalized.
    Column("url", Text, nullable=False),
    # Host, with the port if it is not the default one; the limits per host apply to it.
    Column("host", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    # Lease of the worker that runs it: the second key of an advisory lock, which is free once that worker has ended.
    Column("claim", Integer),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Attempts that ended with a temporary error.
    Column("retries", Integer, nullable=False, server_default=text("0")),
    # Earliest time of the next attempt.
    Column("due_at", Timestamp, nullable=False, server_default=func.now()),
    Column("error_code", Text),
    Column("error", Text),
    Column("quality", Text),
    Column("adapter", Text),
    Column("final_url", Text),
    Column("fetched_at", Timestamp),
    Column("listing_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    # Sentences about open points, for example why an offer has no CPU.
    Column("remarks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("requested_at", Timestamp, nullable=False, server_default=func.now()),
    Column("finished_at", Timestamp),
    one_of("status", ImportStatus),
    CheckConstraint("quality IN ('full', 'partial')", name="quality"),
)
Index("import_fetch_unfinished_key", import_fetch.c.url, unique=True, postgresql_where=IS_UNFINISHED)
Index("import_fetch_url_idx", import_fetch.c.url, postgresql_using="hash")
# Finds the next fetch of a host.
Index(
    "import_fetch_queued_idx",
    import_fetch.c.host,
    import_fetch.c.priority.desc(),
    import_fetch.c.id,
    postgresql_where=IS_QUEUED,
)
Index("import_fetch_due_idx", import_fetch.c.due_at, postgresql_where=IS_QUEUED)
Index("import_fetch_running_idx", import_fetch.c.host, postgresql_where=text("status = 'running'"))

# One requested URL. Without a fetch, the URL itself was invalid, and the row has the error.
import_row = Table(
    "import_row",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("session_id", BigInteger, ForeignKey("import_session.id", ondelete="CASCADE"), nullable=False),
    # From 1, in the order of the file.
    Column("position", Integer, nullable=False),
    # As requested.
    Column("url", Text, nullable=False),
    Column("fetch_id", BigInteger, ForeignKey("import_fetch.id", ondelete="CASCADE"), index=True),
    Column("error_code", Text),
    Column("error", Text),
    UniqueConstraint("session_id", "position"),
)

# Earliest time of the next request to each host.
import_host = Table(
    "import_host",
    metadata,
    Column("host", Text, primary_key=True),
    Column("next_at", Timestamp, nullable=False, server_default=text("'-infinity'")),
)

# Content of fetched pages; deleted after DEALMARK_PAYLOADS_RETENTION_DAYS.
import_payload = Table(
    "import_payload",
    metadata,
    Column("fetch_id", BigInteger, ForeignKey("import_fetch.id", ondelete="CASCADE"), primary_key=True),
    # UTF-8, compressed with zlib.
    Column("content", LargeBinary, nullable=False),
    # Size before compression.
    Column("bytes", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("stored_at", Timestamp, nullable=False, server_default=func.now(), index=True),
)
