"""Add statistics of the catalogue, maintained by triggers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RANGED = ("cores", "tdp_w", "release_year", "cpu_mark_multi", "cpu_mark_single")
BOUNDS = tuple(f"{name}_{bound}" for name in RANGED for bound in ("min", "max"))
# Columns of `cpu` that the statistics are made of, in addition to figures_computed_at.
SOURCES = ", ".join(("manufacturer", "socket", *RANGED))
KEPT = ("total", "manufacturers", "sockets", *BOUNDS, "figures_computed_at")

REFRESH = f"""
CREATE FUNCTION refresh_cpu_statistics() RETURNS void LANGUAGE sql AS $$
    INSERT INTO cpu_statistics (single, {", ".join(KEPT)})
    SELECT
        true,
        count(*),
        coalesce(array_agg(DISTINCT manufacturer), '{{}}'),
        coalesce(array_agg(DISTINCT socket) FILTER (WHERE socket IS NOT NULL), '{{}}'),
        {", ".join(f"min({name}), max({name})" for name in RANGED)},
        max(figures_computed_at)
    FROM cpu
    ON CONFLICT (single) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in KEPT)}
$$
"""

# Transactions that write CPUs are serialized by app.db.advisory_locks.CPU_WRITERS_LOCK, from before the first row is
# locked until the commit: a later trigger reads every row of `cpu`, and no transaction waits for the statistics row
# while it holds row locks.
CPU_WRITING = """
CREATE FUNCTION cpu_writing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7310002);
    RETURN NULL;
END $$
"""

# A recalculation does not change the source columns: then two times are compared, and `cpu` is not read.
CPU_WRITTEN = f"""
CREATE FUNCTION cpu_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    earlier timestamptz;
    latest timestamptz;
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        PERFORM refresh_cpu_statistics();
    ELSIF EXISTS (SELECT {SOURCES} FROM removed EXCEPT ALL SELECT {SOURCES} FROM added) THEN
        PERFORM refresh_cpu_statistics();
    ELSE
        SELECT max(figures_computed_at) INTO earlier FROM removed;
        SELECT max(figures_computed_at) INTO latest FROM added;
        IF latest > earlier OR earlier IS NULL THEN
            UPDATE cpu_statistics SET figures_computed_at = latest
            WHERE figures_computed_at < latest OR figures_computed_at IS NULL AND latest IS NOT NULL;
        ELSIF latest < earlier OR latest IS NULL THEN
            UPDATE cpu_statistics SET figures_computed_at = (SELECT max(figures_computed_at) FROM cpu);
        END IF;
    END IF;
    RETURN NULL;
END $$
"""

# Adds to a row that no other transaction has locked, or inserts a row if all are locked, so that writers of listings do
# not wait for each other here. A transaction stays with its row, the key of which it keeps in a setting; so there are
# never more rows than there were concurrent transactions.
LISTING_WRITTEN = """
CREATE FUNCTION listing_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change bigint := 0;
    mine integer := nullif(current_setting('dealmark.listing_shard', true), '');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE listing_statistics SET active = 0;
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        change := change + (SELECT count(*) FROM added WHERE status = 'active');
    END IF;
    IF TG_OP <> 'INSERT' THEN
        change := change - (SELECT count(*) FROM removed WHERE status = 'active');
    END IF;
    IF change = 0 THEN
        RETURN NULL;
    END IF;
    IF mine IS NULL THEN
        SELECT shard INTO mine FROM listing_statistics ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF mine IS NULL THEN
            INSERT INTO listing_statistics (active) VALUES (0) RETURNING shard INTO mine;
        END IF;
        PERFORM set_config('dealmark.listing_shard', mine::text, true);
    END IF;
    UPDATE listing_statistics SET active = active + change WHERE shard = mine;
    RETURN NULL;
END $$
"""

TRANSITIONS = {
    "INSERT": "REFERENCING NEW TABLE AS added",
    "UPDATE": "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
    "DELETE": "REFERENCING OLD TABLE AS removed",
    "TRUNCATE": "",
}


def after_each(table: str) -> None:
    """Create triggers that call `<table>_written` once after every statement that writes the table.

    The transition tables are `removed` with the rows before, and `added` with the rows after the statement.
    """
    for event, transition in TRANSITIONS.items():
        op.execute(
            f"CREATE TRIGGER {table}_{event.lower()} AFTER {event} ON {table} {transition} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_written()"
        )


def upgrade() -> None:
    """Apply the migration.

    The triggers are created first, which blocks writers, so the statistics miss no change.
    """
    op.create_table(
        "cpu_statistics",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("manufacturers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("sockets", postgresql.ARRAY(sa.Text()), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=True) for name in BOUNDS),
        sa.Column("figures_computed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("single", name=op.f("cpu_statistics_single_check")),
        sa.PrimaryKeyConstraint("single", name=op.f("cpu_statistics_pkey")),
    )
    op.create_table(
        "listing_statistics",
        sa.Column("shard", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("active", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", name=op.f("listing_statistics_pkey")),
    )
    for function in (REFRESH, CPU_WRITING, CPU_WRITTEN, LISTING_WRITTEN):
        op.execute(function)
    op.execute(
        "CREATE TRIGGER cpu_writing BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON cpu "
        "FOR EACH STATEMENT EXECUTE FUNCTION cpu_writing()"
    )
    after_each("cpu")
    after_each("listing")
    op.execute("SELECT refresh_cpu_statistics()")
    op.execute("INSERT INTO listing_statistics (active) SELECT count(*) FROM listing WHERE status = 'active'")


def downgrade() -> None:
    """Revert the migration."""
    op.execute("DROP TRIGGER cpu_writing ON cpu")
    for table in ("listing", "cpu"):
        for event in TRANSITIONS:
            op.execute(f"DROP TRIGGER {table}_{event.lower()} ON {table}")
    for function in ("listing_written", "cpu_written", "cpu_writing", "refresh_cpu_statistics"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_table("listing_statistics")
    op.drop_table("cpu_statistics")
