"""Add the result of the last verification."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration. Results of earlier verifications remain only in the logs."""
    op.create_table(
        "last_verification",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("consistent", sa.Integer(), nullable=False),
        sa.Column("left_over", sa.Integer(), nullable=False),
        sa.Column("fixed", sa.Boolean(), nullable=False),
        sa.Column("differences", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("single", name=op.f("last_verification_single_check")),
        sa.PrimaryKeyConstraint("single", name=op.f("last_verification_pkey")),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("last_verification")
