"""Add imports of web pages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "import_fetch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("claim", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("quality", sa.Text(), nullable=True),
        sa.Column("adapter", sa.Text(), nullable=True),
        sa.Column("final_url", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listing_ids", sa.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("remarks", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("quality IN ('full', 'partial')", name=op.f("import_fetch_quality_check")),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'complete', 'partial', 'failed')", name=op.f("import_fetch_status_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_fetch_pkey")),
    )
    op.create_index(
        "import_fetch_due_idx", "import_fetch", ["due_at"], unique=False, postgresql_where=sa.text("status = 'queued'")
    )
    op.create_index(
        "import_fetch_queued_idx",
        "import_fetch",
        ["host", sa.literal_column("priority DESC"), "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "import_fetch_running_idx",
        "import_fetch",
        ["host"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "import_fetch_unfinished_key",
        "import_fetch",
        ["url"],
        unique=True,
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_index("import_fetch_url_idx", "import_fetch", ["url"], unique=False, postgresql_using="hash")
    op.create_table(
        "import_host",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("import_host_pkey")),
    )
    op.create_table(
        "import_session",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("partial", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("source IN ('url', 'csv', 'json')", name=op.f("import_session_source_check")),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'complete', 'partial', 'failed')", name=op.f("import_session_status_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_session_pkey")),
    )
    op.create_table(
        "import_payload",
        sa.Column("fetch_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["fetch_id"], ["import_fetch.id"], name=op.f("import_payload_fetch_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fetch_id", name=op.f("import_payload_pkey")),
    )
    # The content is compressed already.
    op.execute("ALTER TABLE import_payload ALTER COLUMN content SET STORAGE EXTERNAL")
    op.create_index(op.f("import_payload_stored_at_idx"), "import_payload", ["stored_at"], unique=False)
    op.create_table(
        "import_row",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("fetch_id", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["fetch_id"], ["import_fetch.id"], name=op.f("import_row_fetch_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["import_session.id"], name=op.f("import_row_session_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_row_pkey")),
        sa.UniqueConstraint("session_id", "position", name=op.f("import_row_session_id_position_key")),
    )
    op.create_index(op.f("import_row_fetch_id_idx"), "import_row", ["fetch_id"], unique=False)
    op.add_column("listing", sa.Column("images", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    """Revert the migration."""
    op.drop_column("listing", "images")
    op.drop_index(op.f("import_row_fetch_id_idx"), table_name="import_row")
    op.drop_table("import_row")
    op.drop_index(op.f("import_payload_stored_at_idx"), table_name="import_payload")
    op.drop_table("import_payload")
    op.drop_table("import_session")
    op.drop_table("import_host")
    op.drop_index("import_fetch_url_idx", table_name="import_fetch")
    op.drop_index("import_fetch_unfinished_key", table_name="import_fetch")
    op.drop_index("import_fetch_running_idx", table_name="import_fetch")
    op.drop_index("import_fetch_queued_idx", table_name="import_fetch")
    op.drop_index("import_fetch_due_idx", table_name="import_fetch")
    op.drop_table("import_fetch")
