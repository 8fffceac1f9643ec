"""Listings and the prices seen."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.tables.base import Money, Timestamp, is_amount, metadata, one_of


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


class OfferState(StrEnum):
    """Whether an offer could be bought, as far as it was known at the time."""

    ACTIVE = "active"
    MISSING = "missing"
    GONE = "gone"


class ListingFlag(StrEnum):
    """Why the price of an offer is not the price of one thing that can be bought."""

    BUNDLE = "bundle"
    LOT = "lot"
    AUCTION = "auction"


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
    # USD, see market.valuation; it and `valuation` are functions of the other columns, the rules and the rates.
    Column("adjusted_price", Numeric(13, 2)),
    # SHA-256 of what makes two rows the same offer, see market.import_sql.OFFER_KEY; the price is no part of it.
    Column("offer_key", LargeBinary, nullable=False),
    Column("images", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("is_sample", Boolean, nullable=False, server_default=text("false")),
    Column("seen_at", Timestamp, nullable=False),
    # Since when it is not found any more where it was, though nobody says that it has ended.
    Column("missing_since", Timestamp),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    # What is offered beside the CPU, as far as it is told; null: nothing, or not told.
    Column("memory_gb", Integer),
    Column("memory_kind", Text),
    Column("storage", JSONB(none_as_null=True)),  # [{"size_gb": 256, "kind": "SSD"}], kind may be null
    Column("graphics", Text),
    Column("operating_system", Text),
    # How many CPUs: 2 and more for lots and pairs.
    Column("quantity", Integer, nullable=False, server_default=text("1")),
    Column("flags", ARRAY(Text)),  # of ListingFlag; null: none
    # How the adjusted price was found, see the function listing_valuation; null where it is price + shipping, or none.
    Column("valuation", JSONB(none_as_null=True)),
    UniqueConstraint("offer_key"),
    one_of("condition", Condition),
    one_of("status", ListingStatus),
    is_amount("price"),
    is_amount("shipping"),
    is_amount("adjusted_price"),
    CheckConstraint("flags <@ ARRAY['bundle', 'lot', 'auction'] AND flags <> '{}'", name="flags"),
)
# Serves the ten cheapest, the count and the aggregation of a CPU's active listings, all without touching the table.
Index(
    "listing_active_idx",
    listing.c.cpu_id,
    listing.c.adjusted_price,
    listing.c.id,
    postgresql_where=listing.c.status == text("'active'"),
)

# The others of a CPU, whose prices are history. Apart, because most listings are active: an import hardly feels it.
Index(
    "listing_inactive_idx",
    listing.c.cpu_id,
    listing.c.id,
    postgresql_where=listing.c.status != text("'active'"),
)
# Those that are missed, to end them in time.
Index("listing_missing_idx", listing.c.missing_since, postgresql_where=listing.c.missing_since.is_not(None))

# What an offer cost, and whether it could be bought, from `seen_at` until its next row: rows are added, and put right
# only by another look at the same moment. Triggers on `listing` add them, whoever writes, and imports those of before.
# Partitioned by month (schema `partitions`, see market.months). No foreign key, as above; listings are never deleted.
price_observation = Table(
    "price_observation",
    metadata,
    Column("listing_id", BigInteger, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Column("price", Money),
    Column("shipping", Money),
    Column("currency", Text, nullable=False),
    # What it counted for in price targets then, USD; null where it did not count.
    Column("adjusted_price", Numeric(13, 2)),
    Column("state", Text, nullable=False, server_default=text("'active'")),
    PrimaryKeyConstraint("listing_id", "seen_at"),
    one_of("state", OfferState),
    postgresql_partition_by="RANGE (seen_at)",
)
