"""Listings and their observed prices."""

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
    """Condition of an offer, from best to worst."""

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
    """Whether an offer could be bought at the time of an observation."""

    ACTIVE = "active"
    MISSING = "missing"
    GONE = "gone"


class ListingFlag(StrEnum):
    """Why the price of a listing is not the price of one CPU."""

    BUNDLE = "bundle"
    LOT = "lot"
    AUCTION = "auction"


listing = Table(
    "listing",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # No foreign key: its trigger would run a query per row and take nearly half the time of a large import, which reads
    # the ids from `cpu` in the same statement. CPUs are not deleted.
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
    # In USD. This and `valuation` are computed from the other columns, the rules and the rates, see
    # app/valuation/adjusted_price.py.
    Column("adjusted_price", Numeric(13, 2)),
    # SHA-256 of the columns that identify an offer, without the price; see app/market/offer_key.py.
    Column("offer_key", LargeBinary, nullable=False),
    Column("images", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("is_sample", Boolean, nullable=False, server_default=text("false")),
    Column("seen_at", Timestamp, nullable=False),
    # Since when the listing was not found, although its marketplace has not reported it as ended.
    Column("missing_since", Timestamp),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    # Components in addition to the CPU, as far as the listing names them; null: none, or unknown.
    Column("memory_gb", Integer),
    Column("memory_kind", Text),
    Column("storage", JSONB(none_as_null=True)),  # [{"size_gb": 256, "kind": "SSD"}], kind may be null
    Column("graphics", Text),
    Column("operating_system", Text),
    # Number of CPUs: 2 or more for lots and pairs.
    Column("quantity", Integer, nullable=False, server_default=text("1")),
    Column("flags", ARRAY(Text)),  # values of ListingFlag; null: none
    # How the adjusted price was computed, see app/db/functions/listing_valuation.sql; null if it is price + shipping,
    # or if there is none.
    Column("valuation", JSONB(none_as_null=True)),
    UniqueConstraint("offer_key"),
    one_of("condition", Condition),
    one_of("status", ListingStatus),
    is_amount("price"),
    is_amount("shipping"),
    is_amount("adjusted_price"),
    CheckConstraint("flags <@ ARRAY['bundle', 'lot', 'auction'] AND flags <> '{}'", name="flags"),
)
# Index-only scans for the cheapest listings, the count, and the price targets of a CPU's active listings.
Index(
    "listing_active_idx",
    listing.c.cpu_id,
    listing.c.adjusted_price,
    listing.c.id,
    postgresql_where=listing.c.status == text("'active'"),
)

# The inactive listings of a CPU, for the price history. A separate index, because most listings are active, so imports
# rarely update it.
Index(
    "listing_inactive_idx",
    listing.c.cpu_id,
    listing.c.id,
    postgresql_where=listing.c.status != text("'active'"),
)
# Missing listings, which expire after DEALMARK_LISTING_EXPIRY_DAYS.
Index("listing_missing_idx", listing.c.missing_since, postgresql_where=listing.c.missing_since.is_not(None))

# Price history: what an offer cost, and whether it could be bought, from `seen_at` until its next row. Triggers on
# `listing` append the rows, and imports of older snapshots those of the past; a row is updated only by an observation
# of the same moment. Partitioned by month (schema `partitions`, see app/market/price_partitions.py). No foreign key,
# for the same reason as above; listings are never deleted.
price_observation = Table(
    "price_observation",
    metadata,
    Column("listing_id", BigInteger, nullable=False),
    Column("seen_at", Timestamp, nullable=False),
    Column("price", Money),
    Column("shipping", Money),
    Column("currency", Text, nullable=False),
    # Adjusted price at that time, in USD; null if the offer did not count in price targets.
    Column("adjusted_price", Numeric(13, 2)),
    Column("state", Text, nullable=False, server_default=text("'active'")),
    PrimaryKeyConstraint("listing_id", "seen_at"),
    one_of("state", OfferState),
    postgresql_partition_by="RANGE (seen_at)",
)
