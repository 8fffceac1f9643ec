"""Statements of the CPU import.

Rows pass through three temporary tables, which live until the end of the transaction:

1. `staged`: the cells of a chunk of the file as text (see `app.bulk_import.staging`).
2. `parsed_cpu`: typed values, or the reason to reject the row. Created by `stage` from the query of `parse_query`.
3. `cpu_change`: the accepted rows and the CPU that each one describes. Created by `create_cpu_change`, written to
   `cpu` by `merge`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable, text

from app.bulk_import.staging import parse_number_sql, quoted_sql, rejected_cells_sql
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Transaction
from app.resources import Session

TEXT_COLUMNS = ("manufacturer", "socket", "category", "igpu_model")
# Column -> least and greatest value that an import accepts. All are whole numbers.
NUMBER_RANGES = {
    "cores": (1, 100_000),
    "threads": (1, 100_000),
    "tdp_w": (1, 10_000),
    "release_year": (1970, 2100),
    "cpu_mark_multi": (0, 100_000_000),
    "cpu_mark_single": (0, 100_000_000),
    "igpu_mark": (0, 100_000_000),
}
COLUMNS = ("name", *TEXT_COLUMNS, *NUMBER_RANGES)
# Characters. Longer names could exceed the maximum size of an index entry.
MAX_TEXT_LENGTH = 200

# First word of a CPU name, in lower case -> canonical name of the manufacturer.
MANUFACTURERS_BY_FIRST_WORD = {
    **{name.lower(): name for name in (
        "Allwinner", "AMD", "Amlogic", "Ampere", "Apple", "ARM", "Broadcom", "Google", "HiSilicon", "Hygon", "IBM",
        "Intel", "Loongson", "Marvell", "MediaTek", "Microsoft", "Montage", "NVIDIA", "NXP", "Qualcomm", "Rockchip",
        "Samsung", "Spreadtrum", "Synaptics", "Transmeta", "Unisoc", "VIA", "Zhaoxin",
    )},
    "athlon": "AMD", "sempron": "AMD", "ryzen": "AMD", "opteron": "AMD", "phenom": "AMD", "epyc": "AMD",
    "celeron": "Intel", "pentium": "Intel", "xeon": "Intel", "core": "Intel",
    "qti": "Qualcomm", "qct": "Qualcomm", "snapdragon": "Qualcomm",
    "cyrix": "VIA", "centaurhauls": "VIA",
}  # fmt: skip

_COLLAPSED_NAME = r"regexp_replace(name, '\s+', ' ', 'g')"
# The first word of "[Dual CPU] Intel Xeon" and of "Mobile Intel Celeron" is "intel".
_FIRST_WORD = r"lower(substring({name} from '^(?:\[[^]]*\] *)?(?:[Mm]obile +)?([^ ]+)'))"


def _reason() -> str:
    """Return SQL for the first error of a row, in the order of the columns; null for a row without errors."""
    cases = [
        "WHEN fault IS NOT NULL THEN fault",
        "WHEN name IS NULL THEN 'name is empty'",
        *(
            f"WHEN length({column}) > {MAX_TEXT_LENGTH} THEN '{column} is longer than {MAX_TEXT_LENGTH} characters'"
            for column in ("name", *TEXT_COLUMNS)
        ),
    ]
    for column, (minimum, maximum) in NUMBER_RANGES.items():
        not_a_number = f"'{column} ' || {quoted_sql(column)} || ' is not a number'"
        out_of_range = f"'{column} ' || left({column}, 80) || ' is not between {minimum} and {maximum}'"
        not_whole = f"'{column} ' || left({column}, 80) || ' is not a whole number'"
        cases += [
            f"WHEN {column} IS NOT NULL AND {parse_number_sql(column)} IS NULL THEN {not_a_number}",
            # Manufacturers publish watts with decimals; they are rounded.
            *([f"WHEN {parse_number_sql(column)} % 1 <> 0 THEN {not_whole}"] if column != "tdp_w" else []),
            f"WHEN NOT round({parse_number_sql(column)}) BETWEEN {minimum} AND {maximum} THEN {out_of_range}",
        ]
    return f"CASE {' '.join(cases)} END"


def parse_query(columns: Sequence[str]) -> str:
    """Return the query that turns staged rows of a file with these columns into rows of `parsed_cpu`.

    Columns: `line`, `reason` (null for an accepted row), `cells` (JSON, only with a reason) and typed values.
    """
    numbers = ", ".join(
        f"CASE WHEN reason IS NULL THEN round({parse_number_sql(column)})::integer END AS {column}"
        for column in NUMBER_RANGES
    )
    return f"""
        SELECT
            line, reason, {rejected_cells_sql(columns)} AS cells, {_COLLAPSED_NAME} AS name,
            {", ".join(TEXT_COLUMNS)}, {numbers}
        FROM (SELECT *, {_reason()} AS reason FROM staged OFFSET 0) AS checked
        """


def create_cpu_change(present: Sequence[str]) -> Executable:
    """Return the statement that creates the temporary table `cpu_change` from the accepted rows of `parsed_cpu`.

    Columns: `line`; `cpu_id` (null for a new CPU); `slug` (null until ASSIGN_SLUGS); the values to store; `superseded`
    (a later row of the file describes the same CPU and replaces this one); `differs` (the values are not those stored).
    A column that is not `present` in the file keeps its stored value. `merge` reads the table.

    The lookup of stored CPUs uses the unique index on `lower(name)`.
    """
    manufacturers = ", ".join(f"('{word}', '{name}')" for word, name in MANUFACTURERS_BY_FIRST_WORD.items())
    new_values = {column: f"p.{column}" if column in present else f"cpu.{column}" for column in COLUMNS}
    derived = "coalesce(known_manufacturer.name, 'Unknown')"
    new_values["manufacturer"] = f"coalesce({new_values['manufacturer']}, {derived})"
    stored = ", ".join(f"cpu.{column}" for column in COLUMNS)
    return text(f"""
        CREATE TEMP TABLE cpu_change ON COMMIT DROP AS
        SELECT
            line, cpu.id AS cpu_id, NULL::text AS slug,
            {", ".join(f"{new_values[column]} AS {column}" for column in COLUMNS)},
            lead(line) OVER (PARTITION BY lower(p.name) ORDER BY line) IS NOT NULL AS superseded,
            ({", ".join(new_values[column] for column in COLUMNS)}) IS DISTINCT FROM ({stored}) AS differs
        FROM parsed_cpu AS p
        LEFT JOIN cpu ON lower(cpu.name) = lower(p.name)
        LEFT JOIN (VALUES {manufacturers}) AS known_manufacturer (word, name)
            ON known_manufacturer.word = {_FIRST_WORD.format(name="p.name")}
        WHERE reason IS NULL
        """)


LOCK = text("SELECT pg_advisory_xact_lock(:key)")

COUNT_SUPERSEDED = text("SELECT count(*) FROM cpu_change WHERE superseded")

UPDATE = text(f"""
    UPDATE cpu SET {", ".join(f"{column} = p.{column}" for column in COLUMNS)}, updated_at = now()
    FROM cpu_change AS p
    WHERE p.cpu_id = cpu.id AND NOT p.superseded AND p.differs
    """)

# A slug that is in use gets the first free number as suffix. The unnumbered slugs of all new rows are reserved first,
# so that a numbered slug ("x-2") never equals the unnumbered slug of another row.
ASSIGN_SLUGS = text(r"""
    WITH base AS (
        SELECT line, coalesce(nullif(trim(BOTH '-' FROM regexp_replace(
            replace(lower(name), '+', ' plus '), '[^[\:alnum\:]]+', '-', 'g')), ''), 'cpu') AS slug
        FROM cpu_change
        WHERE cpu_id IS NULL AND NOT superseded
    ), checked AS (
        SELECT line, slug, row_number() OVER (PARTITION BY slug ORDER BY line) = 1
            AND NOT EXISTS (SELECT FROM cpu WHERE cpu.slug = base.slug) AS free
        FROM base
    ), reserved AS (
        SELECT slug FROM cpu UNION SELECT slug FROM base
    ), conflict AS (
        SELECT slug, count(*) AS needed FROM checked WHERE NOT free GROUP BY slug
    ), candidate AS (
        SELECT c.slug, c.slug || '-' || n AS numbered_slug, row_number() OVER (PARTITION BY c.slug ORDER BY n) AS number
        FROM conflict AS c
        CROSS JOIN LATERAL generate_series(
            2, 1 + c.needed + (SELECT count(*) FROM reserved WHERE starts_with(reserved.slug, c.slug || '-'))) AS n
        WHERE c.slug || '-' || n NOT IN (SELECT slug FROM reserved)
    ), assigned AS (
        SELECT line, slug FROM checked WHERE free
        UNION ALL
        SELECT line, candidate.numbered_slug
        FROM (SELECT line, slug, row_number() OVER (PARTITION BY slug ORDER BY line) AS number
              FROM checked WHERE NOT free) AS conflicting
        JOIN candidate USING (slug, number)
    )
    UPDATE cpu_change SET slug = assigned.slug FROM assigned WHERE assigned.line = cpu_change.line
    """)

INSERT = text(f"""
    INSERT INTO cpu (slug, {", ".join(COLUMNS)})
    SELECT slug, {", ".join(COLUMNS)} FROM cpu_change
    WHERE cpu_id IS NULL AND NOT superseded
    ORDER BY line
    """)


async def lock_cpu_writers(tx: Transaction) -> None:
    """Take the lock of CPU writers until the transaction ends. Recalculations and other imports wait for it."""
    await tx.execute(LOCK, {"key": CPU_WRITERS_LOCK})


async def count_superseded(session: Session) -> int:
    """Return the number of accepted rows that a later row of the file replaces."""
    return int(await session.scalar(COUNT_SUPERSEDED))


async def merge(tx: Transaction) -> tuple[int, int]:
    """Write `cpu_change` to `cpu`; return the numbers of CPUs created and updated.

    The triggers of `cpu` run here: their function `update_cpu_statistics` refreshes `cpu_statistics`, and
    `log_cpu_changes` adds new CPUs and CPUs with new marks to `data_change_log`, so that a worker recalculates them.
    """
    updated = (await tx.execute(UPDATE)).rowcount
    await tx.execute(ASSIGN_SLUGS)
    created = (await tx.execute(INSERT)).rowcount
    return created, updated
