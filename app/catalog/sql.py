"""Statements about CPUs. Builders return statements, so that a test can EXPLAIN them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
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
    or_,
    select,
    text,
    true,
)
from sqlalchemy.types import TypeEngine

from app.db.pagination import Keyset, PageRequest, Position, SortKey
from app.db.tables import SHOWN, cpu, cpu_statistics, listing, recalculation_failure, recalculation_watermark

# A recalculation writes only rows whose figures changed, so "computed at" is the later of the row's own time and the
# last time that all were computed; but not for a CPU that failed then.
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

# Numbers are selected as they are encoded: floats.
COLUMNS: dict[str, ColumnElement[Any]] = {
    **{
        column.name: column
        for column in cpu.c
        if column.name not in {"search_text", "figures_computed_at", "created_at", "updated_at"}
        and column.name.removesuffix("_shown") not in SHOWN
    },
    **{name: cpu.c[f"{name}_shown"].label(name) for name in SHOWN},
    "computed_at": COMPUTED_AT,
    "listings_count": LISTINGS_COUNT,
}

# What a CPU can be ordered by; the names are those of the GraphQL enumeration CPUOrderField. Not by the number of its
# listings, which is counted for the CPUs of a page alone: an order would count those of all for each page. SAMPLE_SIZE,
# how many of them have a price that counts, is a column.
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

# Least sample size of each confidence (DOMAIN: n >= 10 high, >= 5 medium, >= 2 low), best first.
CONFIDENCE_FROM = {"high": 10, "medium": 5, "low": 2, "insufficient": 0}


@dataclass(frozen=True)
class Range:
    """Closed on both sides; None is open. A row without the value is in no range."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CpuFilter:
    """What a CPU must satisfy; an absent condition is satisfied by all."""

    search: str | None = None
    one_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    has_igpu: bool | None = None
    confidence: Sequence[str] | None = None
    with_listings: bool | None = None


# What a point of the map of prices is made of.
POINT: dict[str, ColumnElement[Any]] = {
    name: COLUMNS[name]
    for name in (
        "id", "name", "slug", "manufacturer", "price_good", "cpu_mark_multi", "cpu_mark_single", "value_rating",
    )
}  # fmt: skip
# So many points at most, which is more than there are CPUs with a price.
MAX_POINTS = 10_000

# How much the attributes of two CPUs weigh in how similar they are. Where one is not known, they are taken for as
# different as if it were half the other.
SIMILARITY = {"cpu_mark_multi": 3, "cpu_mark_single": 2, "cores": 1, "tdp_w": 1, "price_good": 1}
UNKNOWN_RATIO = 2

# What titles are matched with.
NAMES = select(cpu.c.id, cpu.c.name, cpu.c.slug).order_by(cpu.c.id)


class Shape(NamedTuple):
    """All of a filter that the text of its statement depends on; the values are parameters of these names."""

    search: bool = False
    one_of: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    at_most: tuple[str, ...] = ()
    has_igpu: bool = False
    confidence: tuple[str, ...] | None = None
    with_listings: bool | None = None


class Statement(NamedTuple):
    """A statement, the same object for the same shape, and its values."""

    statement: Select[Any]
    values: Mapping[str, Any]


@lru_cache(maxsize=512)
def keyset(order: tuple[tuple[str, bool], ...]) -> Keyset:
    """The ordering by these (ORDERABLE name, descending), made total by the id."""
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


def page(
    conditions: CpuFilter,
    order: Keyset,
    request: PageRequest,
    wanted: frozenset[str] | None = None,
    counted: bool = False,
) -> Statement:
    """A page of CPUs with these columns (None: all); `counted`, each row tells in `total_count` how many there are."""
    shape, values = shape_of(conditions)
    position, place = order.position(request)
    return Statement(_page(shape, order, position, wanted, counted), {**values, **place})


@lru_cache(maxsize=512)
def _page(shape: Shape, order: Keyset, position: Position, wanted: frozenset[str] | None, counted: bool) -> Select[Any]:
    selected = {column.name: column for column in (*columns(wanted), *order.columns)}
    if counted:
        selected["total_count"] = _count(shape).correlate(None).scalar_subquery().label("total_count")
    return order.apply(select(*selected.values()).where(*where(shape)), position)


def count(conditions: CpuFilter) -> Statement:
    """How many CPUs satisfy the conditions."""
    shape, values = shape_of(conditions)
    return Statement(_count(shape), values)


@lru_cache(maxsize=512)
def _count(shape: Shape) -> Select[Any]:
    if shape == Shape():  # the whole catalogue is counted already
        return select(cpu_statistics.c.total)
    return select(func.count()).select_from(cpu).where(*where(shape))


def price_map(conditions: CpuFilter, wanted: frozenset[str] | None = None) -> Statement:
    """CPUs that have a price, cheapest first, each with these columns of POINT (None: all)."""
    shape, values = shape_of(conditions)
    return Statement(_price_map(shape, wanted), values)


@lru_cache(maxsize=512)
def _price_map(shape: Shape, wanted: frozenset[str] | None) -> Select[Any]:
    selected = [column for name, column in POINT.items() if wanted is None or name in wanted or name == "id"]
    priced = cpu.c.price_good.is_not(None)
    return select(*selected).where(priced, *where(shape)).order_by(cpu.c.price_good, cpu.c.id).limit(MAX_POINTS)


def columns(wanted: frozenset[str] | None) -> list[ColumnElement[Any]]:
    """The columns of these names (None: all), and the id."""
    return [column for name, column in COLUMNS.items() if wanted is None or name in wanted or name == "id"]


def shape_of(conditions: CpuFilter) -> tuple[Shape, dict[str, Any]]:
    """A filter as its shape and the values of its parameters."""
    words, ranges = search_words(conditions.search), conditions.ranges
    shape = Shape(
        search=bool(words),
        one_of=tuple(conditions.one_of),
        at_least=tuple(name for name, bounds in ranges.items() if bounds.low is not None),
        at_most=tuple(name for name, bounds in ranges.items() if bounds.high is not None),
        has_igpu=conditions.has_igpu is not None,
        confidence=None if conditions.confidence is None else tuple(sorted(set(conditions.confidence))),
        with_listings=conditions.with_listings,
    )
    values: dict[str, Any] = {f"{name}_any": list(given) for name, given in conditions.one_of.items()}
    values.update((f"{name}_min", ranges[name].low) for name in shape.at_least)
    values.update((f"{name}_max", ranges[name].high) for name in shape.at_most)
    if words:
        values["words"] = [f"%{word}%" for word in words]  # letters and digits: nothing that LIKE reads otherwise
    if shape.has_igpu:
        values["has_igpu"] = conditions.has_igpu
    return shape, values


def where(shape: Shape) -> list[ColumnElement[bool]]:
    """The conditions as SQL."""
    terms: list[ColumnElement[bool]] = []
    if shape.search:
        terms.append(cpu.c.search_text.like(all_(bindparam("words", type_=ARRAY(Text)))))
    terms += [cpu.c[name] == any_(bindparam(f"{name}_any", type_=ARRAY(Text))) for name in shape.one_of]
    terms += [cpu.c[name] >= bindparam(f"{name}_min", type_=_bound(name)) for name in shape.at_least]
    terms += [cpu.c[name] <= bindparam(f"{name}_max", type_=_bound(name)) for name in shape.at_most]
    if shape.has_igpu:
        terms.append(cpu.c.igpu_model.is_not(None) == bindparam("has_igpu", type_=Boolean))
    if shape.confidence is not None:
        terms.append(or_(False, *(_has_confidence(name) for name in shape.confidence)))
    if shape.with_listings is not None:
        found = exists().where(listing.c.cpu_id == cpu.c.id, listing.c.status == text("'active'"))
        terms.append(found if shape.with_listings else ~found)
    return terms


def _bound(name: str) -> TypeEngine[Any]:
    """The type of a bound. Floats are compared as floats, which is what clients were shown of the column."""
    kind = cpu.c[name].type
    return Double() if isinstance(kind, Numeric) else kind


def search_words(given: str | None) -> list[str]:
    """The words of a search, reduced like `cpu.search_text`: every one of them must occur."""
    words = (re.sub(r"[^\w]+|_", "", word).lower() for word in (given or "").split())
    return [word for word in words if word]


def _has_confidence(name: str) -> ColumnElement[bool]:
    levels = list(CONFIDENCE_FROM)
    least = cpu.c.price_sample_size >= CONFIDENCE_FROM[name]
    better = levels[: levels.index(name)]
    return and_(least, cpu.c.price_sample_size < CONFIDENCE_FROM[better[-1]]) if better else least


@lru_cache(maxsize=512)
def by_id(wanted: frozenset[str] | None = None, more: tuple[Any, ...] = ()) -> Select[Any]:
    """CPUs with the ids in `:ids`, in any order; `more` is selected, too."""
    return (
        select(*columns(wanted), *more)
        .select_from(cpu)
        .where(cpu.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    )


@lru_cache(maxsize=512)
def similar(wanted: frozenset[str] | None = None) -> Select[Any]:
    """Of each CPU with its id in `:ids` the `:first` other ones that are most similar: those with the least difference.

    The difference is the sum over SIMILARITY of weight x |ln(one value / the other)|. Rows of one CPU (`similar_to`)
    follow each other, most similar first.
    """
    this, other = cpu.alias("this"), cpu.alias("other")
    difference = _difference(this, other).label("difference")
    nearest = (
        select(other.c.id, difference)
        .where(other.c.id != this.c.id)
        .order_by(difference, other.c.id)
        .limit(bindparam("first", type_=Integer))
        .lateral("nearest")
    )
    return (
        select(*columns(wanted), this.c.id.label("similar_to"))
        .select_from(this.join(nearest, true()).join(cpu, cpu.c.id == nearest.c.id))
        .where(this.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
        .order_by(this.c.id, nearest.c.difference, cpu.c.id)
    )


def _difference(this: Any, other: Any) -> ColumnElement[Any]:
    """A value of zero is none."""
    terms: list[ColumnElement[Any]] = []
    for name, weight in SIMILARITY.items():
        mine, theirs = (cast(func.nullif(each.c[name], text("0")), Double) for each in (this, other))
        ratio = func.coalesce(func.abs(func.ln(mine / theirs)), func.ln(cast(UNKNOWN_RATIO, Double)))
        terms.append(ratio * text(str(weight)))
    return reduce(add, terms)


@lru_cache(maxsize=512)
def by_slug(wanted: frozenset[str] | None = None, more: tuple[Any, ...] = ()) -> Select[Any]:
    """CPUs with the slugs in `:slugs`, in any order; the slug is always selected, and `more`."""
    selected = columns(None if wanted is None else wanted | {"slug"})
    return select(*selected, *more).select_from(cpu).where(cpu.c.slug == any_(bindparam("slugs", type_=ARRAY(Text))))
