"""Data versions."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, Column, Table, Text, text

from app.db.tables.base import metadata, one_of


class Domain(StrEnum):
    """A data domain: a part of the data with its own version. The cache key of a response contains these versions."""

    CATALOG = "catalog"
    MARKET = "market"
    ANALYTICS = "analytics"
    WORK = "work"
    DOCUMENTS = "documents"
    EVENTS = "events"


data_version = Table(
    "data_version",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    one_of("domain", Domain),
)
