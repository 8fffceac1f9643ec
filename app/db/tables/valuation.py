"""Exchange rates, and valuation rules for components that are offered together with a CPU."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Identity,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db.tables.base import Timestamp, is_amount, metadata, one_of


class Component(StrEnum):
    """A component that can be offered together with a CPU."""

    MEMORY = "memory"
    STORAGE = "storage"
    GRAPHICS = "graphics"
    OPERATING_SYSTEM = "operating_system"


class RuleUnit(StrEnum):
    """The unit that the value of a rule is for."""

    GB = "gb"
    ITEM = "item"


exchange_rate = Table(
    "exchange_rate",
    metadata,
    Column("currency", Text, nullable=False),
    Column("date", Date, nullable=False),
    # USD per unit. No currency is worth 100 USD, and with this bound every converted price fits into `adjusted_price`.
    Column("usd", Numeric(24, 12), nullable=False),
    PrimaryKeyConstraint("currency", "date"),
    CheckConstraint("usd > 0 AND usd <= 100", name="usd"),
)

# Read by the function listing_valuation, which also chooses the rule that applies. A rule of value 0 ends an earlier
# one.
valuation_rule = Table(
    "valuation_rule",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("component", Text, nullable=False),
    # Words of the component as read, in any case ("SSD" in "NVMe SSD", "RTX 3060"); null: all kinds, unknown ones, too.
    Column("kind", Text),
    Column("unit", Text, nullable=False),
    Column("value_usd", Numeric(12, 4), nullable=False),
    # Condition of the offer -> factor of the value; 1 for a condition that is not a key.
    Column("condition_multipliers", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("valid_from", Timestamp, nullable=False, server_default=func.now()),
    # Whether the listings that existed when the rule became valid were revalued.
    Column("in_force", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Timestamp, nullable=False, server_default=func.now()),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    UniqueConstraint("component", "kind", "valid_from", postgresql_nulls_not_distinct=True),
    one_of("component", Component),
    one_of("unit", RuleUnit),
    CheckConstraint("unit = 'item' OR component IN ('memory', 'storage')", name="measured"),
    is_amount("value_usd"),
)
