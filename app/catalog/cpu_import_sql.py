"""Statements of an import of CPUs: staged rows are read into `read_cpu`, matched into `part`, merged into `cpu`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable, text

from app.bulk_import.staging import as_number, cells, shown
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Tx
from app.resources import Session

TEXTS = ("manufacturer", "socket", "category", "igpu_model")
# Whole numbers and the range that makes sense for each.
NUMBERS = {
    "cores": (1, 100_000),
    "threads": (1, 100_000),
    "tdp_w": (1, 10_000),
    "release_year": (1970, 2100),
    "cpu_mark_multi": (0, 100_000_000),
    "cpu_mark_single": (0, 100_000_000),
    "igpu_mark": (0, 100_000_000),
}
COLUMNS = (
    "name", "manufacturer", "socket", "category", "cores", "threads", "tdp_w", "release_year",
    "cpu_mark_multi", "cpu_mark_single", "igpu_model", "igpu_mark",
)  # fmt: skip
# Also keeps a name well below what an index entry can hold.
LONGEST_TEXT = 200

# The first word of a name, in lower case -> the manufacturer, in one spelling.
MAKERS = {
    **{maker.lower(): maker for maker in (
        "Allwinner", "AMD", "Amlogic", "Ampere", "Apple", "ARM", "Broadcom", "Google", "HiSilicon", "Hygon", "IBM",
        "Intel", "Loongson", "Marvell", "MediaTek", "Microsoft", "Montage", "NVIDIA", "NXP", "Qualcomm", "Rockchip",
        "Samsung", "Spreadtrum", "Synaptics", "Transmeta", "Unisoc", "VIA", "Zhaoxin",
    )},
    "athlon": "AMD", "sempron": "AMD", "ryzen": "AMD", "opteron": "AMD", "phenom": "AMD", "epyc": "AMD",
    "celeron": "Intel", "pentium": "Intel", "xeon": "Intel", "core": "Intel",
    "qti": "Qualcomm", "qct": "Qualcomm", "snapdragon": "Qualcomm",
    "cyrix": "VIA", "centaurhauls": "VIA",
}  # fmt: skip

_COLLAPSED = r"regexp_replace(name, '\s+', ' ', 'g')"
# "[Dual CPU] Intel Xeon" and "Mobile Intel Celeron" are Intel's.
_FIRST_WORD = r"lower(substring({name} from '^(?:\[[^]]*\] *)?(?:[Mm]obile +)?([^ ]+)'))"


def _reason() -> str:
    """The first thing that is wrong with a row, in the order of the columns."""
    cases = [
        "WHEN fault IS NOT NULL THEN fault",
        "WHEN name IS NULL THEN 'name is empty'",
        *(
            f"WHEN length({column}) > {LONGEST_TEXT} THEN '{column} is longer than {LONGEST_TEXT} characters'"
            for column in ("name", *TEXTS)
        ),
    ]
    for column, (low, high) in NUMBERS.items():
        no_number = f"'{column} ' || {shown(column)} || ' is not a number'"
        outside = f"'{column} ' || left({column}, 80) || ' is not between {low} and {high}'"
        whole = f"'{column} ' || left({column}, 80) || ' is not a whole number'"
        cases += [
            f"WHEN {column} IS NOT NULL AND {as_number(column)} IS NULL THEN {no_number}",
            # Makers give watts with decimals; they are rounded.
            *([f"WHEN {as_number(column)} % 1 <> 0 THEN {whole}"] if column != "tdp_w" else []),
            f"WHEN NOT round({as_number(column)}) BETWEEN {low} AND {high} THEN {outside}",
        ]
    return f"CASE {' '.join(cases)} END"


def read(columns: Sequence[str]) -> str:
    """What staged rows of a file with these columns say: typed values, or the reason to reject the row."""
    numbers = ", ".join(
        f"CASE WHEN reason IS NULL THEN round({as_number(column)})::integer END AS {column}" for column in NUMBERS
    )
    return f"""
        SELECT line, reason, {cells(columns)} AS cells, {_COLLAPSED} AS name, {", ".join(TEXTS)}, {numbers}
        FROM (SELECT *, {_reason()} AS reason FROM staged OFFSET 0) AS judged
        """


def match(present: Sequence[str]) -> Executable:
    """Makes `part` of the good rows of `read_cpu`: values, the CPU that a row describes and whether it changes that.

    Columns that are not `present` in the file keep the stored value. Of several rows about a CPU the last one counts.
    """
    makers = ", ".join(f"('{word}', '{maker}')" for word, maker in MAKERS.items())
    given = {column: f"p.{column}" if column in present else f"cpu.{column}" for column in COLUMNS}
    derived = "coalesce(maker.name, 'Unknown')"
    given["manufacturer"] = f"coalesce({given['manufacturer']}, {derived})"
    stored = ", ".join(f"cpu.{column}" for column in COLUMNS)
    return text(f"""
        CREATE TEMP TABLE part ON COMMIT DROP AS
        SELECT
            line, cpu.id AS cpu_id, NULL::text AS slug,
            {", ".join(f"{given[column]} AS {column}" for column in COLUMNS)},
            lead(line) OVER (PARTITION BY lower(p.name) ORDER BY line) IS NOT NULL AS superseded,
            ({", ".join(given[column] for column in COLUMNS)}) IS DISTINCT FROM ({stored}) AS differs
        FROM read_cpu AS p
        LEFT JOIN cpu ON lower(cpu.name) = lower(p.name)
        LEFT JOIN (VALUES {makers}) AS maker (word, name) ON maker.word = {_FIRST_WORD.format(name="p.name")}
        WHERE reason IS NULL
        """)


LOCK = text("SELECT pg_advisory_xact_lock(:key)")

COUNT_SUPERSEDED = text("SELECT count(*) FROM part WHERE superseded")

UPDATE = text(f"""
    UPDATE cpu SET {", ".join(f"{column} = p.{column}" for column in COLUMNS)}, updated_at = now()
    FROM part AS p
    WHERE p.cpu_id = cpu.id AND NOT p.superseded AND p.differs
    """)

# A slug that is taken gets the first free number. The plain slugs of the new rows are all set aside first, so that
# the number given to one ("x-2") is never the plain slug of another.
NAME_SLUGS = text(r"""
    WITH base AS (
        SELECT line, coalesce(nullif(trim(BOTH '-' FROM regexp_replace(
            replace(lower(name), '+', ' plus '), '[^[\:alnum\:]]+', '-', 'g')), ''), 'cpu') AS slug
        FROM part
        WHERE cpu_id IS NULL AND NOT superseded
    ), numbered AS (
        SELECT line, slug, row_number() OVER (PARTITION BY slug ORDER BY line) = 1
            AND NOT EXISTS (SELECT FROM cpu WHERE cpu.slug = base.slug) AS free
        FROM base
    ), taken AS (
        SELECT slug FROM cpu UNION SELECT slug FROM base
    ), crowded AS (
        SELECT slug, count(*) AS wanted FROM numbered WHERE NOT free GROUP BY slug
    ), candidate AS (
        SELECT c.slug, c.slug || '-' || n AS numbered, row_number() OVER (PARTITION BY c.slug ORDER BY n) AS place
        FROM crowded AS c
        CROSS JOIN LATERAL generate_series(
            2, 1 + c.wanted + (SELECT count(*) FROM taken WHERE starts_with(taken.slug, c.slug || '-'))) AS n
        WHERE c.slug || '-' || n NOT IN (SELECT slug FROM taken)
    ), given AS (
        SELECT line, slug FROM numbered WHERE free
        UNION ALL
        SELECT line, candidate.numbered
        FROM (SELECT line, slug, row_number() OVER (PARTITION BY slug ORDER BY line) AS place
              FROM numbered WHERE NOT free) AS waiting
        JOIN candidate USING (slug, place)
    )
    UPDATE part SET slug = given.slug FROM given WHERE given.line = part.line
    """)

INSERT = text(f"""
    INSERT INTO cpu (slug, {", ".join(COLUMNS)})
    SELECT slug, {", ".join(COLUMNS)} FROM part
    WHERE cpu_id IS NULL AND NOT superseded
    ORDER BY line
    """)


async def lock(tx: Tx) -> None:
    """Waits until no recalculation and no other import is writing CPUs, and keeps them waiting."""
    await tx.execute(LOCK, {"key": CPU_WRITERS_LOCK})


async def superseded(session: Session) -> int:
    """How many good rows another row of the file follows."""
    return int(await session.scalar(COUNT_SUPERSEDED))


async def merge(tx: Tx) -> tuple[int, int]:
    """Writes what changes. The numbers of CPUs created and updated."""
    updated = (await tx.execute(UPDATE)).rowcount
    await tx.execute(NAME_SLUGS)
    created = (await tx.execute(INSERT)).rowcount
    return created, updated
