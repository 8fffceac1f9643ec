"""What happened, for those who follow it: changes of prices, and how far webhooks have been told."""

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


def _change() -> list[Column[object]]:
    """What an event tells; the prices and the shipping are in `currency`, `at` is the time of the change."""
    return [
        Column("listing_id", BigInteger, nullable=False),
        Column("cpu_id", BigInteger),
        Column("price_before", Money, nullable=False),
        Column("price_after", Money, nullable=False),
        Column("shipping", Money),
        Column("currency", Text, nullable=False),
    ]


# Events as transactions leave them: a trigger on `listing` writes them in the transaction that changes the price. Their
# ids tell nothing about the order of commits, so nobody follows this table: it is emptied into `price_change`.
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    *_change(),
    Column("at", Timestamp, nullable=False, server_default=func.clock_timestamp()),
)

# The same events in the order that counts, which is that of their positions. One transaction at a time gives positions,
# and only to what is committed: so whoever has seen a position has seen all lower ones, and none appears later.
price_change = Table(
    "price_change",
    metadata,
    Column("position", BigInteger, Identity(always=True), primary_key=True),
    *_change(),
    Column("at", Timestamp, nullable=False),
)
Index("price_change_cpu_id_idx", price_change.c.cpu_id, price_change.c.position)

# The highest position that was deleted: who has not come as far has missed something. No row: nothing was deleted.
price_change_horizon = Table(
    "price_change_horizon",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("position", BigInteger, nullable=False),
    CheckConstraint("single", name="single"),
)

# How far each receiver has been told. Its name tells the URL apart without telling it, because that may hold a secret.
webhook = Table(
    "webhook",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    # The batch that is to be delivered next: fixed before it is first sent, so that it is the same when sent again.
    Column("batch_id", Uuid),
    Column("batch_until", BigInteger),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Timestamp),
    # Requests so far, by their outcome.
    Column("delivered", BigInteger, nullable=False, server_default=text("0")),
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
    Column("unanswered", BigInteger, nullable=False, server_default=text("0")),
    # When a worker last looked at it.
    Column("looked_at", Timestamp, nullable=False, server_default=func.now()),
    CheckConstraint("(batch_id IS NULL) = (batch_until IS NULL)", name="batch"),
)
