"""Statements that read CPUs. Builders return statements and do not execute them, so that tests can EXPLAIN them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    Numeric,
    Select,
    Text,
    all_,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.types import TypeEngine

from app.db.pagination import Keyset, PageRequest, PageShape, SortKey
from app.db.statements import BoundStatement
from app.db.tables import (
    DISPLAY_EXPRESSIONS,
    MIN_SAMPLE_SIZE_BY_CONFIDENCE,
    cpu,
    cpu_statistics,
    listing,
    recalculation_failure,
    recalculation_watermark,
)

# When the figures of a CPU were last computed. A recalculation writes only rows with changed figures, so this is the
# later of the row's own time and the time of the last full recalculation. A CPU that failed then has its own time.
COMPUTED_AT = case(
    (cpu.c.figures_computed_at.is_(None), None),
    (exists().where(recalculation_failure.c.cpu_id == cpu.c.id), cpu.c.figures_computed_at),
    else_=func.greatest(cpu.c.figures_computed_at, select(recalculation_watermark.c.full_at).scalar_subquery()),
).label("computed_at")

LISTINGS_COUNT = (
    select(func.count())
    .where(listing.c.cpu_id == cpu.c.id, listing.c.status == text("'active'"))
    .correlate(cpu)
    .scalar_subquery()
    .label("listings_count")
)

# Name -> expression of every column that GraphQL fields read. Money and ratios are floats, as they are sent to clients.
COLUMNS: dict[str, ColumnElement[Any]] = {
    **{
        column.name: column
        for column in cpu.c
        if column.name not in {"search_text", "figures_computed_at", "created_at", "updated_at"}
        and column.name.removesuffix("_shown") not in DISPLAY_EXPRESSIONS
    },
    **{name: cpu.c[f"{name}_shown"].label(name) for name in DISPLAY_EXPRESSIONS},
    "computed_at": COMPUTED_AT,
    "listings_count": LISTINGS_COUNT,
}

# GraphQL enum value of CPUOrderField -> column to order by. The number of listings is missing on purpose: it is counted
# per CPU of a page, and an ordering would count the listings of all CPUs for each page. SAMPLE_SIZE, the number of
# listings with a price that counts, is a stored column.
ORDERABLE: dict[str, ColumnElement[Any]] = {
    "NAME": cpu.c.name,
    "MANUFACTURER": cpu.c.manufacturer,
    "SOCKET": cpu.c.socket,
    "CATEGORY": cpu.c.category,
    "CORES": cpu.c.cores,
    "THREADS": cpu.c.threads,
    "TDP_W": cpu.c.tdp_w,
    "RELEASE_YEAR": cpu.c.release_year,
    "CPU_MARK_MULTI": cpu.c.cpu_mark_multi,
    "CPU_MARK_SINGLE": cpu.c.cpu_mark_single,
    "IGPU_MODEL": cpu.c.igpu_model,
    "IGPU_MARK": cpu.c.igpu_mark,
    "PRICE_GREAT": cpu.c.price_great,
    "PRICE_GOOD": cpu.c.price_good,
    "PRICE_FAIR": cpu.c.price_fair,
    "PRICE_STDDEV": cpu.c.price_stddev,
    "SAMPLE_SIZE": cpu.c.price_sample_size,
    "DOLLAR_PER_MARK_MULTI": cpu.c.dollar_per_mark_multi,
    "DOLLAR_PER_MARK_SINGLE": cpu.c.dollar_per_mark_single,
    "PERCENTILE": cpu.c.value_percentile,
    "PERCENTILE_SINGLE": cpu.c.value_percentile_single,
}


@dataclass(frozen=True)
class Range:
    """Range that includes both bounds; None means no bound. A null value is outside every range."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CpuFilter:
    """Conditions on CPUs, which must all hold; None and empty mappings mean no condition.

    `search` holds words that must all occur in the name. `one_of` maps a text column to accepted values, `ranges` a
    numeric column to a range. `confidence` lists keys of MIN_SAMPLE_SIZE_BY_CONFIDENCE. `with_listings` requires active
    listings (True) or their absence (False).
    """

    search: str | None = None
    one_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    has_igpu: bool | None = None
    confidence: Sequence[str] | None = None
    with_listings: bool | None = None


# Columns of a point of the price map.
PRICE_MAP_COLUMNS: dict[str, ColumnElement[Any]] = {
    name: COLUMNS[name]
    for name in (
        "id", "name", "slug", "manufacturer", "price_good", "cpu_mark_multi", "cpu_mark_single", "value_rating",
    )
}  # fmt: skip
# More than there are CPUs with a price.
MAX_PRICE_MAP_POINTS = 10_000

# Column -> weight in the difference of two CPUs. If either value is unknown, the CPUs count as different by this ratio,
# that is, as if one value were half of the other.
SIMILARITY_WEIGHTS = {"cpu_mark_multi": 3, "cpu_mark_single": 2, "cores": 1, "tdp_w": 1, "price_good": 1}
UNKNOWN_VALUE_RATIO = 2

# Input of the title matcher.
CPU_NAMES = select(cpu.c.id, cpu.c.name, cpu.c.slug).order_by(cpu.c.id)


class FilterShape(NamedTuple):
    """The part of a filter that determines the SQL text, without the values: the key of the statement caches.

    `at_least` and `at_most` name the columns with a lower and an upper bound.
    """

    search: bool = False
    one_of: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    at_most: tuple[str, ...] = ()
    has_igpu: bool = False
    confidence: tuple[str, ...] | None = None
    with_listings: bool | None = None


@lru_cache(maxsize=512)
def keyset_for(order: tuple[tuple[str, bool], ...]) -> Keyset:
    """Return the keyset for this ordering, pairs of (key of ORDERABLE, descending). The id is the last sort key."""
    keys = [
        SortKey(
            label=column.key or name,
            column=column,
            descending=descending,
            nullable=bool(getattr(column, "nullable", True)),
        )
        for name, descending in order
        for column in [ORDERABLE[name]]
    ]
    return Keyset("cpus", [*keys, SortKey("id", cpu.c.id)])


def select_page(
    conditions: CpuFilter,
    order: Keyset,
    request: PageRequest,
    column_names: frozenset[str] | None = None,
    counted: bool = False,
) -> BoundStatement:
    """Return the statement for a page of CPUs that satisfy the conditions, with these columns (None: all).

    With `counted`, each row has the size of the whole list as `total_count`.
    """
    shape, values = split_filter(conditions)
    page_shape, page_values = order.bind(request)
    statement = _select_page(shape, order, page_shape, column_names, counted)
    return BoundStatement(statement, {**values, **page_values})


@lru_cache(maxsize=512)
def _select_page(
    shape: FilterShape, order: Keyset, page_shape: PageShape, column_names: frozenset[str] | None, counted: bool
) -> Select[Any]:
    selected = {column.name: column for column in (*selected_columns(column_names), *order.columns)}
    if counted:
        selected["total_count"] = _select_count(shape).correlate(None).scalar_subquery().label("total_count")
    return order.paginate(select(*selected.values()).where(*where_clauses(shape)), page_shape)


def select_count(conditions: CpuFilter) -> BoundStatement:
    """Return the statement that counts the CPUs that satisfy the conditions.

    Without conditions it reads the count from `cpu_statistics`.
    """
    shape, values = split_filter(conditions)
    return BoundStatement(_select_count(shape), values)


@lru_cache(maxsize=512)
def _select_count(shape: FilterShape) -> Select[Any]:
    if shape == FilterShape():
        return select(cpu_statistics.c.total)
    return select(func.count()).select_from(cpu).where(*where_clauses(shape))


def select_price_map(conditions: CpuFilter, column_names: frozenset[str] | None = None) -> BoundStatement:
    """Return the statement for the CPUs with a good price, cheapest first, with these PRICE_MAP_COLUMNS (None: all)."""
    shape, values = split_filter(conditions)
    return BoundStatement(_select_price_map(shape, column_names), values)


@lru_cache(maxsize=512)
def _select_price_map(shape: FilterShape, column_names: frozenset[str] | None) -> Select[Any]:
    selected = [
        column
        for name, column in PRICE_MAP_COLUMNS.items()
        if column_names is None or name in column_names or name == "id"
    ]
    priced = cpu.c.price_good.is_not(None)
    statement = select(*selected).where(priced, *where_clauses(shape))
    return statement.order_by(cpu.c.price_good, cpu.c.id).limit(MAX_PRICE_MAP_POINTS)


def selected_columns(column_names: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """Return the columns of these names (None: all) and the id."""
    return [column for name, column in COLUMNS.items() if column_names is None or name in column_names or name == "id"]


def split_filter(conditions: CpuFilter) -> tuple[FilterShape, dict[str, Any]]:
    """Split a filter into its shape and the values of its bind parameters."""
    words, ranges = search_words(conditions.search), conditions.ranges
    shape = FilterShape(
        search=bool(words),
        one_of=tuple(conditions.one_of),
        at_least=tuple(name for name, bounds in ranges.items() if bounds.low is not None),
        at_most=tuple(name for name, bounds in ranges.items() if bounds.high is not None),
        has_igpu=conditions.has_igpu is not None,
        confidence=None if conditions.confidence is None else tuple(sorted(set(conditions.confidence))),
        with_listings=conditions.with_listings,
    )
    values: dict[str, Any] = {f"{name}_any": list(accepted) for name, accepted in conditions.one_of.items()}
    values.update((f"{name}_min", ranges[name].low) for name in shape.at_least)
    values.update((f"{name}_max", ranges[name].high) for name in shape.at_most)
    if words:
        values["words"] = [f"%{word}%" for word in words]  # letters and digits only: no LIKE wildcards to escape
    if shape.has_igpu:
        values["has_igpu"] = conditions.has_igpu
    return shape, values


def where_clauses(shape: FilterShape) -> list[ColumnElement[bool]]:
    """Return the WHERE conditions of a filter of this shape."""
    terms: list[ColumnElement[bool]] = []
    if shape.search:
        terms.append(cpu.c.search_text.like(all_(bindparam("words", type_=ARRAY(Text)))))
    terms += [cpu.c[name] == any_(bindparam(f"{name}_any", type_=ARRAY(Text))) for name in shape.one_of]
    terms += [cpu.c[name] >= bindparam(f"{name}_min", type_=_bound_type(name)) for name in shape.at_least]
    terms += [cpu.c[name] <= bindparam(f"{name}_max", type_=_bound_type(name)) for name in shape.at_most]
    if shape.has_igpu:
        terms.append(cpu.c.igpu_model.is_not(None) == bindparam("has_igpu", type_=Boolean))
    if shape.confidence is not None:
        terms.append(or_(False, *(_has_confidence(name) for name in shape.confidence)))
    if shape.with_listings is not None:
        has_listings = exists().where(listing.c.cpu_id == cpu.c.id, listing.c.status == text("'active'"))
        terms.append(has_listings if shape.with_listings else ~has_listings)
    return terms


def _bound_type(name: str) -> TypeEngine[Any]:
    """Return the type of a range bound. NUMERIC columns are compared as floats, because clients see them as floats."""
    column_type = cpu.c[name].type
    return Double() if isinstance(column_type, Numeric) else column_type


def search_words(search: str | None) -> list[str]:
    """Return the words of a search, reduced to lower-case letters and digits like `cpu.search_text`.

    Words that another one contains are left out: they do not change the result, and each takes as long as the others.
    """
    reduced = (re.sub(r"[^\w]+|_", "", word).lower() for word in (search or "").split())
    words = list(dict.fromkeys(word for word in reduced if word))
    return [word for word in words if not any(word in other for other in words if other != word)]


def _has_confidence(name: str) -> ColumnElement[bool]:
    levels = list(MIN_SAMPLE_SIZE_BY_CONFIDENCE)
    enough = cpu.c.price_sample_size >= MIN_SAMPLE_SIZE_BY_CONFIDENCE[name]
    better = levels[: levels.index(name)]
    return and_(enough, cpu.c.price_sample_size < MIN_SAMPLE_SIZE_BY_CONFIDENCE[better[-1]]) if better else enough


@lru_cache(maxsize=512)
def select_by_id(column_names: frozenset[str] | None = None, extra_columns: tuple[Any, ...] = ()) -> Select[Any]:
    """Return the statement for the CPUs with the ids in `:ids`, in any order; `extra_columns` are added."""
    return (
        select(*selected_columns(column_names), *extra_columns)
        .select_from(cpu)
        .where(cpu.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    )


@lru_cache(maxsize=512)
def select_similar(column_names: frozenset[str] | None = None) -> Select[Any]:
    """Return the statement for the `:first` most similar CPUs of each CPU in `:ids`.

    The difference of two CPUs a and b is the sum over SIMILARITY_WEIGHTS of weight x |ln(a / b)|, and zero counts as
    unknown. Rows are ordered by `similar_to`, the id of the CPU that they belong to, then by difference, smallest
    first. No index helps: for each id, every CPU is compared. The logarithms are computed once for all ids, which takes
    10 ms (with 6,000 CPUs), and each id takes 2 ms; with a logarithm per comparison it takes 9 ms.
    """
    scale = _similarity_scale()
    this, other = scale.alias("this"), scale.alias("other")
    terms = [
        func.coalesce(
            func.abs(this.c[name] - other.c[name]), literal_column(repr(weight * math.log(UNKNOWN_VALUE_RATIO)))
        )
        for name, weight in SIMILARITY_WEIGHTS.items()
    ]
    difference = reduce(add, terms).label("difference")
    nearest = (
        select(other.c.id, difference)
        .where(other.c.id != this.c.id)
        .order_by(difference, other.c.id)
        .limit(bindparam("first", type_=Integer))
        .lateral("nearest")
    )
    return (
        select(*selected_columns(column_names), this.c.id.label("similar_to"))
        .select_from(this.join(nearest, true()).join(cpu, cpu.c.id == nearest.c.id))
        .where(this.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
        .order_by(this.c.id, nearest.c.difference, cpu.c.id)
    )


def _similarity_scale() -> CTE:
    """Return weight x ln(value) of all CPUs under the names of the columns; null if a value is unknown or zero."""
    columns = [
        (func.ln(cast(func.nullif(cpu.c[name], text("0")), Double)) * text(str(weight))).label(name)
        for name, weight in SIMILARITY_WEIGHTS.items()
    ]
    return select(cpu.c.id, *columns).cte("scale").prefix_with("MATERIALIZED")


@lru_cache(maxsize=512)
def select_by_slug(column_names: frozenset[str] | None = None, extra_columns: tuple[Any, ...] = ()) -> Select[Any]:
    """Return the statement for the CPUs with the slugs in `:slugs`, in any order; `extra_columns` are added.

    The slug is always selected, because callers find the rows by it.
    """
    selected = selected_columns(None if column_names is None else column_names | {"slug"})
    return (
        select(*selected, *extra_columns)
        .select_from(cpu)
        .where(cpu.c.slug == any_(bindparam("slugs", type_=ARRAY(Text))))
    )
