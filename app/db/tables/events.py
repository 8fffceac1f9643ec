"""Events for subscribers and webhooks: price changes, and the delivery state of webhooks."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from app.db.tables.base import Money, Timestamp, metadata


def _price_change_columns() -> list[Column[object]]:
    """Return the columns that `outbox` and `price_change` share; prices and shipping are in `currency`."""
    return [
        Column("listing_id", BigInteger, nullable=False),
        Column("cpu_id", BigInteger),
        Column("price_before", Money, nullable=False),
        Column("price_after", Money, nullable=False),
        Column("shipping", Money),
        Column("currency", Text, nullable=False),
    ]


# Price changes that have no position yet. A trigger on `listing` adds them in the transaction that changes the price.
# Their ids are not in the order of commits, so no reader uses them: a worker moves the rows to `price_change`.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *_price_change_columns(),
    Column("at", Timestamp, nullable=False, server_default=func.clock_timestamp()),
)

# Price changes in the order of their positions. One transaction at a time assigns positions, to committed events only:
# when a position is visible, all lower ones are visible, too, and none is added below it.
price_change = Table(
    "price_change",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    *_price_change_columns(),
    Column("at", Timestamp, nullable=False),
)
Index("price_change_cpu_id_idx", price_change.c.cpu_id, price_change.c.position)

# Single row: the highest deleted position; a reader that is behind it has missed events. No row: nothing was deleted.
price_change_horizon = Table(
    "price_change_horizon",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("position", BigInteger, nullable=False),
    CheckConstraint("single", name="single"),
)

# Delivery state of each webhook. The name is derived from the URL and does not reveal it, because a URL may contain a
# secret.
webhook = Table(
    "webhook",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    # The next batch to deliver: fixed before the first attempt, so that every attempt sends the same events.
    Column("batch_id", Uuid),
    Column("batch_until", BigInteger),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Timestamp),
    # Number of requests so far, by outcome: accepted, answered with an error, not answered.
    Column("delivered", BigInteger, nullable=False, server_default=text("0")),
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
    Column("unanswered", BigInteger, nullable=False, server_default=text("0")),
    # When a worker last checked for new events.
    Column("looked_at", Timestamp, nullable=False, server_default=func.now()),
    CheckConstraint("(batch_id IS NULL) = (batch_until IS NULL)", name="batch"),
)
