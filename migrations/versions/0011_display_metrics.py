"""Add display values of metrics as generated columns."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

PRICES = ("price_great", "price_good", "price_fair", "price_stddev")
PER_MARK = ("dollar_per_mark_multi", "dollar_per_mark_single")
PERCENTILES = ("value_percentile", "value_percentile_single")
SHOWN = {
    **{name: name for name in PRICES + PERCENTILES},
    **{name: f"round({name}, 4)" for name in PER_MARK},
}


def upgrade() -> None:
    """Apply the migration, with one ALTER TABLE so that the table is rewritten once."""
    added = ", ".join(
        f"ADD COLUMN {name}_shown double precision GENERATED ALWAYS AS (({value})::double precision) STORED"
        for name, value in SHOWN.items()
    )
    op.execute(f"ALTER TABLE cpu {added}")


def downgrade() -> None:
    """Revert the migration."""
    op.execute(f"ALTER TABLE cpu {', '.join(f'DROP COLUMN {name}_shown' for name in SHOWN)}")
