"""Create the catalogue, market, analytics and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "cpu",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("manufacturer", sa.Text(), nullable=False),
        sa.Column("socket", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("cores", sa.Integer(), nullable=True),
        sa.Column("threads", sa.Integer(), nullable=True),
        sa.Column("tdp_w", sa.Integer(), nullable=True),
        sa.Column("release_year", sa.Integer(), nullable=True),
        sa.Column("cpu_mark_multi", sa.Integer(), nullable=True),
        sa.Column("cpu_mark_single", sa.Integer(), nullable=True),
        sa.Column("igpu_model", sa.Text(), nullable=True),
        sa.Column("igpu_mark", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "search_text",
            sa.Text(),
            sa.Computed("lower(regexp_replace(name, '[^[:alnum:]]+', '', 'g'))", persisted=True),
            nullable=True,
        ),
        sa.Column("price_great", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_good", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_fair", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_stddev", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_sample_size", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("price_high_variance", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("dollar_per_mark_multi", sa.Numeric(precision=44, scale=30), nullable=True),
        sa.Column("dollar_per_mark_single", sa.Numeric(precision=44, scale=30), nullable=True),
        sa.Column("value_percentile", sa.Numeric(precision=4, scale=1), nullable=True),
        sa.Column("value_percentile_single", sa.Numeric(precision=4, scale=1), nullable=True),
        sa.Column("value_rating", sa.Text(), nullable=True),
        sa.Column("figures_computed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "value_rating IN ('excellent', 'good', 'fair', 'poor')", name=op.f("cpu_value_rating_check")
        ),
        sa.CheckConstraint("cores >= 0", name=op.f("cpu_cores_check")),
        sa.CheckConstraint("cpu_mark_multi >= 0", name=op.f("cpu_cpu_mark_multi_check")),
        sa.CheckConstraint("cpu_mark_single >= 0", name=op.f("cpu_cpu_mark_single_check")),
        sa.CheckConstraint("igpu_mark >= 0", name=op.f("cpu_igpu_mark_check")),
        sa.CheckConstraint("tdp_w >= 0", name=op.f("cpu_tdp_w_check")),
        sa.CheckConstraint("threads >= 0", name=op.f("cpu_threads_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("cpu_pkey")),
        sa.UniqueConstraint("slug", name=op.f("cpu_slug_key")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("cpu_name_id_idx", "cpu", ["name", "id"], unique=False)
    op.create_index("cpu_name_key", "cpu", [sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "data_version",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "domain IN ('catalog', 'market', 'analytics', 'work')", name=op.f("data_version_domain_check")
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("data_version_pkey")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column(
            "input", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("succeeded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('recalculate_metrics')", name=op.f("job_kind_check")),
        sa.CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed')", name=op.f("job_status_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("job_pkey")),
        sa.UniqueConstraint("kind", "due_at", name=op.f("job_kind_due_at_key")),
    )
    op.create_index(
        "job_queued_key",
        "job",
        ["kind", sa.literal_column("md5(input::text)")],
        unique=True,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "job_unfinished_idx", "job", ["id"], unique=False, postgresql_where=sa.text("status IN ('queued', 'running')")
    )
    op.create_table(
        "price_observation",
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("shipping", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("listing_id", "seen_at", name=op.f("price_observation_pkey")),
    )
    op.create_table(
        "recalculation_watermark",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("single", name=op.f("recalculation_watermark_single_check")),
        sa.PrimaryKeyConstraint("single", name=op.f("recalculation_watermark_pkey")),
    )
    op.create_table(
        "figure_history",
        sa.Column("cpu_id", sa.BigInteger(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("price_great", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_good", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_fair", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_stddev", sa.Numeric(precision=16, scale=2), nullable=True),
        sa.Column("price_sample_size", sa.Integer(), nullable=False),
        sa.Column("dollar_per_mark_multi", sa.Numeric(precision=44, scale=30), nullable=True),
        sa.Column("dollar_per_mark_single", sa.Numeric(precision=44, scale=30), nullable=True),
        sa.Column("value_percentile", sa.Numeric(precision=4, scale=1), nullable=True),
        sa.Column("value_rating", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["cpu_id"], ["cpu.id"], name=op.f("figure_history_cpu_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cpu_id", "computed_at", name=op.f("figure_history_pkey")),
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cpu_id", sa.BigInteger(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("marketplace", sa.Text(), nullable=False),
        sa.Column("seller", sa.Text(), nullable=True),
        sa.Column("vendor_item_id", sa.Text(), nullable=True),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("price", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("shipping", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("currency", sa.Text(), server_default=sa.text("'USD'"), nullable=False),
        sa.Column("adjusted_price", sa.Numeric(precision=13, scale=2), nullable=True),
        sa.Column("offer_key", sa.LargeBinary(), nullable=False),
        sa.Column("is_sample", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "condition IN ('new', 'open_box', 'refurbished', 'used', 'for_parts', 'unknown')",
            name=op.f("listing_condition_check"),
        ),
        sa.CheckConstraint("status IN ('active', 'pending', 'sold', 'ended')", name=op.f("listing_status_check")),
        sa.CheckConstraint("price >= 0 AND price <> 'NaN'", name=op.f("listing_price_check")),
        sa.CheckConstraint("shipping >= 0 AND shipping <> 'NaN'", name=op.f("listing_shipping_check")),
        sa.CheckConstraint(
            "adjusted_price >= 0 AND adjusted_price <> 'NaN'", name=op.f("listing_adjusted_price_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("listing_pkey")),
        sa.UniqueConstraint("offer_key", name=op.f("listing_offer_key_key")),
    )
    op.create_index(
        "listing_active_idx",
        "listing",
        ["cpu_id", "adjusted_price", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "recalculation_failure",
        sa.Column("cpu_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cpu_id"], ["cpu.id"], name=op.f("recalculation_failure_cpu_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("cpu_id", name=op.f("recalculation_failure_pkey")),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("recalculation_failure")
    op.drop_index("listing_active_idx", table_name="listing", postgresql_where=sa.text("status = 'active'"))
    op.drop_table("listing")
    op.drop_table("figure_history")
    op.drop_table("recalculation_watermark")
    op.drop_table("price_observation")
    op.drop_index("job_unfinished_idx", table_name="job", postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.drop_index("job_queued_key", table_name="job", postgresql_where=sa.text("status = 'queued'"))
    op.drop_table("job")
    op.drop_table("data_version")
    op.drop_index("cpu_name_key", table_name="cpu")
    op.drop_index("cpu_name_id_idx", table_name="cpu")
    op.drop_table("cpu")
