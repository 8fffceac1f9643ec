"""Add the log of changes that require a recalculation, and verification jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Listings that count in the metrics of a CPU.
ACTIVE = "cpu_id IS NOT NULL AND status = 'active' AND adjusted_price > 0"
MARKS = "id, cpu_mark_multi, cpu_mark_single"
# Sent at commit; PostgreSQL sends equal notifications of one transaction once.
TELL = """
    IF FOUND THEN
        PERFORM pg_notify('dealmark', '{"topics": ["change_log"]}');
    END IF;
    RETURN NULL;
"""

# The active prices of each CPU, in any order, as their number and the sum of their 64-bit hashes. To compare the prices
# themselves takes four times as long, up to a tenth of a large update.
PRICES = f"""
    SELECT cpu_id, count(*) AS n, sum(hash_numeric_extended(adjusted_price, 0)) AS prices
    FROM {{rows}} WHERE {ACTIVE} GROUP BY cpu_id
"""
# After an update, the CPUs with other active prices than before. After TRUNCATE the old rows are unknown, so every CPU
# is logged.
LISTING_LOGGED = f"""
CREATE FUNCTION listing_logged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO data_change_log (cpu_id) SELECT DISTINCT cpu_id FROM added WHERE {ACTIVE};
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO data_change_log (cpu_id) SELECT DISTINCT cpu_id FROM removed WHERE {ACTIVE};
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO data_change_log (cpu_id)
        SELECT cpu_id
        FROM ({PRICES.format(rows="added")}) AS a FULL JOIN ({PRICES.format(rows="removed")}) AS r USING (cpu_id)
        WHERE (a.n, a.prices) IS DISTINCT FROM (r.n, r.prices);
    ELSE
        INSERT INTO data_change_log (cpu_id) SELECT id FROM cpu;
    END IF;
    {TELL}
END $$
"""

# A new or deleted CPU changes the ranks of the others. After TRUNCATE, one row with cpu_id 0 stands for the change.
CPU_LOGGED = f"""
CREATE FUNCTION cpu_logged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO data_change_log (cpu_id) SELECT id FROM added;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO data_change_log (cpu_id) SELECT id FROM removed;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO data_change_log (cpu_id)
        SELECT id FROM (SELECT {MARKS} FROM added EXCEPT SELECT {MARKS} FROM removed) AS marked;
    ELSE
        INSERT INTO data_change_log (cpu_id) VALUES (0);
    END IF;
    {TELL}
END $$
"""

TRANSITIONS = {
    "INSERT": "REFERENCING NEW TABLE AS added",
    "UPDATE": "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
    "DELETE": "REFERENCING OLD TABLE AS removed",
    "TRUNCATE": "",
}


def upgrade() -> None:
    """Apply the migration. Every CPU is logged, because changes before the triggers existed are unknown."""
    op.create_table(
        "data_change_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("cpu_id", sa.BigInteger(), nullable=False),
        sa.Column("logged_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("data_change_log_pkey")),
    )
    op.execute(LISTING_LOGGED)
    op.execute(CPU_LOGGED)
    for table in ("cpu", "listing"):
        for event, transition in TRANSITIONS.items():
            op.execute(
                f"CREATE TRIGGER {table}_{event.lower()}_logged AFTER {event} ON {table} {transition} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_logged()"
            )
    op.execute("INSERT INTO data_change_log (cpu_id) SELECT id FROM cpu")
    op.drop_constraint("job_kind_check", "job")
    op.create_check_constraint(op.f("job_kind_check"), "job", "kind IN ('recalculate_metrics', 'verify_figures')")


def downgrade() -> None:
    """Revert the migration. Jobs of the removed kind are deleted."""
    op.execute("DELETE FROM job WHERE kind = 'verify_figures'")
    op.drop_constraint("job_kind_check", "job")
    op.create_check_constraint(op.f("job_kind_check"), "job", "kind IN ('recalculate_metrics')")
    for table in ("listing", "cpu"):
        for event in TRANSITIONS:
            op.execute(f"DROP TRIGGER {table}_{event.lower()}_logged ON {table}")
        op.execute(f"DROP FUNCTION {table}_logged()")
    op.drop_table("data_change_log")
