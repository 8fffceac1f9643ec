"""Statements of the recalculation: the figures of all CPUs, computed set-based in NUMERIC and rounded last.

The statements follow the steps of one recalculation:

1. lock: `lock_cpu_writers`, `try_lock_change_log`, `take_change_log`, `clear_change_log`.
2. load: `load_active_prices` aggregates the active prices of each CPU into the temporary table `active_price`.
3. compute, rank and compare: `compute_figures` fills the temporary table `figure` with the rows that must be written.
4. write: `write_figures` updates `cpu` and appends to `figure_history`.
5. record: `record_outcome` stores failures and the time of a full recalculation, and drops both tables.

Both temporary tables are private to the transaction and dropped at its end at the latest:

- `active_price(cpu_id, n, total, squares)`: number, sum and sum of squares of the active prices of a CPU.
- `figure`: one row per CPU to write, see `_CREATE_FIGURE`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable, select, text

from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.tables import cpu
from app.db.transaction import Transaction
from app.resources import Session

# --- CPUs ------------------------------------------------------------------------------------------------------------

EXISTING_CPUS = text("SELECT id FROM cpu WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
COUNT_CPUS = text("SELECT count(*) FROM cpu WHERE CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids)")


async def ids_of_slugs(session: Session, slugs: Sequence[str]) -> dict[str, int]:
    """Return slug -> id of the CPUs with these slugs; unknown slugs are missing."""
    rows = await session.rows(select(cpu.c.slug, cpu.c.id).where(cpu.c.slug.in_(slugs)))
    return {row.slug: row.id for row in rows}


async def existing_cpus(session: Session, cpu_ids: Sequence[int]) -> list[int]:
    """Return those of the ids that belong to a CPU, in ascending order."""
    return [row.id for row in await session.rows(EXISTING_CPUS, {"ids": cpu_ids})]


async def count_cpus(session: Session, cpu_ids: Sequence[int] | None) -> int:
    """Return how many CPUs with these ids exist; None counts all CPUs."""
    return int(await session.scalar(COUNT_CPUS, {"ids": cpu_ids}))


# --- 1. Lock and read the change log ---------------------------------------------------------------------------------

LOCK = text("SELECT pg_advisory_xact_lock(:key)")
# Returns no row if the log is empty. Does not wait for the lock: a waiting transaction would occupy a connection.
TRY_LOCK_CHANGE_LOG = text(
    "SELECT pg_try_advisory_xact_lock(:key) FROM (SELECT FROM data_change_log LIMIT 1) AS logged"
)
# The rows that this statement sees are committed together with the data that they refer to, so later statements of the
# transaction see that data. Rows that commit later stay in the log. CPUs that failed before are tried again, as in a
# recalculation of all CPUs.
TAKE_CHANGE_LOG = text(
    """
    WITH taken AS (DELETE FROM data_change_log RETURNING cpu_id)
    SELECT cpu_id FROM taken
    UNION
    SELECT cpu_id FROM recalculation_failure WHERE EXISTS (SELECT FROM taken)
    ORDER BY cpu_id
    """
)
CLEAR_CHANGE_LOG = text("DELETE FROM data_change_log WHERE CAST(:ids AS bigint[]) IS NULL OR cpu_id = ANY(:ids)")
CHANGE_LOG_BACKLOG = text(
    """
    SELECT count(*) AS rows, coalesce(extract(epoch FROM clock_timestamp() - min(logged_at)), 0)::float8 AS seconds
    FROM data_change_log
    """
)


async def lock_cpu_writers(tx: Transaction) -> None:
    """Take the lock of CPU writers until the transaction ends; imports and other recalculations wait for it."""
    await tx.execute(LOCK, {"key": CPU_WRITERS_LOCK})


async def try_lock_change_log(tx: Transaction) -> bool | None:
    """Take the lock of CPU writers if the change log has rows and the lock is free.

    Return True if the lock was taken, False if another transaction has it, None if the log is empty.
    """
    locked = await tx.scalar(TRY_LOCK_CHANGE_LOG, {"key": CPU_WRITERS_LOCK})
    return None if locked is None else bool(locked)


async def take_change_log(tx: Transaction) -> list[int]:
    """Delete the committed rows of the change log; return the ids of their CPUs and of failed CPUs, ascending.

    The list is empty if the log is, even if there are failed CPUs.
    """
    return [row.cpu_id for row in await tx.rows(TAKE_CHANGE_LOG)]


async def clear_change_log(tx: Transaction, cpu_ids: Sequence[int] | None) -> None:
    """Delete the log rows of these CPUs (None: all), because the recalculation that starts now covers them."""
    await tx.execute(CLEAR_CHANGE_LOG, {"ids": cpu_ids})


async def change_log_backlog(session: Session) -> tuple[int, float]:
    """Return the number of rows in the change log and the age of the oldest one in seconds."""
    row = await session.row(CHANGE_LOG_BACKLOG)
    assert row is not None
    return row.rows, row.seconds


# --- 2. Load the active prices ---------------------------------------------------------------------------------------

# The planner's cost estimate for these statements grows with dead rows until it enables JIT compilation, which takes
# ten times as long as the work itself.
JIT_OFF = text("SET LOCAL jit = off")

# An active price is the adjusted price, above 0, of an active listing. Sums are exact, and unlike avg() and
# stddev_samp() they leave all rounding to the end. This is a statement of its own, because CREATE TABLE AS may run in
# parallel, while INSERT and UPDATE may not. Listings without a CPU form one row that joins nothing: excluding them
# would lose the index-only scan on `listing_active_idx` and take twice as long.
_CREATE_ACTIVE_PRICE = """
CREATE TEMP TABLE active_price ON COMMIT DROP AS
SELECT cpu_id, count(*) AS n, sum(adjusted_price) AS total, sum(adjusted_price * adjusted_price) AS squares
FROM listing
WHERE status = 'active' AND adjusted_price > 0 {scope}
GROUP BY cpu_id
"""


def create_active_price(cpu_ids: Sequence[int] | None) -> Executable:
    """Return the statement that creates `active_price` for all CPUs (None) or for those in `:ids`."""
    return text(
        _CREATE_ACTIVE_PRICE.format(scope="" if cpu_ids is None else "AND cpu_id = ANY(CAST(:ids AS bigint[]))")
    )


async def load_active_prices(tx: Transaction, cpu_ids: Sequence[int] | None) -> None:
    """Aggregate the active prices of these CPUs (None: all) once. The caller has the lock of CPU writers."""
    await tx.execute(JIT_OFF)
    await tx.execute(create_active_price(cpu_ids), {"ids": cpu_ids} if cpu_ids is not None else {})


# --- 3. Compute, rank and compare ------------------------------------------------------------------------------------

# One row per CPU to write, in one pass over `cpu`:
#   id
#   in_scope           the CPU is recalculated; other CPUs are here because their rank changed
#   figures_changed    price target or USD per mark differ from the stored values
#   sample_size, great, good, fair, stddev, high_variance, multi, single, percentile, percentile_single, rating
#
# The common table expressions are the steps. With n prices x of a CPU, `total` = sum x and `squares` = sum x^2:
#   moments   spread = n * squares - total^2, which is n * (n - 1) times the sample variance.
#   exact     mean = total / n; sample standard deviation = sqrt(spread / (n * (n - 1))), both for n >= 2;
#             multi, single = mean / mark (USD per mark, for n >= 1). CPUs out of scope keep their stored USD per mark,
#             because they take part in the ranks.
#   ranked    cheaper_*_x100 is 100 times the number of CPUs with strictly lower USD per mark, which is rank() - 1;
#             ranked_* counts the CPUs with a value.
#   rounded   great = mean - s (at least 0), good = mean, fair = mean + s, 2 decimals each.
#             high_variance: s > 0.30 * mean, compared as spread * 100 * n > total^2 * 9 * (n - 1).
#             percentile = cheaper_*_x100 / ranked_*, 1 decimal.
#             rating by the unrounded percentile: up to 25, 50, 75, above.
#   compared  differences from the stored row.
#
# Quotients are rounded to 30 decimals, from a dividend with 50, so that equal ratios are equal to the last digit no
# matter which prices they come from: ranks compare them strictly. sqrt() of an integer has the scale of an integer,
# hence the factor 1e60 below the root. No step is MATERIALIZED: the sorts of the ranks already keep PostgreSQL from
# computing the earlier steps twice.
_CREATE_FIGURE = """
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
        100 * (rank() OVER (ORDER BY multi) - 1) AS cheaper_multi_x100, count(multi) OVER () AS ranked_multi,
        100 * (rank() OVER (ORDER BY single) - 1) AS cheaper_single_x100, count(single) OVER () AS ranked_single
    FROM exact
), rounded AS (
    SELECT
        *,
        coalesce(n, 0) AS sample_size,
        round(mean - least(deviation, mean), 2) AS great,
        round(mean, 2) AS good,
        round(mean + deviation, 2) AS fair,
        round(deviation, 2) AS stddev,
        coalesce(n >= 2 AND spread * (100 * n) > total * total * (9 * (n - 1)), false) AS high_variance,
        CASE WHEN multi IS NOT NULL THEN round(cheaper_multi_x100::numeric / ranked_multi, 1) END AS percentile,
        CASE WHEN single IS NOT NULL
            THEN round(cheaper_single_x100::numeric / ranked_single, 1) END AS percentile_single,
        CASE WHEN multi IS NULL THEN NULL
             WHEN cheaper_multi_x100 <= 25 * ranked_multi THEN 'excellent'
             WHEN cheaper_multi_x100 <= 50 * ranked_multi THEN 'good'
             WHEN cheaper_multi_x100 <= 75 * ranked_multi THEN 'fair'
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
        ) AS figures_changed,
        (percentile, percentile_single, rating) IS DISTINCT FROM (
            value_percentile, value_percentile_single, value_rating) AS rank_changed
    FROM rounded
)
SELECT
    id, in_scope, figures_changed, sample_size, great, good, fair, stddev, high_variance, multi, single, percentile,
    percentile_single, rating
FROM compared
WHERE ({must_write}) AND NOT id = ANY(CAST(:failing AS bigint[]))
"""
CPUS_TO_WRITE = text("SELECT id FROM figure ORDER BY id")


def create_figure(cpu_ids: Sequence[int] | None, *, set_computed_at: bool) -> Executable:
    """Return the statement that creates `figure` for these CPUs (None: all) and for others with a changed rank.

    CPUs in `:failing` are not written and keep their stored figures in the ranks. With `set_computed_at`, each CPU of
    `cpu_ids` has a row, even without a changed figure, so that the time of its computation is stored.
    """
    in_scope, must_write = "NOT cpu.id = ANY(CAST(:failing AS bigint[]))", "figures_changed OR rank_changed"
    if cpu_ids is not None:
        in_scope += " AND cpu.id = ANY(CAST(:ids AS bigint[]))"
        # A full recalculation sets `recalculation_watermark` instead of the time of each row.
        must_write += " OR in_scope" if set_computed_at else ""
    return text(_CREATE_FIGURE.format(in_scope=f"({in_scope})", must_write=must_write))


async def compute_figures(
    tx: Transaction, cpu_ids: Sequence[int] | None, failing: Sequence[int], *, set_computed_at: bool = True
) -> list[int]:
    """Compute the figures of these CPUs (None: all) into `figure`; return the ids of the rows to write, ascending.

    Follows `load_active_prices`. See `create_figure` for the arguments.
    """
    values: dict[str, object] = {"failing": list(failing)}
    if cpu_ids is not None:
        values["ids"] = cpu_ids
    await tx.execute(create_figure(cpu_ids, set_computed_at=set_computed_at), values)
    return [row.id for row in await tx.rows(CPUS_TO_WRITE)]


# --- 4. Write the changed rows and record their history --------------------------------------------------------------

UPDATE_CPUS = text(
    """
    UPDATE cpu SET
        price_great = CASE WHEN f.figures_changed THEN f.great ELSE price_great END,
        price_good = CASE WHEN f.figures_changed THEN f.good ELSE price_good END,
        price_fair = CASE WHEN f.figures_changed THEN f.fair ELSE price_fair END,
        price_stddev = CASE WHEN f.figures_changed THEN f.stddev ELSE price_stddev END,
        price_sample_size = CASE WHEN f.figures_changed THEN f.sample_size ELSE price_sample_size END,
        price_high_variance = CASE WHEN f.figures_changed THEN f.high_variance ELSE price_high_variance END,
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
# The conflict arises when one transaction computes a CPU twice: the later values are the ones that are stored.
APPEND_HISTORY = text(
    """
    INSERT INTO figure_history (
        cpu_id, computed_at, job_id, price_great, price_good, price_fair, price_stddev, price_sample_size,
        dollar_per_mark_multi, dollar_per_mark_single, value_percentile, value_rating)
    SELECT id, now(), :job_id, great, good, fair, stddev, sample_size, multi, single, percentile, rating
    FROM figure
    WHERE figures_changed AND id BETWEEN :low AND :high
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


async def write_figures(tx: Transaction, job_id: int | None, low: int, high: int) -> None:
    """Write the rows of `figure` with ids from `low` to `high`, and append those with changed figures to the history.

    The UPDATE runs the triggers of `cpu` with these functions: `lock_cpu_writers` takes the lock of CPU writers, and
    `update_cpu_statistics` updates `cpu_statistics.figures_computed_at`. `log_cpu_changes` logs nothing, because no
    mark changes.
    """
    bounds = {"low": low, "high": high}
    await tx.execute(UPDATE_CPUS, bounds)
    await tx.execute(APPEND_HISTORY, {"job_id": job_id, **bounds})


# --- 5. Record the outcome -------------------------------------------------------------------------------------------

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
# ON COMMIT DROP is too late for a transaction that recalculates again, as a verification with repair does.
DROP_TEMP_TABLES = text("DROP TABLE active_price, figure")


async def record_outcome(
    tx: Transaction, job_id: int | None, cpu_ids: Sequence[int] | None, failures: dict[int, str]
) -> None:
    """Store the failures of a recalculation of these CPUs (None: all), id -> reason, and drop the temporary tables.

    A full recalculation also sets the watermark: all other CPUs count as computed now.
    """
    await tx.execute(CLEAR_FAILURES, {"ids": cpu_ids})
    if failures:
        await tx.execute(RECORD_FAILURES, {"job_id": job_id, "ids": list(failures), "errors": list(failures.values())})
    if cpu_ids is None:
        await tx.execute(SET_WATERMARK)
    await tx.execute(DROP_TEMP_TABLES)
