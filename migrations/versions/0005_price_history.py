"""Turn price observations into a partitioned price history with states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATE = """CASE
    WHEN {row}status <> 'active' THEN 'gone'
    WHEN {row}missing_since IS NOT NULL THEN 'missing'
    ELSE 'active' END"""
COLUMNS = "listing_id, seen_at, price, shipping, currency, adjusted_price, state"
# Of the adjusted price only whether there is one: a change of exchange rates is not a change of the offer.
TELLING = f"{{row}}price, {{row}}shipping, {{row}}currency, {{row}}adjusted_price IS NULL, {STATE}"

# If the listing was seen again, the observation has the time at which it was seen; otherwise the time is now, or that
# of the setting dealmark.happened_at. Its value `seen` means that the statement corrects an observation of the same
# time. A later observation of the same moment replaces the earlier one.
LISTING_REMEMBERED = f"""
CREATE FUNCTION listing_remembered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text := coalesce(current_setting('dealmark.happened_at', true), '');
    moment timestamptz := CASE WHEN told IN ('', 'seen') THEN now() ELSE told::timestamptz END;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO price_observation ({COLUMNS})
        SELECT id, seen_at, price, shipping, currency, adjusted_price, {STATE.format(row="")} FROM added;
    ELSE
        INSERT INTO price_observation ({COLUMNS})
        SELECT
            a.id, CASE WHEN a.seen_at > r.seen_at OR told = 'seen' THEN a.seen_at ELSE moment END,
            a.price, a.shipping, a.currency, a.adjusted_price, {STATE.format(row="a.")}
        FROM added AS a JOIN removed AS r USING (id)
        WHERE ({TELLING.format(row="a.")}) IS DISTINCT FROM ({TELLING.format(row="r.")})
        ON CONFLICT (listing_id, seen_at) DO UPDATE SET
            price = excluded.price, shipping = excluded.shipping, currency = excluded.currency,
            adjusted_price = excluded.adjusted_price, state = excluded.state;
    END IF;
    RETURN NULL;
END $$
"""

# A partition is created as a table and then attached, which blocks readers only for a moment. Rows of its month that
# are in the default partition are moved. The locks are always taken in the same order.
MAKE_PRICE_MONTHS = """
CREATE FUNCTION make_price_months(months date[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month date;
    made integer := 0;
    name text;
    since timestamptz;
    until timestamptz;
BEGIN
    FOR month IN SELECT DISTINCT date_trunc('month', each)::date FROM unnest(months) AS each ORDER BY 1 LOOP
        name := 'price_observation_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('partitions.' || name) IS NOT NULL;
        IF made = 0 THEN
            LOCK TABLE ONLY price_observation IN SHARE UPDATE EXCLUSIVE MODE;
            CONTINUE WHEN to_regclass('partitions.' || name) IS NOT NULL;
            LOCK TABLE partitions.price_observation_rest IN ACCESS EXCLUSIVE MODE;
        END IF;
        since := month::timestamp AT TIME ZONE 'UTC';
        until := (month + interval '1 month') AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE partitions.%I (LIKE price_observation INCLUDING ALL)', name);
        EXECUTE format(
            'WITH moved AS (DELETE FROM partitions.price_observation_rest WHERE seen_at >= %L AND seen_at < %L '
            'RETURNING *) INSERT INTO partitions.%I SELECT * FROM moved', since, until, name);
        EXECUTE format(
            'ALTER TABLE price_observation ATTACH PARTITION partitions.%I FOR VALUES FROM (%L) TO (%L)',
            name, since, until);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$
"""

# The time at which ended offers ended is unknown: their prices count until they were last seen.
MOVE = f"""
INSERT INTO price_observation ({COLUMNS})
SELECT
    p.listing_id, p.seen_at, p.price, p.shipping, p.currency,
    CASE WHEN p.currency = 'USD' AND l.condition <> 'for_parts' THEN p.price + coalesce(p.shipping, 0) END,
    CASE WHEN l.status <> 'active' AND p.seen_at >= l.seen_at THEN 'gone' ELSE 'active' END
FROM partitions.price_observation AS p LEFT JOIN listing AS l ON l.id = p.listing_id
"""

TRANSITIONS = {
    "INSERT": "REFERENCING NEW TABLE AS added",
    "UPDATE": "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
}


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("shipping", sa.Numeric(precision=12, scale=2), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
    ]


def upgrade() -> None:
    """Apply the migration. The old table moves to the schema of the partitions, to free its names."""
    op.execute("CREATE SCHEMA partitions")
    op.execute("ALTER TABLE price_observation SET SCHEMA partitions")
    op.create_table(
        "price_observation",
        *_columns(),
        sa.Column("adjusted_price", sa.Numeric(precision=13, scale=2), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'missing', 'gone')", name=op.f("price_observation_state_check")),
        sa.PrimaryKeyConstraint("listing_id", "seen_at", name=op.f("price_observation_pkey")),
        postgresql_partition_by="RANGE (seen_at)",
    )
    op.execute("CREATE TABLE partitions.price_observation_rest PARTITION OF price_observation DEFAULT")
    op.execute(MAKE_PRICE_MONTHS)
    op.execute("""
        SELECT make_price_months(ARRAY(
            SELECT DISTINCT date_trunc('month', seen_at AT TIME ZONE 'UTC')::date FROM partitions.price_observation
            WHERE seen_at >= '2000-01-01Z'
            UNION SELECT (now() AT TIME ZONE 'UTC' + each)::date FROM unnest('{0,1 month}'::interval[]) AS each))
    """)
    op.execute(MOVE)
    op.drop_table("price_observation", schema="partitions")
    op.add_column("listing", sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "listing_inactive_idx",
        "listing",
        ["cpu_id", "id"],
        unique=False,
        postgresql_where=sa.text("status <> 'active'"),
    )
    op.create_index(
        "listing_missing_idx",
        "listing",
        ["missing_since"],
        unique=False,
        postgresql_where=sa.text("missing_since IS NOT NULL"),
    )
    op.execute(LISTING_REMEMBERED)
    for event, transition in TRANSITIONS.items():
        op.execute(
            f"CREATE TRIGGER listing_{event.lower()}_remembered AFTER {event} ON listing {transition} "
            "FOR EACH STATEMENT EXECUTE FUNCTION listing_remembered()"
        )


def downgrade() -> None:
    """Revert the migration. Observations without a price are deleted."""
    for event in TRANSITIONS:
        op.execute(f"DROP TRIGGER listing_{event.lower()}_remembered ON listing")
    op.execute("DROP FUNCTION listing_remembered()")
    op.drop_index("listing_missing_idx", table_name="listing")
    op.drop_index("listing_inactive_idx", table_name="listing")
    op.drop_column("listing", "missing_since")
    op.execute("ALTER TABLE price_observation SET SCHEMA partitions")
    op.create_table(
        "price_observation",
        *_columns(),
        sa.PrimaryKeyConstraint("listing_id", "seen_at", name=op.f("price_observation_pkey")),
    )
    op.execute("""
        INSERT INTO price_observation
        SELECT listing_id, seen_at, price, shipping, currency FROM partitions.price_observation
        WHERE state = 'active' OR price IS NOT NULL
    """)
    op.drop_table("price_observation", schema="partitions")
    op.execute("DROP FUNCTION make_price_months(date[])")
    op.execute("DROP SCHEMA partitions")
