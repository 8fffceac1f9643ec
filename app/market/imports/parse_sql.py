"""How the rows of a file read: `staged` text to typed values, and the reason to reject a row.

Two queries, of a file of listings and of a price snapshot, with the same columns: line, reason, cpu_id, title, url,
marketplace, seller, vendor_item_id, condition_meaning, status_meaning, price_value, shipping_value, currency,
seen_value, and what the title tells of parts (a snapshot's names tell of none), quantity, flags and being broken.
OFFSET 0 keeps the planner from copying an expression into every place that uses it.
"""

from __future__ import annotations

from app.bulk_import.staging import as_number, shown
from app.market.vocabulary import CONDITIONS, STATUSES
from app.valuation.currencies import CURRENCIES

LISTING_COLUMNS = (
    "title", "cpu", "price", "currency", "condition", "marketplace", "seller", "vendor_item_id", "url", "status",
    "seen_at", "shipping",
)  # fmt: skip
REQUIRED = ("title", "cpu", "price", "marketplace")
SNAPSHOT_COLUMNS = ("name", "price")
SNAPSHOT_MARKETPLACE = "pc-part-dataset"

# Characters.
LONGEST = {"title": 1000, "cpu": 200, "marketplace": 100, "seller": 200, "vendor_item_id": 200, "url": 2000}
LARGEST_PRICE = "99999999.99"

# Without its digits a time in ISO 8601 is one of these. PostgreSQL itself reads much more ("yesterday", "Jan 5").
_ISO_TIMES = [""] + [
    f"{t}{seconds}{zone}"
    for t in ("T:", " :")
    for seconds in ("", ":", ":.")
    for zone in ("", "Z", "+", "-", "+:", "-:")
]
# The usual form comes first because it is told much faster.
_IS_TIME = f"""(
    (seen_at LIKE '____-__-__T__:__:__Z' OR (length(seen_at) <= 40 AND seen_at LIKE '____-__-__%'
        AND translate(seen_at, '0123456789', '') IN ({", ".join(f"'--{time}'" for time in _ISO_TIMES)})))
    AND pg_input_is_valid(seen_at, 'timestamptz'))""".replace(":", r"\:")

# CPUs by what a file may call them, in lower case. PassMark prints "Intel Core i5-650 @ 3.20GHz": a name without that
# suffix finds the CPU when no other differs in the suffix alone.
ALIAS_CPUS = """
CREATE TEMP TABLE cpu_alias ON COMMIT DROP AS
SELECT DISTINCT ON (alias) alias, cpu_id, place = 1 AS is_name
FROM (
    SELECT lower(name) AS alias, id AS cpu_id, 1 AS place FROM cpu
    UNION ALL SELECT slug, id, 2 FROM cpu
    UNION ALL SELECT regexp_replace(lower(name), ' *@.*$', ''), min(id), 3
        FROM cpu WHERE name LIKE '%@%' GROUP BY 1 HAVING count(*) = 1
) AS aliases
ORDER BY alias, place
"""


# The CPU of each name in a chunk, or why it has none; as a table because what no alias finds is matched like a title.
NAMED_CPUS = "CREATE TEMP TABLE named_cpu (written text, cpu_id bigint, doubt text) ON COMMIT DROP"

# What the titles in a chunk tell of what is offered beside the CPU, as columns of `listing`.
TOLD_PARTS = """
CREATE TEMP TABLE told_part (
    told text, memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text,
    quantity integer, flags text[], broken boolean
) ON COMMIT DROP
"""

_DOUBT = "coalesce(doubt, 'it was not looked at')"  # a reason that were null would let the row pass


def _name_cpus(written: str, extra: str) -> str:
    """Fills `named_cpu` for these names in `staged`; where the whole finds none, without what `extra` matches."""
    return rf"""
        INSERT INTO named_cpu (written, cpu_id)
        SELECT written, coalesce(whole.cpu_id, stripped.cpu_id)
        FROM (
            SELECT written, lower(regexp_replace(written, '\s+', ' ', 'g')) AS name
            FROM (
                SELECT DISTINCT {written} AS written FROM staged WHERE length({written}) <= {LONGEST["title"]}
            ) AS names
        ) AS spelled
        LEFT JOIN cpu_alias AS whole ON whole.alias = name
        LEFT JOIN cpu_alias AS stripped ON stripped.is_name AND stripped.alias = regexp_replace(name, '{extra}', '')
        """


def _wrong_amount(column: str) -> str:
    """Cases for what can be wrong with an amount of money that is there."""
    return f"""
        WHEN {column} IS NOT NULL AND {column}_value IS NULL THEN '{column} ' || {shown(column)} || ' is not a number'
        WHEN {column}_value < 0 THEN '{column} ' || left({column}, 80) || ' is negative'
        WHEN {column}_value > {LARGEST_PRICE} THEN '{column} ' || left({column}, 80) || ' is more than {LARGEST_PRICE}'
    """


def _wrong_word(column: str, words: dict[str, str]) -> str:
    """Case for a word that is not in the vocabulary."""
    usual = ", ".join(dict.fromkeys(words.values()))
    wrong = f"{column} IS NOT NULL AND {column}_meaning IS NULL"
    return f"WHEN {wrong} THEN '{column} ' || {shown(column)} || ' is none of {usual}'"


def _too_long(*columns: str) -> str:
    """Cases for columns that hold more than anyone writes; most are short in bytes already, which is told faster."""
    return " ".join(
        f"WHEN octet_length({name}) > {LONGEST[name]} AND length({name}) > {LONGEST[name]} "
        f"THEN '{name} is longer than {LONGEST[name]} characters'"
        for name in columns
    )


def _look_up(column: str, words: dict[str, str]) -> str:
    """Joins the meaning of a word."""
    rows = ", ".join(f"('{spelling}', '{meaning}')" for spelling, meaning in words.items())
    return f"LEFT JOIN (VALUES {rows}) AS {column}_word (spelling, meaning) ON {column}_word.spelling = lower({column})"


# A row without a CPU has a title.
NAME_LISTING_CPUS = _name_cpus("coalesce(cpu, title)", " *@ *[0-9.]+ *ghz$")

LISTING_ROWS = f"""
SELECT *, CASE
    WHEN fault IS NOT NULL THEN fault
    {_too_long(*LONGEST)}
    WHEN title IS NULL THEN 'title is empty'
    WHEN cpu IS NULL AND cpu_id IS NULL THEN 'cpu is empty, and the title does not help\\: ' || {_DOUBT}
    WHEN cpu_id IS NULL THEN 'unknown CPU ' || {shown("cpu")} || '\\: ' || {_DOUBT}
    WHEN price IS NULL THEN 'price is empty'
    {_wrong_amount("price")}
    WHEN currency <> ALL (string_to_array('{CURRENCIES}', ' ')) THEN 'unknown currency ' || {shown("currency")}
    {_wrong_word("condition", CONDITIONS)}
    WHEN marketplace IS NULL THEN 'marketplace is empty'
    WHEN lower(left(url, 7)) <> 'http\\://' AND lower(left(url, 8)) <> 'https\\://'
        THEN 'url ' || {shown("url")} || ' does not begin with http\\:// or https\\://'
    {_wrong_word("status", STATUSES)}
    WHEN seen_at IS NOT NULL AND seen_value IS NULL THEN 'seen_at ' || {shown("seen_at")} || ' is not an ISO 8601 time'
    WHEN seen_value > now() + interval '1 day' THEN 'seen_at ' || {shown("seen_at")} || ' is in the future'
    {_wrong_amount("shipping")}
END AS reason
FROM (
    SELECT
        line, fault, raw, title, cpu, marketplace, seller, vendor_item_id, url,
        price, shipping, condition, status, seen_at,
        upper(currency) AS currency,
        round({as_number("price")}, 2) AS price_value,
        round({as_number("shipping")}, 2) AS shipping_value,
        CASE WHEN {_IS_TIME} THEN seen_at::timestamptz END AS seen_value,
        condition_word.meaning AS condition_meaning,
        status_word.meaning AS status_meaning,
        named_cpu.cpu_id, named_cpu.doubt,
        memory_gb, memory_kind, storage, graphics, operating_system, quantity, told_part.flags, broken
    FROM staged
    LEFT JOIN named_cpu ON written = coalesce(cpu, title)
    LEFT JOIN told_part ON told = title
    {_look_up("condition", CONDITIONS)}
    {_look_up("status", STATUSES)}
    OFFSET 0
) AS parsed
"""

_PROCESS = r" *\([0-9]+nm\)$"  # of which a shop has the same chip twice

NAME_SNAPSHOT_CPUS = _name_cpus("name", _PROCESS)

# A row without a price says that the part was not on sale: it is no offer.
# `newest` is the latest snapshot imported so far: what an older one offers has ended by then.
SNAPSHOT_ROWS = f"""
SELECT *, CASE
    WHEN fault IS NOT NULL THEN fault
    WHEN name IS NULL THEN 'name is empty'
    WHEN length(name) > {LONGEST["vendor_item_id"]} THEN 'name is longer than {LONGEST["vendor_item_id"]} characters'
    {_wrong_amount("price")}
    WHEN price IS NOT NULL AND cpu_id IS NULL THEN 'unknown CPU ' || {shown("name")} || '\\: ' || {_DOUBT}
END AS reason
FROM (
    SELECT
        line, fault, raw, price, name, name AS title, name AS vendor_item_id, NULL AS url, NULL AS seller,
        '{SNAPSHOT_MARKETPLACE}' AS marketplace, 'USD' AS currency, 'new' AS condition_meaning,
        CASE WHEN newest > CAST(:seen_at AS timestamptz) THEN 'ended' ELSE 'active' END AS status_meaning,
        round({as_number("price")}, 2) AS price_value,
        NULL::numeric AS shipping_value,
        CAST(:seen_at AS timestamptz) AS seen_value,
        named_cpu.cpu_id, named_cpu.doubt,
        NULL::integer AS memory_gb, NULL AS memory_kind, NULL::jsonb AS storage, NULL AS graphics,
        NULL AS operating_system, NULL::integer AS quantity, NULL::text[] AS flags, NULL::boolean AS broken
    FROM staged
    CROSS JOIN (SELECT max(seen_at) AS newest FROM listing WHERE marketplace = '{SNAPSHOT_MARKETPLACE}') AS earlier
    LEFT JOIN named_cpu ON written = name
    OFFSET 0
) AS parsed
"""
