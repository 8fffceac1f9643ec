"""Statements of the revaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import Executable, text

from app.db.transaction import Transaction
from app.valuation.adjusted_price import VALUATION_INPUTS, adjusted_price, valuation

# Conditions on `listing AS l`: the listings that a change of rules, of rates, or of anything can affect. The kind of a
# rule is searched anywhere in the component's text, so the first condition also selects some listings without changes.
_AFFECTED_BY_RULES = """
    EXISTS (
        SELECT FROM unnest(CAST(:components AS text[]), CAST(:kinds AS text[])) AS changed (component, kind)
        CROSS JOIN LATERAL (SELECT CASE component
            WHEN 'memory' THEN CASE WHEN l.memory_gb IS NOT NULL THEN coalesce(l.memory_kind, '') END
            WHEN 'storage' THEN l.storage::text
            WHEN 'graphics' THEN l.graphics
            WHEN 'operating_system' THEN l.operating_system END AS description) AS component_of_listing
        WHERE description IS NOT NULL AND (kind IS NULL OR strpos(lower(description), lower(kind)) > 0))
    """
_AFFECTED_BY_RATES = "l.currency = ANY(CAST(:currencies AS text[])) AND l.seen_at >= CAST(:since AS timestamptz)"
_NOT_PLAIN_USD = (
    "(l.currency <> 'USD' OR l.valuation IS NOT NULL OR l.storage IS NOT NULL "
    "OR coalesce(l.memory_gb::text, l.graphics, l.operating_system) IS NOT NULL)"
)

_STORED = {name: f"l.{name}" for name in VALUATION_INPUTS}

_COUNT = "SELECT count(*) FROM listing AS l WHERE {condition}"
_NEXT_BATCH = """
    SELECT max(id) AS last_id, count(*) AS listings
    FROM (SELECT l.id FROM listing AS l WHERE l.id > :after AND {condition} ORDER BY l.id LIMIT :size) AS batch
    """
# Listings that change are found without locks, then locked in the order of `offer_key`, as all writers of listings do.
# The UPDATE computes the values again from the locked row, because another transaction may have changed it in between.
_REVALUE = f"""
    WITH differing AS MATERIALIZED (
        SELECT l.id
        FROM (SELECT * FROM listing AS l WHERE l.id > :after AND l.id <= :last_id AND {{condition}} OFFSET 0) AS l
        CROSS JOIN LATERAL (SELECT {valuation(_STORED)} AS valuation OFFSET 0) AS computed
        WHERE (l.adjusted_price, l.valuation)
            IS DISTINCT FROM ({adjusted_price(_STORED, "computed.valuation")}, computed.valuation)
    ), locked AS MATERIALIZED (
        SELECT id FROM listing WHERE id IN (SELECT id FROM differing) ORDER BY offer_key FOR UPDATE
    )
    UPDATE listing AS l
    SET (adjusted_price, valuation, updated_at) = (
        SELECT {adjusted_price(_STORED, "computed.valuation")}, computed.valuation, now()
        FROM (SELECT {valuation(_STORED)} AS valuation OFFSET 0) AS computed)
    FROM locked WHERE locked.id = l.id
    """

# A transaction that has read a table holds a lock on it until it ends, so transactions that have valued an offer hold
# locks on these two tables.
_OPEN_WRITERS = text("""
    SELECT DISTINCT virtualtransaction
    FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
        AND relation IN ('valuation_rule'::regclass, 'exchange_rate'::regclass)
    """)

_ACTIVATE_DUE_RULES = text("""
    WITH due AS (
        UPDATE valuation_rule SET in_force = true WHERE NOT in_force AND valid_from <= now() RETURNING component, kind
    )
    SELECT DISTINCT component, kind FROM due ORDER BY component, kind
    """)


class Batch(NamedTuple):
    """A batch of listings: the last id (None after the last batch) and the number of listings."""

    last_id: int | None
    listings: int


@dataclass(frozen=True)
class ListingScope:
    """The listings that a change can affect: an SQL condition and the values of its parameters."""

    condition: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> ListingScope:
        """Return the scope for the input of a job, see `revaluation.run_revaluation`."""
        if rules := content.get("rules"):
            kinds = [rule["kind"] for rule in rules]
            return cls(_AFFECTED_BY_RULES, {"components": [rule["component"] for rule in rules], "kinds": kinds})
        if currencies := content.get("currencies"):
            return cls(_AFFECTED_BY_RATES, {"currencies": currencies, "since": _midnight(content["since"])})
        return cls(_NOT_PLAIN_USD, {})

    def statement(self, template: str) -> Executable:
        """Return the statement with the condition of this scope inserted."""
        return text(template.format(condition=self.condition))


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)


async def open_writers(tx: Transaction) -> set[str]:
    """Return the ids of other open transactions that may have read rules or rates."""
    return {row.virtualtransaction for row in await tx.rows(_OPEN_WRITERS)}


async def count_listings(tx: Transaction, scope: ListingScope) -> int:
    """Return the number of listings in the scope."""
    return int(await tx.scalar(scope.statement(_COUNT), scope.values))


async def next_batch(tx: Transaction, scope: ListingScope, after: int, size: int) -> Batch:
    """Return the batch of the next `size` listings with ids above `after`."""
    row = await tx.row(scope.statement(_NEXT_BATCH), {**scope.values, "after": after, "size": size})
    assert row is not None
    return Batch(row.last_id, row.listings)


async def revalue_batch(tx: Transaction, scope: ListingScope, after: int, last_id: int) -> int:
    """Recompute the adjusted prices of listings with ids above `after`, up to `last_id`; return how many changed."""
    values = {**scope.values, "after": after, "last_id": last_id}
    return int((await tx.execute(scope.statement(_REVALUE), values)).rowcount)


async def activate_due_rules(tx: Transaction) -> list[dict[str, Any]]:
    """Mark rules as in force once their start has passed; return their components and kinds.

    A rule is returned only once.
    """
    return [{"component": row.component, "kind": row.kind} for row in await tx.rows(_ACTIVATE_DUE_RULES)]
