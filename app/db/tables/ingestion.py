"""Imports: who asked for which URLs, what became of each, and the pages as they were fetched."""

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
    """State of an import and of each of its rows; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


ENDED_IMPORTS = frozenset({ImportStatus.COMPLETE, ImportStatus.PARTIAL, ImportStatus.FAILED})


class ImportSource(StrEnum):
    """What an import was asked for by."""

    URL = "url"
    CSV = "csv"
    JSON = "json"


class ImportPriority(IntEnum):
    """Of what is due, the greatest comes first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


UNFINISHED = text("status IN ('queued', 'running')")
IS_QUEUED = text("status = 'queued'")

# One request for URLs. The three counters and `total` are of its rows; each row is counted when it ends.
import_session = Table(
    "import_session",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    Column("source", Text, nullable=False),
    # The URL, or the name of the file.
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

# Work to be done, and its outcome: a URL that is asked for again while it is unfinished is the same fetch, whoever
# asks. Several rows may wait for one.
import_fetch = Table(
    "import_fetch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # In its one plain spelling.
    Column("url", Text, nullable=False),
    # With the port, where it is not the usual one: whose limits count.
    Column("host", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'queued'")),
    # Of the worker that is at it: an advisory lock that is free once that worker is gone.
    Column("claim", Integer),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Attempts that ended with an error after which another one made sense.
    Column("retries", Integer, nullable=False, server_default=text("0")),
    # Not before.
    Column("due_at", Timestamp, nullable=False, server_default=func.now()),
    Column("error_code", Text),
    Column("error", Text),
    Column("quality", Text),
    Column("adapter", Text),
    Column("final_url", Text),
    Column("fetched_at", Timestamp),
    Column("listing_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    # Sentences about what was left open, like why an offer has no CPU.
    Column("remarks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("requested_at", Timestamp, nullable=False, server_default=func.now()),
    Column("finished_at", Timestamp),
    one_of("status", ImportStatus),
    CheckConstraint("quality IN ('full', 'partial')", name="quality"),
)
Index("import_fetch_unfinished_key", import_fetch.c.url, unique=True, postgresql_where=UNFINISHED)
Index("import_fetch_url_idx", import_fetch.c.url, postgresql_using="hash")
# The next one of a host.
Index(
    "import_fetch_queued_idx",
    import_fetch.c.host,
    import_fetch.c.priority.desc(),
    import_fetch.c.id,
    postgresql_where=IS_QUEUED,
)
Index("import_fetch_due_idx", import_fetch.c.due_at, postgresql_where=IS_QUEUED)
Index("import_fetch_running_idx", import_fetch.c.host, postgresql_where=text("status = 'running'"))

# One URL given. Without a fetch it could not even be tried, and has an error of its own.
import_row = Table(
    "import_row",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("session_id", BigInteger, ForeignKey("import_session.id", ondelete="CASCADE"), nullable=False),
    # From 1, in the order of the file.
    Column("position", Integer, nullable=False),
    # As given.
    Column("url", Text, nullable=False),
    Column("fetch_id", BigInteger, ForeignKey("import_fetch.id", ondelete="CASCADE"), index=True),
    Column("error_code", Text),
    Column("error", Text),
    UniqueConstraint("session_id", "position"),
)

# When each host may be asked next.
import_host = Table(
    "import_host",
    metadata,
    Column("host", Text, primary_key=True),
    Column("next_at", Timestamp, nullable=False, server_default=text("'-infinity'")),
)

# Pages as they were fetched, for a while.
import_payload = Table(
    "import_payload",
    metadata,
    Column("fetch_id", BigInteger, ForeignKey("import_fetch.id", ondelete="CASCADE"), primary_key=True),
    # Text in UTF-8, compressed (zlib).
    Column("content", LargeBinary, nullable=False),
    # Before it was compressed.
    Column("bytes", Integer, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("stored_at", Timestamp, nullable=False, server_default=func.now(), index=True),
)
