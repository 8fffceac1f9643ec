"""Add exchange rates, valuation rules and components of listings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JOB_KINDS = ("recalculate_metrics", "verify_figures")
JOB_KIND = "revalue_listings"

# Described in app/db/functions/listing_valuation.sql.
LISTING_VALUATION = """
CREATE FUNCTION listing_valuation(
    price numeric, shipping numeric, currency text, condition text, seen_at timestamptz,
    memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text
) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    total numeric := price + coalesce(shipping, 0);
    rate numeric := 1;
    rate_date date;
    deductions jsonb := '[]';
    deducted numeric := 0;
    adjusted numeric;
BEGIN
    IF currency <> 'USD' THEN
        SELECT known.usd, known.date INTO rate, rate_date
        FROM exchange_rate AS known
        WHERE known.currency = listing_valuation.currency
            AND known.date <= (listing_valuation.seen_at AT TIME ZONE 'UTC')::date
        ORDER BY known.date DESC LIMIT 1;
    END IF;
    IF total IS NULL OR rate IS NULL THEN
        RETURN NULL;
    END IF;
    IF coalesce(memory_gb::text, storage::text, graphics, operating_system) IS NOT NULL THEN
        SELECT
            coalesce(sum(amount), 0),
            coalesce(jsonb_agg(jsonb_build_object(
                'rule_id', rule_id, 'component', component, 'read', read, 'quantity', quantity, 'unit', unit,
                'unit_value', unit_value, 'condition_multiplier', multiplier, 'amount', amount) ORDER BY place), '[]')
        INTO deducted, deductions
        FROM (
            SELECT part.*, rule.*, rule.quantity * rule.unit_value * rule.multiplier AS amount
            FROM (
                SELECT 1 AS place, 'memory' AS component, memory_gb AS gb, memory_kind AS kind,
                    concat_ws(' ', memory_gb, 'GB', memory_kind) AS read
                WHERE memory_gb IS NOT NULL
                UNION ALL
                SELECT 1 + number, 'storage', (drive ->> 'size_gb')::integer, drive ->> 'kind',
                    concat_ws(' ', drive ->> 'size_gb', 'GB', drive ->> 'kind')
                FROM jsonb_array_elements(storage) WITH ORDINALITY AS drives (drive, number)
                UNION ALL
                SELECT 1000, 'graphics', NULL, graphics, graphics WHERE graphics IS NOT NULL
                UNION ALL
                SELECT 1001, 'operating_system', NULL, operating_system, operating_system
                WHERE operating_system IS NOT NULL
            ) AS part
            CROSS JOIN LATERAL (
                SELECT
                    r.id AS rule_id, r.unit, r.value_usd AS unit_value,
                    CASE r.unit WHEN 'gb' THEN gb ELSE 1 END AS quantity,
                    coalesce((r.condition_multipliers ->> listing_valuation.condition)::numeric, 1) AS multiplier
                FROM valuation_rule AS r
                WHERE r.component = part.component AND r.valid_from <= statement_timestamp()
                    AND (r.kind IS NULL OR strpos(' ' || lower(part.kind) || ' ', ' ' || lower(r.kind) || ' ') > 0)
                ORDER BY length(r.kind) DESC NULLS LAST, r.valid_from DESC, r.id DESC LIMIT 1
            ) AS rule
        ) AS deduction;
    END IF;
    adjusted := round(total * rate - deducted, 2);
    RETURN jsonb_build_object(
        'total', total, 'total_usd', total * rate, 'rate', rate, 'rate_date', rate_date, 'deductions', deductions,
        'adjusted', CASE WHEN adjusted > 0 OR deducted = 0 THEN adjusted END);
END $$
"""


def upgrade() -> None:
    """Apply the migration. There are no rules and rates yet, so all adjusted prices stay the same."""
    op.create_table(
        "exchange_rate",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("usd", sa.Numeric(24, 12), nullable=False),
        sa.CheckConstraint("usd > 0 AND usd <= 100", name=op.f("exchange_rate_usd_check")),
        sa.PrimaryKeyConstraint("currency", "date", name=op.f("exchange_rate_pkey")),
    )
    op.create_table(
        "valuation_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("value_usd", sa.Numeric(12, 4), nullable=False),
        sa.Column(
            "condition_multipliers",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("valid_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("in_force", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "component IN ('memory', 'storage', 'graphics', 'operating_system')",
            name=op.f("valuation_rule_component_check"),
        ),
        sa.CheckConstraint("unit IN ('gb', 'item')", name=op.f("valuation_rule_unit_check")),
        sa.CheckConstraint(
            "unit = 'item' OR component IN ('memory', 'storage')", name=op.f("valuation_rule_measured_check")
        ),
        sa.CheckConstraint("value_usd >= 0 AND value_usd <> 'NaN'", name=op.f("valuation_rule_value_usd_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("valuation_rule_pkey")),
        sa.UniqueConstraint(
            "component",
            "kind",
            "valid_from",
            name=op.f("valuation_rule_component_kind_valid_from_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    for column in (
        sa.Column("memory_gb", sa.Integer(), nullable=True),
        sa.Column("memory_kind", sa.Text(), nullable=True),
        sa.Column("storage", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("graphics", sa.Text(), nullable=True),
        sa.Column("operating_system", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("flags", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("valuation", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    ):
        op.add_column("listing", column)
    op.create_check_constraint(
        op.f("listing_flags_check"), "listing", "flags <@ ARRAY['bundle', 'lot', 'auction'] AND flags <> '{}'"
    )
    op.execute(LISTING_VALUATION)
    op.drop_constraint("job_kind_check", "job")
    op.create_check_constraint(op.f("job_kind_check"), "job", _one_of(*JOB_KINDS, JOB_KIND))


def downgrade() -> None:
    """Revert the migration. Jobs of the removed kind are deleted; adjusted prices stay the same."""
    op.execute(f"DELETE FROM job WHERE kind = '{JOB_KIND}'")
    op.drop_constraint("job_kind_check", "job")
    op.create_check_constraint(op.f("job_kind_check"), "job", _one_of(*JOB_KINDS))
    op.execute("DROP FUNCTION listing_valuation")
    for column in (
        "valuation", "flags", "quantity", "operating_system", "graphics", "storage", "memory_kind", "memory_gb",
    ):  # fmt: skip
        op.drop_column("listing", column)
    op.drop_table("valuation_rule")
    op.drop_table("exchange_rate")


def _one_of(*kinds: str) -> str:
    return f"kind IN ({', '.join(map(repr, kinds))})"
