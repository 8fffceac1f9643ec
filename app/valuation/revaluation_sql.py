"""Statements that value listings anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import Executable, text

from app.db.transaction import Tx
from app.valuation.adjusted_price import VALUED, adjusted_price, valuation

# Conditions of `listing AS l`: what is concerned by a change of rules for these components and kinds (null: all kinds),
# of rates of these currencies since a day, and of anything. A kind is looked for anywhere in what was read, so these
# are a few too many.
_OF_RULES = """
    EXISTS (
        SELECT FROM unnest(CAST(:components AS text[]), CAST(:kinds AS text[])) AS changed (component, kind)
        CROSS JOIN LATERAL (SELECT CASE component
            WHEN 'memory' THEN CASE WHEN l.memory_gb IS NOT NULL THEN coalesce(l.memory_kind, '') END
            WHEN 'storage' THEN l.storage::text
            WHEN 'graphics' THEN l.graphics
            WHEN 'operating_system' THEN l.operating_system END AS told) AS part
        WHERE told IS NOT NULL AND (kind IS NULL OR strpos(lower(told), lower(kind)) > 0))
    """
_OF_RATES = "l.currency = ANY(CAST(:currencies AS text[])) AND l.seen_at >= CAST(:since AS timestamptz)"
_OF_ANY = (
    "(l.currency <> 'USD' OR l.valuation IS NOT NULL OR l.storage IS NOT NULL "
    "OR coalesce(l.memory_gb::text, l.graphics, l.operating_system) IS NOT NULL)"
)

_OWN = {name: f"l.{name}" for name in VALUED}

_COUNT = "SELECT count(*) FROM listing AS l WHERE {condition}"
_NEXT = """
    SELECT max(id) AS upto, count(*) AS listings
    FROM (SELECT l.id FROM listing AS l WHERE l.id > :after AND {condition} ORDER BY l.id LIMIT :size) AS batch
    """
# Those that differ are found without a lock. What is written is found once more of the row as it is then, which
# somebody else may have written in between; locks are taken in the order of those who store offers.
_REVALUE = f"""
    WITH differing AS MATERIALIZED (
        SELECT l.id
        FROM (SELECT * FROM listing AS l WHERE l.id > :after AND l.id <= :upto AND {{condition}} OFFSET 0) AS l
        CROSS JOIN LATERAL (SELECT {valuation(_OWN)} AS valuation OFFSET 0) AS found
        WHERE (l.adjusted_price, l.valuation)
            IS DISTINCT FROM ({adjusted_price(_OWN, "found.valuation")}, found.valuation)
    ), locked AS MATERIALIZED (
        SELECT id FROM listing WHERE id IN (SELECT id FROM differing) ORDER BY offer_key FOR UPDATE
    )
    UPDATE listing AS l
    SET (adjusted_price, valuation, updated_at) = (
        SELECT {adjusted_price(_OWN, "found.valuation")}, found.valuation, now()
        FROM (SELECT {valuation(_OWN)} AS valuation OFFSET 0) AS found)
    FROM locked WHERE locked.id = l.id
    """

# A transaction that has read a table holds a lock on it until it ends; one that looked for valuations, on these.
_EARLIER_WRITERS = text("""
    SELECT DISTINCT virtualtransaction
    FROM pg_locks
    WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
        AND relation IN ('valuation_rule'::regclass, 'exchange_rate'::regclass)
    """)

_DUE_RULES = text("""
    WITH due AS (
        UPDATE valuation_rule SET in_force = true WHERE NOT in_force AND valid_from <= now() RETURNING component, kind
    )
    SELECT DISTINCT component, kind FROM due ORDER BY component, kind
    """)


class Batch(NamedTuple):
    """The listings up to this id, and how many they are; None after the last."""

    upto: int | None
    listings: int


@dataclass(frozen=True)
class Concerned:
    """Which listings a change concerns: a condition and its values."""

    condition: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Concerned:
        """From the input of a job."""
        if rules := content.get("rules"):
            kinds = [rule["kind"] for rule in rules]
            return cls(_OF_RULES, {"components": [rule["component"] for rule in rules], "kinds": kinds})
        if currencies := content.get("currencies"):
            return cls(_OF_RATES, {"currencies": currencies, "since": _midnight(content["since"])})
        return cls(_OF_ANY, {})

    def statement(self, template: str) -> Executable:
        """A statement about these listings."""
        return text(template.format(condition=self.condition))


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)


async def earlier_writers(tx: Tx) -> set[str]:
    """Other transactions that may have read rules or rates as they were before."""
    return {row.virtualtransaction for row in await tx.rows(_EARLIER_WRITERS)}


async def count(tx: Tx, concerned: Concerned) -> int:
    """How many listings."""
    return int(await tx.scalar(concerned.statement(_COUNT), concerned.values))


async def next_batch(tx: Tx, concerned: Concerned, after: int, size: int) -> Batch:
    """The next `size` listings after this id."""
    row = await tx.row(concerned.statement(_NEXT), {**concerned.values, "after": after, "size": size})
    assert row is not None
    return Batch(row.upto, row.listings)


async def revalue(tx: Tx, concerned: Concerned, after: int, upto: int) -> int:
    """Values those with ids after the one and up to the other anew; the number of rows written."""
    values = {**concerned.values, "after": after, "upto": upto}
    return int((await tx.execute(concerned.statement(_REVALUE), values)).rowcount)


async def due_rules(tx: Tx) -> list[dict[str, Any]]:
    """Components and kinds of the rules whose time has come, each once in the life of a rule."""
    return [{"component": row.component, "kind": row.kind} for row in await tx.rows(_DUE_RULES)]
