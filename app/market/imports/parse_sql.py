r"""Queries that parse the rows of an import: text in `staged` to typed values, or the reason to reject a row.

LISTING_ROWS parses a file of listings, SNAPSHOT_ROWS a price snapshot. Both return the same columns: line, reason,
cpu_id, title, url, marketplace, seller, vendor_item_id, condition_meaning, status_meaning, price_value,
shipping_value, currency, seen_value, and the attributes that a title mentions (none for snapshots).

They join three temporary tables, which live until the end of the transaction:

- `cpu_alias(alias, cpu_id, is_name)`: names and slugs of CPUs in lower case; CREATE_CPU_ALIAS, read by the two below.
- `cpu_match(written_name, cpu_id, no_match_reason)`: the CPU of each name in the staged chunk; CREATE_CPU_MATCH, filled
  by FIND_LISTING_CPUS or FIND_SNAPSHOT_CPUS and then by `merge_sql.save_name_matches`.
- `title_attribute(listing_title, ...)`: attributes of the titles in the staged chunk; CREATE_TITLE_ATTRIBUTE, filled by
  `merge_sql.save_title_attributes`.

OFFSET 0 keeps the planner from copying an expression into every place that uses it. Colons are escaped for
`sqlalchemy.text`, as `\:`.
"""

from __future__ import annotations

from app.bulk_import.staging import parse_number_sql, quoted_sql
from app.market.vocabulary import CONDITION_BY_WORD, STATUS_BY_WORD
from app.valuation.currencies import CURRENCIES

LISTING_COLUMNS = (
    "title", "cpu", "price", "currency", "condition", "marketplace", "seller", "vendor_item_id", "url", "status",
    "seen_at", "shipping",
)  # fmt: skip
REQUIRED = ("title", "cpu", "price", "marketplace")
SNAPSHOT_COLUMNS = ("name", "price")
SNAPSHOT_MARKETPLACE = "pc-part-dataset"

# Characters.
MAX_LENGTHS = {"title": 1000, "cpu": 200, "marketplace": 100, "seller": 200, "vendor_item_id": 200, "url": 2000}
MAX_PRICE = "99999999.99"

# An ISO 8601 time without its digits is one of these. PostgreSQL accepts much more ("yesterday", "Jan 5").
_ISO_TIMES = [""] + [
    f"{t}{seconds}{zone}"
    for t in ("T:", " :")
    for seconds in ("", ":", ":.")
    for zone in ("", "Z", "+", "-", "+:", "-:")
]
# The most frequent form comes first, because LIKE is much faster than translate().
_IS_TIME = f"""(
    (seen_at LIKE '____-__-__T__:__:__Z' OR (length(seen_at) <= 40 AND seen_at LIKE '____-__-__%'
        AND translate(seen_at, '0123456789', '') IN ({", ".join(f"'--{time}'" for time in _ISO_TIMES)})))
    AND pg_input_is_valid(seen_at, 'timestamptz'))""".replace(":", r"\:")

# PassMark names a CPU "Intel Core i5-650 @ 3.20GHz". The name without the clock is an alias if it is unambiguous. Names
# take precedence over slugs, and both over names without clock.
CREATE_CPU_ALIAS = """
CREATE TEMP TABLE cpu_alias ON COMMIT DROP AS
SELECT DISTINCT ON (alias) alias, cpu_id, precedence = 1 AS is_name
FROM (
    SELECT lower(name) AS alias, id AS cpu_id, 1 AS precedence FROM cpu
    UNION ALL SELECT slug, id, 2 FROM cpu
    UNION ALL SELECT regexp_replace(lower(name), ' *@.*$', ''), min(id), 3
        FROM cpu WHERE name LIKE '%@%' GROUP BY 1 HAVING count(*) = 1
) AS aliases
ORDER BY alias, precedence
"""

# A table and not a subquery, because names without an alias are matched in Python.
CREATE_CPU_MATCH = """
CREATE TEMP TABLE cpu_match (written_name text, cpu_id bigint, no_match_reason text) ON COMMIT DROP
"""

CREATE_TITLE_ATTRIBUTE = """
CREATE TEMP TABLE title_attribute (
    listing_title text, memory_gb integer, memory_kind text, storage jsonb, graphics text, operating_system text,
    quantity integer, flags text[], broken boolean
) ON COMMIT DROP
"""

# Never null: a null reason would accept the row.
_NO_MATCH_REASON = "coalesce(no_match_reason, 'it was not matched')"


def _find_cpus(written_name: str, suffix: str) -> str:
    """Return the statement that fills `cpu_match` for the values of this expression over `staged`.

    A name without an alias is looked up again without the `suffix`, a regular expression.
    """
    return rf"""
        INSERT INTO cpu_match (written_name, cpu_id)
        SELECT written_name, coalesce(whole.cpu_id, stripped.cpu_id)
        FROM (
            SELECT written_name, lower(regexp_replace(written_name, '\s+', ' ', 'g')) AS name
            FROM (
                SELECT DISTINCT {written_name} AS written_name FROM staged
                WHERE length({written_name}) <= {MAX_LENGTHS["title"]}
            ) AS names
        ) AS normalized
        LEFT JOIN cpu_alias AS whole ON whole.alias = name
        LEFT JOIN cpu_alias AS stripped ON stripped.is_name AND stripped.alias = regexp_replace(name, '{suffix}', '')
        """


def _amount_errors(column: str) -> str:
    """Return the CASE branches for an invalid amount of money."""
    return f"""
        WHEN {column} IS NOT NULL AND {column}_value IS NULL
            THEN '{column} ' || {quoted_sql(column)} || ' is not a number'
        WHEN {column}_value < 0 THEN '{column} ' || left({column}, 80) || ' is negative'
        WHEN {column}_value > {MAX_PRICE} THEN '{column} ' || left({column}, 80) || ' is more than {MAX_PRICE}'
    """


def _word_error(column: str, words: dict[str, str]) -> str:
    """Return the CASE branch for a word that is not in the vocabulary."""
    meanings = ", ".join(dict.fromkeys(words.values()))
    is_unknown = f"{column} IS NOT NULL AND {column}_meaning IS NULL"
    return f"WHEN {is_unknown} THEN '{column} ' || {quoted_sql(column)} || ' is not one of {meanings}'"


def _length_errors(*columns: str) -> str:
    """Return the CASE branches for texts that are too long.

    octet_length() is an upper bound of length() and much faster.
    """
    return " ".join(
        f"WHEN octet_length({name}) > {MAX_LENGTHS[name]} AND length({name}) > {MAX_LENGTHS[name]} "
        f"THEN '{name} is longer than {MAX_LENGTHS[name]} characters'"
        for name in columns
    )


def _join_meaning(column: str, words: dict[str, str]) -> str:
    """Return the join that adds the meaning of a word in this column."""
    rows = ", ".join(f"('{word}', '{meaning}')" for word, meaning in words.items())
    return f"LEFT JOIN (VALUES {rows}) AS {column}_word (word, meaning) ON {column}_word.word = lower({column})"


# The CPU of a row without `cpu` is found by the title.
FIND_LISTING_CPUS = _find_cpus("coalesce(cpu, title)", " *@ *[0-9.]+ *ghz$")

LISTING_ROWS = f"""
SELECT *, CASE
    WHEN fault IS NOT NULL THEN fault
    {_length_errors(*MAX_LENGTHS)}
    WHEN title IS NULL THEN 'title is empty'
    WHEN cpu IS NULL AND cpu_id IS NULL
        THEN 'cpu is empty, and the title names no CPU\\: ' || {_NO_MATCH_REASON}
    WHEN cpu_id IS NULL THEN 'unknown CPU ' || {quoted_sql("cpu")} || '\\: ' || {_NO_MATCH_REASON}
    WHEN price IS NULL THEN 'price is empty'
    {_amount_errors("price")}
    WHEN currency <> ALL (string_to_array('{CURRENCIES}', ' ')) THEN 'unknown currency ' || {quoted_sql("currency")}
    {_word_error("condition", CONDITION_BY_WORD)}
    WHEN marketplace IS NULL THEN 'marketplace is empty'
    WHEN lower(left(url, 7)) <> 'http\\://' AND lower(left(url, 8)) <> 'https\\://'
        THEN 'url ' || {quoted_sql("url")} || ' does not begin with http\\:// or https\\://'
    {_word_error("status", STATUS_BY_WORD)}
    WHEN seen_at IS NOT NULL AND seen_value IS NULL
        THEN 'seen_at ' || {quoted_sql("seen_at")} || ' is not an ISO 8601 time'
    WHEN seen_value > now() + interval '1 day' THEN 'seen_at ' || {quoted_sql("seen_at")} || ' is in the future'
    {_amount_errors("shipping")}
END AS reason
FROM (
    SELECT
        line, fault, raw, title, cpu, marketplace, seller, vendor_item_id, url,
        price, shipping, condition, status, seen_at,
        upper(currency) AS currency,
        round({parse_number_sql("price")}, 2) AS price_value,
        round({parse_number_sql("shipping")}, 2) AS shipping_value,
        CASE WHEN {_IS_TIME} THEN seen_at::timestamptz END AS seen_value,
        condition_word.meaning AS condition_meaning,
        status_word.meaning AS status_meaning,
        cpu_match.cpu_id, cpu_match.no_match_reason,
        memory_gb, memory_kind, storage, graphics, operating_system, quantity, title_attribute.flags, broken
    FROM staged
    LEFT JOIN cpu_match ON written_name = coalesce(cpu, title)
    LEFT JOIN title_attribute ON listing_title = title
    {_join_meaning("condition", CONDITION_BY_WORD)}
    {_join_meaning("status", STATUS_BY_WORD)}
    OFFSET 0
) AS parsed
"""

# Shops list the same chip several times, with the process in the name: "AMD Ryzen 5 1600 (14nm)".
_PROCESS_SUFFIX = r" *\([0-9]+nm\)$"

FIND_SNAPSHOT_CPUS = _find_cpus("name", _PROCESS_SUFFIX)

# A row without a price says that the part was not on sale and is not an offer. `newest` is the latest snapshot imported
# so far: offers of an older snapshot have ended.
SNAPSHOT_ROWS = f"""
SELECT *, CASE
    WHEN fault IS NOT NULL THEN fault
    WHEN name IS NULL THEN 'name is empty'
    WHEN length(name) > {MAX_LENGTHS["vendor_item_id"]}
        THEN 'name is longer than {MAX_LENGTHS["vendor_item_id"]} characters'
    {_amount_errors("price")}
    WHEN price IS NOT NULL AND cpu_id IS NULL
        THEN 'unknown CPU ' || {quoted_sql("name")} || '\\: ' || {_NO_MATCH_REASON}
END AS reason
FROM (
    SELECT
        line, fault, raw, price, name, name AS title, name AS vendor_item_id, NULL AS url, NULL AS seller,
        '{SNAPSHOT_MARKETPLACE}' AS marketplace, 'USD' AS currency, 'new' AS condition_meaning,
        CASE WHEN newest > CAST(:seen_at AS timestamptz) THEN 'ended' ELSE 'active' END AS status_meaning,
        round({parse_number_sql("price")}, 2) AS price_value,
        NULL::numeric AS shipping_value,
        CAST(:seen_at AS timestamptz) AS seen_value,
        cpu_match.cpu_id, cpu_match.no_match_reason,
        NULL::integer AS memory_gb, NULL AS memory_kind, NULL::jsonb AS storage, NULL AS graphics,
        NULL AS operating_system, NULL::integer AS quantity, NULL::text[] AS flags, NULL::boolean AS broken
    FROM staged
    CROSS JOIN (SELECT max(seen_at) AS newest FROM listing WHERE marketplace = '{SNAPSHOT_MARKETPLACE}') AS stored
    LEFT JOIN cpu_match ON written_name = name
    OFFSET 0
) AS parsed
"""
