"""Add persisted documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOMAINS = "domain IN ('catalog', 'market', 'analytics', 'work')"
WITH_DOCUMENTS = "domain IN ('catalog', 'market', 'analytics', 'work', 'documents')"


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "document",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("document_pkey")),
    )
    op.create_table(
        "document_use",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name=op.f("document_use_pkey")),
    )
    op.create_table(
        "document_client",
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("client_name", sa.Text(), nullable=False),
        sa.Column("client_version", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.id"], name=op.f("document_client_document_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "client_name", "client_version", name=op.f("document_client_pkey")),
    )
    op.drop_constraint(op.f("data_version_domain_check"), "data_version", type_="check")
    op.create_check_constraint(op.f("data_version_domain_check"), "data_version", WITH_DOCUMENTS)


def downgrade() -> None:
    """Revert the migration."""
    op.execute("DELETE FROM data_version WHERE domain = 'documents'")
    op.drop_constraint(op.f("data_version_domain_check"), "data_version", type_="check")
    op.create_check_constraint(op.f("data_version_domain_check"), "data_version", DOMAINS)
    op.drop_table("document_client")
    op.drop_table("document_use")
    op.drop_table("document")
