"""change log"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# DOMAIN: what counts in the figures of a CPU.
ACTIVE = "cpu_id IS NOT NULL AND status = 'active' AND adjusted_price > 0"
MARKS = "id, cpu_mark_multi, cpu_mark_single"
# Sent by the commit, once per transaction however much it logs.
TELL = """
    IF FOUND THEN
        PERFORM pg_notify('dealmark', '{"topics": ["change_log"]}');
    END IF;
    RETURN NULL;
"""

# The active prices of each CPU among these rows, whatever their order, as a number of them and a sum of 64-bit hashes.
# To compare the prices themselves takes four times as long, for many rows the tenth part of the whole update.
PRICES = f"""
    SELECT cpu_id, count(*) AS n, sum(hash_numeric_extended(adjusted_price, 0)) AS prices
    FROM {{rows}} WHERE {ACTIVE} GROUP BY cpu_id
"""
# Of an update, the CPUs whose active prices, taken together, are others than before. What was in a table that is
# emptied is not told, so any CPU may be concerned.
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

# A CPU that is new or gone moves the ranks of others. When all are gone, one row of no CPU says so.
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
    """Forward. Whatever happened before the triggers were there may have moved any figure: so every CPU is logged."""
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
    """Back. Jobs of a kind that is no more are forgotten."""
    op.execute("DELETE FROM job WHERE kind = 'verify_figures'")
    op.drop_constraint("job_kind_check", "job")
    op.create_check_constraint(op.f("job_kind_check"), "job", "kind IN ('recalculate_metrics')")
    for table in ("listing", "cpu"):
        for event in TRANSITIONS:
            op.execute(f"DROP TRIGGER {table}_{event.lower()}_logged ON {table}")
        op.execute(f"DROP FUNCTION {table}_logged()")
    op.drop_table("data_change_log")
