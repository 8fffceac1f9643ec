"""Statistics of the whole catalogue, maintained by triggers."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, Column, Identity, Integer, Table, Text, text

from app.db.tables.base import Timestamp, metadata

# Single row: statistics of all CPUs. Only triggers write this and the next table, in the transaction that changes `cpu`
# or `listing` (app/db/functions/update_cpu_statistics.sql and update_listing_statistics.sql).
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

# The number of active listings is the sum over these few rows, some of which may be negative: each transaction adds to
# a row that no other transaction has locked.
listing_statistics = Table(
    "listing_statistics",
    metadata,
    Column("shard", Integer, Identity(always=True), primary_key=True),
    Column("active", BigInteger, nullable=False),
)
