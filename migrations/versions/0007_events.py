"""Add price change events, webhooks and cleanup jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

DOMAINS = ("catalog", "market", "analytics", "work", "documents")
KINDS = ("recalculate_metrics", "verify_figures", "revalue_listings")

# Described in app/db/functions/record_price_changes.sql, the later name of the function.
LISTING_REPRICED = """
CREATE FUNCTION listing_repriced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (listing_id, cpu_id, price_before, price_after, shipping, currency)
    SELECT a.id, a.cpu_id, r.price, a.price, a.shipping, a.currency
    FROM removed AS r JOIN added AS a USING (id)
    WHERE a.price <> r.price AND a.currency = r.currency
        AND (abs(a.price - r.price) >= 1 OR r.price > 0 AND abs(a.price - r.price) * 50 >= r.price);
    IF FOUND THEN
        PERFORM pg_notify('dealmark', '{"topics": ["outbox"]}');
    END IF;
    RETURN NULL;
END $$
"""


def _change() -> list[sa.Column[object]]:
    return [
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("cpu_id", sa.BigInteger(), nullable=True),
        sa.Column("price_before", sa.Numeric(12, 2), nullable=False),
        sa.Column("price_after", sa.Numeric(12, 2), nullable=False),
        sa.Column("shipping", sa.Numeric(12, 2), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
    ]


def _allow(table: str, column: str, values: tuple[str, ...]) -> None:
    """Replace the CHECK of an enumeration."""
    listed = ", ".join(f"'{value}'" for value in values)
    op.drop_constraint(f"{table}_{column}_check", table)
    op.create_check_constraint(op.f(f"{table}_{column}_check"), table, f"{column} IN ({listed})")


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_change(),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
    )
    op.create_table(
        "price_change",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_change(),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("price_change_pkey")),
    )
    op.create_index("price_change_cpu_id_idx", "price_change", ["cpu_id", "position"])
    op.create_table(
        "price_change_horizon",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("single", name=op.f("price_change_horizon_single_check")),
        sa.PrimaryKeyConstraint("single", name=op.f("price_change_horizon_pkey")),
    )
    op.create_table(
        "webhook",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("batch_until", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unanswered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(batch_id IS NULL) = (batch_until IS NULL)", name=op.f("webhook_batch_check")),
        sa.PrimaryKeyConstraint("name", name=op.f("webhook_pkey")),
    )
    op.execute(LISTING_REPRICED)
    op.execute(
        "CREATE TRIGGER listing_update_repriced AFTER UPDATE ON listing "
        "REFERENCING OLD TABLE AS removed NEW TABLE AS added "
        "FOR EACH STATEMENT EXECUTE FUNCTION listing_repriced()"
    )
    _allow("data_version", "domain", (*DOMAINS, "events"))
    _allow("job", "kind", (*KINDS, "clean_up"))


def downgrade() -> None:
    """Revert the migration. Jobs of the removed kind are deleted."""
    op.execute("DELETE FROM job WHERE kind = 'clean_up'")
    op.execute("DELETE FROM data_version WHERE domain = 'events'")
    _allow("job", "kind", KINDS)
    _allow("data_version", "domain", DOMAINS)
    op.execute("DROP TRIGGER listing_update_repriced ON listing")
    op.execute("DROP FUNCTION listing_repriced()")
    for table in ("webhook", "price_change_horizon", "price_change", "outbox"):
        op.drop_table(table)
