"""Statements of the recalculation: DOMAIN figures of every CPU at once, in NUMERIC, rounded last.

The steps share two temporary tables that vanish with the transaction:
`active_price` (the moments of each CPU's active prices) and `figure` (the figures of the CPUs that must be written).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.tables import cpu, last_verification
from app.db.transaction import Tx
from app.resources import Session

# The planner's estimate for these statements grows with dead rows until it starts to compile them,
# which costs ten times the work itself.
JIT_OFF = text("SET LOCAL jit = off")
LOCK = text("SELECT pg_advisory_xact_lock(:key)")

KNOWN = text("SELECT id FROM cpu WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
# Nothing when the log is empty. Else whether this transaction may recalculate now: whoever writes CPUs at this moment
# is not waited for with a connection in hand.
MAY_DRAIN = text("SELECT pg_try_advisory_xact_lock(:key) FROM (SELECT FROM data_change_log LIMIT 1) AS logged")
# What this statement sees is committed, and so is the data behind it: statements that come later see that too. What
# commits later stays in the log. CPUs that failed before are tried again, as a recalculation of all would.
TAKE_LOG = text(
    """
    WITH taken AS (DELETE FROM data_change_log RETURNING cpu_id)
    SELECT cpu_id FROM taken
    UNION
    SELECT cpu_id FROM recalculation_failure WHERE EXISTS (SELECT FROM taken)
    ORDER BY cpu_id
    """
)
CLEAR_LOG = text("DELETE FROM data_change_log WHERE CAST(:ids AS bigint[]) IS NULL OR cpu_id = ANY(:ids)")
BACKLOG = text(
    """
    SELECT count(*) AS rows, coalesce(extract(epoch FROM clock_timestamp() - min(logged_at)), 0)::float8 AS seconds
    FROM data_change_log
    """
)

COUNT = text("SELECT count(*) FROM cpu WHERE CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids)")

# Sums only: they are exact, and unlike avg() and stddev_samp() leave all rounding to the end.
# A statement of its own, because CREATE TABLE AS may run in parallel and INSERT and UPDATE may not.
# Listings of no CPU make a row that joins nothing: excluding them costs the index-only scan and with it twice the time.
_AGGREGATE = """
CREATE TEMP TABLE active_price ON COMMIT DROP AS
SELECT cpu_id, count(*) AS n, sum(adjusted_price) AS total, sum(adjusted_price * adjusted_price) AS squares
FROM listing
WHERE status = 'active' AND adjusted_price > 0 {scope}
GROUP BY cpu_id
"""

# Rational results are rounded to 30 decimals, from a quotient of 50, so that equal ones are equal to the last digit
# whatever they were computed from: the ranks compare them strictly. sqrt() of an integer is an integer, hence 1e60.
# One pass over `cpu`, and nothing MATERIALIZED: the sorts under the ranks already keep PostgreSQL from computing twice.
_FIGURES = """
CREATE TEMP TABLE figure ON COMMIT DROP AS
WITH moments AS (
    SELECT
        cpu.*, n, total, {in_scope} AS in_scope,
        round(total, 50) AS dividend,
        n * squares - total * total AS spread,
        nullif(cpu_mark_multi, 0) AS mark_multi,
        nullif(cpu_mark_single, 0) AS mark_single
    FROM cpu LEFT JOIN active_price AS p ON p.cpu_id = cpu.id
), exact AS (
    SELECT
        *,
        CASE WHEN in_scope AND n >= 2 THEN round(dividend / n, 30) END AS mean,
        CASE WHEN in_scope AND n >= 2 THEN sqrt(div(spread * 1e60, n * (n - 1))) * 1e-30 END AS deviation,
        CASE WHEN in_scope THEN round(dividend / (n * mark_multi), 30) ELSE dollar_per_mark_multi END AS multi,
        CASE WHEN in_scope THEN round(dividend / (n * mark_single), 30) ELSE dollar_per_mark_single END AS single
    FROM moments
), ranked AS (
    SELECT
        *,
        100 * (rank() OVER (ORDER BY multi) - 1) AS better_multi, count(multi) OVER () AS of_multi,
        100 * (rank() OVER (ORDER BY single) - 1) AS better_single, count(single) OVER () AS of_single
    FROM exact
), fresh AS (
    SELECT
        *,
        coalesce(n, 0) AS sample_size,
        round(mean - least(deviation, mean), 2) AS great,
        round(mean, 2) AS good,
        round(mean + deviation, 2) AS fair,
        round(deviation, 2) AS stddev,
        coalesce(n >= 2 AND spread * (100 * n) > total * total * (9 * (n - 1)), false) AS high_variance,
        CASE WHEN multi IS NOT NULL THEN round(better_multi::numeric / of_multi, 1) END AS percentile,
        CASE WHEN single IS NOT NULL THEN round(better_single::numeric / of_single, 1) END AS percentile_single,
        CASE WHEN multi IS NULL THEN NULL
             WHEN better_multi <= 25 * of_multi THEN 'excellent'
             WHEN better_multi <= 50 * of_multi THEN 'good'
             WHEN better_multi <= 75 * of_multi THEN 'fair'
             ELSE 'poor' END AS rating
    FROM ranked
), compared AS (
    SELECT
        *,
        in_scope AND (
            figures_computed_at IS NULL
            OR (sample_size, great, good, fair, stddev, high_variance, multi, single) IS DISTINCT FROM (
                price_sample_size, price_great, price_good, price_fair, price_stddev, price_high_variance,
                dollar_per_mark_multi, dollar_per_mark_single)
        ) AS moved,
        (percentile, percentile_single, rating) IS DISTINCT FROM (
            value_percentile, value_percentile_single, value_rating) AS drifted
    FROM fresh
)
SELECT
    id, in_scope, moved, sample_size, great, good, fair, stddev, high_variance, multi, single, percentile,
    percentile_single, rating
FROM compared
WHERE ({written}) AND NOT id = ANY(CAST(:excluded AS bigint[]))
"""

TO_WRITE = text("SELECT id FROM figure ORDER BY id")

WRITE = text(
    """
    UPDATE cpu SET
        price_great = CASE WHEN f.moved THEN f.great ELSE price_great END,
        price_good = CASE WHEN f.moved THEN f.good ELSE price_good END,
        price_fair = CASE WHEN f.moved THEN f.fair ELSE price_fair END,
        price_stddev = CASE WHEN f.moved THEN f.stddev ELSE price_stddev END,
        price_sample_size = CASE WHEN f.moved THEN f.sample_size ELSE price_sample_size END,
        price_high_variance = CASE WHEN f.moved THEN f.high_variance ELSE price_high_variance END,
        dollar_per_mark_multi = f.multi,
        dollar_per_mark_single = f.single,
        value_percentile = f.percentile,
        value_percentile_single = f.percentile_single,
        value_rating = f.rating,
        figures_computed_at = CASE WHEN f.in_scope THEN now() ELSE figures_computed_at END
    FROM figure AS f
    WHERE f.id = cpu.id AND f.id BETWEEN :low AND :high
    """
)

REMEMBER = text(
    """
    INSERT INTO figure_history (
        cpu_id, computed_at, job_id, price_great, price_good, price_fair, price_stddev, price_sample_size,
        dollar_per_mark_multi, dollar_per_mark_single, value_percentile, value_rating)
    SELECT id, now(), :job_id, great, good, fair, stddev, sample_size, multi, single, percentile, rating
    FROM figure
    WHERE moved AND id BETWEEN :low AND :high
    -- Computed twice in one transaction: what was computed last is what is kept.
    ON CONFLICT (cpu_id, computed_at) DO UPDATE SET
        job_id = excluded.job_id,
        price_great = excluded.price_great,
        price_good = excluded.price_good,
        price_fair = excluded.price_fair,
        price_stddev = excluded.price_stddev,
        price_sample_size = excluded.price_sample_size,
        dollar_per_mark_multi = excluded.dollar_per_mark_multi,
        dollar_per_mark_single = excluded.dollar_per_mark_single,
        value_percentile = excluded.value_percentile,
        value_rating = excluded.value_rating
    """
)

CLEAR_FAILURES = text("DELETE FROM recalculation_failure WHERE CAST(:ids AS bigint[]) IS NULL OR cpu_id = ANY(:ids)")
RECORD_FAILURES = text(
    """
    INSERT INTO recalculation_failure (cpu_id, job_id, error)
    SELECT cpu_id, :job_id, error FROM unnest(CAST(:ids AS bigint[]), CAST(:errors AS text[])) AS f (cpu_id, error)
    ON CONFLICT (cpu_id) DO UPDATE SET job_id = excluded.job_id, failed_at = now(), error = excluded.error
    """
)
SET_WATERMARK = text(
    """
    INSERT INTO recalculation_watermark (single, full_at) VALUES (true, now())
    ON CONFLICT (single) DO UPDATE SET full_at = excluded.full_at
    """
)


# Which stored columns are not what was computed; for a look at `figure` before it is written.
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
# CPUs that are known to have other figures stored than their prices and marks ask for: logged since, or failed.
BEHIND = text("SELECT cpu_id FROM data_change_log UNION SELECT cpu_id FROM recalculation_failure")
FAILED = text("SELECT slug, error FROM recalculation_failure JOIN cpu ON cpu.id = cpu_id ORDER BY cpu.id")
# They would go with the transaction; but it may recalculate again.
FORGET = text("DROP TABLE active_price, figure")


def aggregate(cpu_ids: Sequence[int] | None) -> Executable:
    """Makes `active_price`, for all CPUs or for those in `:ids`."""
    return text(_AGGREGATE.format(scope="" if cpu_ids is None else "AND cpu_id = ANY(CAST(:ids AS bigint[]))"))


def figures(cpu_ids: Sequence[int] | None, *, stamp: bool) -> Executable:
    """Makes `figure`: what to write for these CPUs and for others whose rank they moved, all but `:excluded`.

    With `stamp` each of these CPUs is written, to say when it was computed, even if no figure of it moved.
    """
    in_scope, written = "NOT cpu.id = ANY(CAST(:excluded AS bigint[]))", "moved OR drifted"
    if cpu_ids is not None:
        in_scope += " AND cpu.id = ANY(CAST(:ids AS bigint[]))"
        # There is no watermark for some CPUs: that they were computed now must be written in each row.
        written += " OR in_scope" if stamp else ""
    return text(_FIGURES.format(in_scope=f"({in_scope})", written=written))


async def ids_of_slugs(session: Session, slugs: Sequence[str]) -> dict[str, int]:
    """The CPUs of these slugs, as far as they exist."""
    found = await session.rows(select(cpu.c.slug, cpu.c.id).where(cpu.c.slug.in_(slugs)))
    return {row.slug: row.id for row in found}


async def known_cpus(session: Session, cpu_ids: Sequence[int]) -> list[int]:
    """The ids among these that exist, ascending."""
    return [row.id for row in await session.rows(KNOWN, {"ids": cpu_ids})]


async def count_cpus(session: Session, cpu_ids: Sequence[int] | None) -> int:
    """How many of these (None: all) exist."""
    return int(await session.scalar(COUNT, {"ids": cpu_ids}))


async def lock(tx: Tx) -> None:
    """Waits until nobody else is writing CPUs, and keeps them waiting."""
    await tx.execute(LOCK, {"key": CPU_WRITERS_LOCK})


async def may_drain(tx: Tx) -> bool | None:
    """Takes the writers' lock if it is free, and there is something in the log: None when there is nothing."""
    found = await tx.scalar(MAY_DRAIN, {"key": CPU_WRITERS_LOCK})
    return None if found is None else bool(found)


async def take_log(tx: Tx) -> list[int]:
    """Empties the log, of what is committed. The CPUs in it and, if there are any, those that failed; ascending."""
    return [row.cpu_id for row in await tx.rows(TAKE_LOG)]


async def clear_log(tx: Tx, cpu_ids: Sequence[int] | None) -> None:
    """Deletes what a recalculation of these CPUs (None: all), which begins now, makes pointless."""
    await tx.execute(CLEAR_LOG, {"ids": cpu_ids})


async def backlog(session: Session) -> tuple[int, float]:
    """How many rows the log has, and the age of the oldest in seconds."""
    row = await session.row(BACKLOG)
    assert row is not None
    return row.rows, row.seconds


async def begin(tx: Tx, cpu_ids: Sequence[int] | None) -> None:
    """Aggregates the active prices once. After the writers' lock is taken."""
    await tx.execute(JIT_OFF)
    await tx.execute(aggregate(cpu_ids), {"ids": cpu_ids} if cpu_ids is not None else {})


async def compute(tx: Tx, cpu_ids: Sequence[int] | None, excluded: Sequence[int], *, stamp: bool = True) -> list[int]:
    """Computes the figures and returns the ids of the rows to write, ascending."""
    values: dict[str, object] = {"excluded": list(excluded)}
    if cpu_ids is not None:
        values["ids"] = cpu_ids
    await tx.execute(figures(cpu_ids, stamp=stamp), values)
    return [row.id for row in await tx.rows(TO_WRITE)]


async def write(tx: Tx, job_id: int | None, low: int, high: int) -> None:
    """Writes the rows with ids in [low, high] and remembers those whose own figures moved."""
    bounds = {"low": low, "high": high}
    await tx.execute(WRITE, bounds)
    await tx.execute(REMEMBER, {"job_id": job_id, **bounds})


async def finish(tx: Tx, job_id: int | None, cpu_ids: Sequence[int] | None, failures: dict[int, str]) -> None:
    """Records who failed and, after a recalculation of all, that the rest is computed as of now."""
    await tx.execute(CLEAR_FAILURES, {"ids": cpu_ids})
    if failures:
        await tx.execute(RECORD_FAILURES, {"job_id": job_id, "ids": list(failures), "errors": list(failures.values())})
    if cpu_ids is None:
        await tx.execute(SET_WATERMARK)
    await tx.execute(FORGET)


async def differences(tx: Tx) -> dict[str, list[str]]:
    """Stored figures that are not what prices and marks ask for: slug -> columns. Nobody's that is known to be behind.

    After `begin` for all CPUs; the savepoint of the caller is to undo what this makes.
    """
    behind = [row.cpu_id for row in await tx.rows(BEHIND)]
    await compute(tx, None, behind)
    return {row.slug: row.columns for row in await tx.rows(DIFFERENCES)}


async def failed(session: Session) -> dict[str, str]:
    """The CPUs that keep old figures because the new ones could not be written: slug -> reason."""
    return {row.slug: row.error for row in await session.rows(FAILED)}


# Of what a verification found so many items are kept; the log tells of all.
MAX_DIFFERENCES = 100
LAST_VERIFICATION = select(*(each for each in last_verification.c if each.name != "single"))


async def record_verification(tx: Tx, values: Mapping[str, Any]) -> None:
    """Replaces what is known of the last one; `values` by column, without the time, which is now."""
    row = {**values, "verified_at": func.clock_timestamp()}
    statement = insert(last_verification).values(row)
    await tx.execute(statement.on_conflict_do_update(index_elements=["single"], set_=row))


async def latest_verification(session: Session) -> Any | None:
    """What the last one found; None before the first."""
    return await session.row(LAST_VERIFICATION)
