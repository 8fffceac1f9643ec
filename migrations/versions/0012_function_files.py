"""Rename database functions and triggers, and load their bodies from app/db/functions."""

from __future__ import annotations

from alembic import op

from app.db.functions import function_statements

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Old name -> new name.
FUNCTIONS = {
    "cpu_writing()": "lock_cpu_writers",
    "cpu_written()": "update_cpu_statistics",
    "cpu_logged()": "log_cpu_changes",
    "listing_written()": "update_listing_statistics",
    "listing_logged()": "log_listing_changes",
    "listing_remembered()": "record_price_observations",
    "listing_repriced()": "record_price_changes",
    "make_price_months(date[])": "create_price_partitions",
}
# (table, old name) -> new name. Triggers of one event run in the order of their names, which stays the same.
TRIGGERS = {
    ("cpu", "cpu_writing"): "cpu_writers_lock",
    **{
        (table, f"{table}_{event}"): f"{table}_{event}_counted"
        for table in ("cpu", "listing")
        for event in ("insert", "update", "delete", "truncate")
    },
    **{("listing", f"listing_{event}_remembered"): f"listing_{event}_observed" for event in ("insert", "update")},
}
UNCHANGED_NAMES = ("refresh_cpu_statistics", "listing_valuation")


def upgrade() -> None:
    """Rename functions and triggers, then replace the bodies."""
    for signature, name in FUNCTIONS.items():
        op.execute(f"ALTER FUNCTION {signature} RENAME TO {name}")
    for (table, old), new in TRIGGERS.items():
        op.execute(f"ALTER TRIGGER {old} ON {table} RENAME TO {new}")
    for name in (*FUNCTIONS.values(), *UNCHANGED_NAMES):
        for statement in function_statements(name):
            op.execute(statement)


def downgrade() -> None:
    """Restore the names, and the bodies that the earlier migrations created."""
    for (table, old), new in TRIGGERS.items():
        op.execute(f"ALTER TRIGGER {new} ON {table} RENAME TO {old}")
    for signature, name in FUNCTIONS.items():
        arguments = signature[signature.index("(") :]
        op.execute(f"ALTER FUNCTION {name}{arguments} RENAME TO {signature.partition('(')[0]}")
    for statement in _earlier_bodies():
        op.execute(statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))


def _earlier_bodies() -> list[str]:
    """Return the statements with which the earlier migrations created the functions."""
    script = op.get_context().opts["script"]
    statistics, change_log, prices, valuation, events, observations = (
        script.get_revision(revision).module for revision in ("0003", "0004", "0005", "0006", "0007", "0010")
    )
    return [
        statistics.REFRESH, statistics.CPU_WRITING, statistics.CPU_WRITTEN, statistics.LISTING_WRITTEN,
        change_log.LISTING_LOGGED, change_log.CPU_LOGGED, prices.MAKE_PRICE_MONTHS, valuation.LISTING_VALUATION,
        events.LISTING_REPRICED,
        observations.LISTING_REMEMBERED.format(
            valued=observations.VALUED, differ=observations._differ(observations.OBSERVED)
        ),
    ]  # fmt: skip
