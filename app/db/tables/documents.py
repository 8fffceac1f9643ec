"""Persisted documents and their use."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, PrimaryKeyConstraint, Table, Text, func

from app.db.tables.base import Timestamp, metadata

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
