"""Record price observations for changed adjusted prices, too."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATE = """CASE
    WHEN {row}status <> 'active' THEN 'gone'
    WHEN {row}missing_since IS NOT NULL THEN 'missing'
    ELSE 'active' END"""
COLUMNS = "listing_id, seen_at, price, shipping, currency, adjusted_price, state"
OBSERVED = f"{{row}}price, {{row}}shipping, {{row}}currency, {{row}}adjusted_price, {STATE}"
# The columns from which the adjusted price follows, in addition to rules and rates. If none of them changed, the
# listing was revalued.
GIVEN = ", ".join(
    f"{{row}}{name}"
    for name in (
        "price", "shipping", "currency", "condition", "seen_at", "memory_gb", "memory_kind", "storage", "graphics",
        "operating_system", "quantity", "flags",
    )
)  # fmt: skip

# Until this migration: of the adjusted price only whether there is one.
BEFORE = f"{{row}}price, {{row}}shipping, {{row}}currency, {{row}}adjusted_price IS NULL, {STATE}"
SEEN = "WHEN a.seen_at > r.seen_at OR told = 'seen' THEN a.seen_at ELSE moment"
# Not before `seen_at`: a concurrent transaction may have stored a newer observation while this statement waited.
VALUED = f"""
                WHEN ({GIVEN.format(row="a.")}, {STATE.format(row="a.")})
                    IS NOT DISTINCT FROM ({GIVEN.format(row="r.")}, {STATE.format(row="r.")})
                THEN greatest(moment, a.seen_at)"""

LISTING_REMEMBERED = f"""
CREATE OR REPLACE FUNCTION listing_remembered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told text := coalesce(current_setting('dealmark.happened_at', true), '');
    moment timestamptz := CASE WHEN told IN ('', 'seen') THEN now() ELSE told::timestamptz END;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO price_observation ({COLUMNS})
        SELECT id, seen_at, {OBSERVED.format(row="")} FROM added;
    ELSE
        INSERT INTO price_observation ({COLUMNS})
        SELECT a.id, CASE {{valued}} {SEEN} END, {OBSERVED.format(row="a.")}
        FROM added AS a JOIN removed AS r USING (id)
        WHERE {{differ}}
        ON CONFLICT (listing_id, seen_at) DO UPDATE SET
            price = excluded.price, shipping = excluded.shipping, currency = excluded.currency,
            adjusted_price = excluded.adjusted_price, state = excluded.state;
    END IF;
    RETURN NULL;
END $$
"""

# Adds an observation for active listings that were revalued before this migration. Only listings in a foreign currency
# or with components can be.
CATCH_UP = f"""
INSERT INTO price_observation ({COLUMNS})
SELECT l.id, greatest(now(), l.seen_at), {OBSERVED.format(row="l.")}
FROM listing AS l
CROSS JOIN LATERAL (
    SELECT adjusted_price FROM price_observation WHERE listing_id = l.id ORDER BY seen_at DESC LIMIT 1
) AS latest
WHERE l.status = 'active' AND latest.adjusted_price IS DISTINCT FROM l.adjusted_price
    AND (l.currency <> 'USD'
        OR coalesce(l.memory_gb::text, l.storage::text, l.graphics, l.operating_system) IS NOT NULL)
ON CONFLICT (listing_id, seen_at) DO UPDATE SET adjusted_price = excluded.adjusted_price
"""


def _differ(columns: str) -> str:
    return f"({columns.format(row='a.')}) IS DISTINCT FROM ({columns.format(row='r.')})"


def upgrade() -> None:
    """Apply the migration."""
    op.execute(LISTING_REMEMBERED.format(valued=VALUED, differ=_differ(OBSERVED)))
    op.execute(CATCH_UP)


def downgrade() -> None:
    """Revert the migration. Recorded observations stay, because they are correct."""
    op.execute(LISTING_REMEMBERED.format(valued="", differ=_differ(BEFORE)))
