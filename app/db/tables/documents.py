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

# Use of documents, including those that ship with the server and have no row in `document`.
document_use = Table(
    "document_use",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("first_used_at", Timestamp, nullable=False),
    Column("last_used_at", Timestamp, nullable=False),
    Column("hits", BigInteger, nullable=False),
)

# Client versions that need a document. A document that none needs any more is retired.
document_client = Table(
    "document_client",
    metadata,
    Column("document_id", Text, ForeignKey("document.id", ondelete="CASCADE"), nullable=False),
    Column("client_name", Text, nullable=False),
    Column("client_version", Text, nullable=False),
    Column("published_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("document_id", "client_name", "client_version"),
)
