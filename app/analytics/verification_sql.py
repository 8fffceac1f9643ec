"""Statements of the verification: stored figures compared with computed ones, and the stored result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.analytics.sql import compute_figures
from app.db.tables import last_verification
from app.db.transaction import Transaction
from app.resources import Session

# Column of `cpu` -> column of the temporary table `figure` with the computed value.
_COMPARED = {
    "price_sample_size": "sample_size",
    "price_great": "great",
    "price_good": "good",
    "price_fair": "fair",
    "price_stddev": "stddev",
    "price_high_variance": "high_variance",
    "dollar_per_mark_multi": "multi",
    "dollar_per_mark_single": "single",
    "value_percentile": "percentile",
    "value_percentile_single": "percentile_single",
    "value_rating": "rating",
}
_DIFFERING = ", ".join(
    f"CASE WHEN f.{computed} IS DISTINCT FROM cpu.{stored} THEN '{stored}' END"
    for stored, computed in _COMPARED.items()
)
DIFFERENCES = text(
    f"""
    SELECT cpu.slug, array_remove(ARRAY[
        {_DIFFERING},
        CASE WHEN cpu.figures_computed_at IS NULL THEN 'figures_computed_at' END], NULL) AS columns
    FROM figure AS f JOIN cpu ON cpu.id = f.id
    ORDER BY cpu.id
    """
)
# CPUs with stored figures that are known to be out of date: logged since, or failed in the last recalculation.
OUTDATED_CPUS = text("SELECT cpu_id FROM data_change_log UNION SELECT cpu_id FROM recalculation_failure")
FAILED_CPUS = text("SELECT slug, error FROM recalculation_failure JOIN cpu ON cpu.id = cpu_id ORDER BY cpu.id")

# Differences that are stored by name; the log names all.
MAX_DIFFERENCES = 100
LAST_VERIFICATION = select(*(column for column in last_verification.c if column.name != "single"))


async def find_differences(tx: Transaction) -> dict[str, list[str]]:
    """Return slug -> columns of the stored figures that differ from computed ones, without CPUs known to be outdated.

    Follows `load_active_prices` for all CPUs. The caller rolls back to a savepoint to remove `figure`.
    """
    outdated = [row.cpu_id for row in await tx.rows(OUTDATED_CPUS)]
    await compute_figures(tx, None, outdated)
    return {row.slug: row.columns for row in await tx.rows(DIFFERENCES)}


async def failed_cpus(session: Session) -> dict[str, str]:
    """Return slug -> reason of the CPUs that keep old figures because the new ones could not be written."""
    return {row.slug: row.error for row in await session.rows(FAILED_CPUS)}


async def save_verification(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Replace the stored result of the last verification; `values` by column, without the time, which is now."""
    row = {**values, "verified_at": func.clock_timestamp()}
    statement = insert(last_verification).values(row)
    await tx.execute(statement.on_conflict_do_update(index_elements=["single"], set_=row))


async def load_last_verification(session: Session) -> Any | None:
    """Return the result of the last verification, or None before the first."""
    return await session.row(LAST_VERIFICATION)
