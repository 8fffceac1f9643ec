"""Filters and orderings of CPUs: input types, and their translation into SQL."""

from __future__ import annotations

from enum import Enum

import strawberry
from strawberry.utils.str_converters import to_camel_case

from app.catalog import sql
from app.core.errors import BadInput
from app.db.tables import ValueRating
from app.schema.analytics.types import PriceConfidence

MAX_TEXT_LENGTH = 200

MAX_VALUES = 200

MAX_SORT_KEYS = 5

DEFAULT_ORDER = (("NAME", False),)


@strawberry.enum(
    description="What CPUs can be ordered by. Nulls come last in either direction; ties are ordered by id."
)
class CPUOrderField(Enum):
    """The names are the keys of `sql.ORDERABLE`; a test holds them equal."""

    NAME = strawberry.enum_value("NAME", description="Name, in the order of the database's collation.")
    MANUFACTURER = strawberry.enum_value("MANUFACTURER", description="Maker.")
    SOCKET = strawberry.enum_value("SOCKET", description="Socket.")
    CATEGORY = strawberry.enum_value("CATEGORY", description="Category.")
    CORES = strawberry.enum_value("CORES", description="Physical cores.")
    THREADS = strawberry.enum_value("THREADS", description="Hardware threads.")
    TDP_W = strawberry.enum_value("TDP_W", description="Thermal design power.")
    RELEASE_YEAR = strawberry.enum_value("RELEASE_YEAR", description="Year of release.")
    CPU_MARK_MULTI = strawberry.enum_value("CPU_MARK_MULTI", description="Multi-thread mark.")
    CPU_MARK_SINGLE = strawberry.enum_value("CPU_MARK_SINGLE", description="Single-thread mark.")
    IGPU_MODEL = strawberry.enum_value("IGPU_MODEL", description="Name of the integrated graphics.")
    IGPU_MARK = strawberry.enum_value("IGPU_MARK", description="Mark of the integrated graphics.")
    PRICE_GREAT = strawberry.enum_value("PRICE_GREAT", description="Great price.")
    PRICE_GOOD = strawberry.enum_value("PRICE_GOOD", description="Good price.")
    PRICE_FAIR = strawberry.enum_value("PRICE_FAIR", description="Fair price.")
    PRICE_STDDEV = strawberry.enum_value("PRICE_STDDEV", description="Standard deviation of the prices.")
    SAMPLE_SIZE = strawberry.enum_value(
        "SAMPLE_SIZE", description="Number of active prices; the better confidence has more."
    )
    DOLLAR_PER_MARK_MULTI = strawberry.enum_value("DOLLAR_PER_MARK_MULTI", description="USD per multi-thread mark.")
    DOLLAR_PER_MARK_SINGLE = strawberry.enum_value("DOLLAR_PER_MARK_SINGLE", description="USD per single-thread mark.")
    PERCENTILE = strawberry.enum_value(
        "PERCENTILE", description="Percentile of $/multi-mark; the better rating has a lower one."
    )
    PERCENTILE_SINGLE = strawberry.enum_value("PERCENTILE_SINGLE", description="Percentile of $/single-mark.")


@strawberry.enum(description="Direction of an ordering.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("asc", description="Lowest first.")
    DESC = strawberry.enum_value("desc", description="Highest first.")


@strawberry.input(name="CPUOrder", description="One key of an ordering.")
class CPUOrder:
    field: CPUOrderField = strawberry.field(description="What to order by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="Ascending unless told.")


@strawberry.input(description="Closed on both sides; an absent bound is open.")
class IntRangeInput:
    min: int | None = strawberry.field(default=None, description="Least value.")
    max: int | None = strawberry.field(default=None, description="Greatest value.")


@strawberry.input(description="Closed on both sides; an absent bound is open.")
class FloatRangeInput:
    min: float | None = strawberry.field(default=None, description="Least value.")
    max: float | None = strawberry.field(default=None, description="Greatest value.")


def _int_range_field(description: str) -> IntRangeInput | None:
    field: IntRangeInput | None = strawberry.field(default=None, description=description)
    return field


def _float_range_field(description: str) -> FloatRangeInput | None:
    field: FloatRangeInput | None = strawberry.field(default=None, description=description)
    return field


@strawberry.input(
    name="CPUFilter", description="Conditions that must all hold. A CPU that lacks a value is in no range of it."
)
class CPUFilter:
    search: str | None = strawberry.field(
        default=None, description='Words that must occur in the name, in any order: "i5 8500t". Punctuation is ignored.'
    )
    manufacturer: list[str] | None = strawberry.field(default=None, description="One of these makers.")
    socket: list[str] | None = strawberry.field(default=None, description="One of these sockets.")
    category: list[str] | None = strawberry.field(default=None, description="One of these categories.")
    cores: IntRangeInput | None = _int_range_field("Physical cores.")
    threads: IntRangeInput | None = _int_range_field("Hardware threads.")
    tdp_w: IntRangeInput | None = _int_range_field("Thermal design power, watts.")
    release_year: IntRangeInput | None = _int_range_field("Year of release.")
    cpu_mark_multi: IntRangeInput | None = _int_range_field("Multi-thread mark.")
    cpu_mark_single: IntRangeInput | None = _int_range_field("Single-thread mark.")
    igpu_mark: IntRangeInput | None = _int_range_field("Mark of the integrated graphics.")
    price: FloatRangeInput | None = _float_range_field("The good price (mean active price), USD.")
    dollar_per_mark_multi: FloatRangeInput | None = _float_range_field("USD per multi-thread mark.")
    dollar_per_mark_single: FloatRangeInput | None = _float_range_field("USD per single-thread mark.")
    percentile: FloatRangeInput | None = _float_range_field(
        "Percentile of $/multi-mark, 0 to 100; 0 is the best value."
    )
    has_igpu: bool | None = strawberry.field(default=None, description="With, or without, integrated graphics.")
    rating: list[ValueRating] | None = strawberry.field(default=None, description="One of these ratings.")
    confidence: list[PriceConfidence] | None = strawberry.field(default=None, description="One of these confidences.")
    with_listings: bool | None = strawberry.field(default=None, description="With, or without, active listings.")


RANGE_COLUMNS = {
    "cores": "cores",
    "threads": "threads",
    "tdp_w": "tdp_w",
    "release_year": "release_year",
    "cpu_mark_multi": "cpu_mark_multi",
    "cpu_mark_single": "cpu_mark_single",
    "igpu_mark": "igpu_mark",
    "price": "price_good",
    "dollar_per_mark_multi": "dollar_per_mark_multi",
    "dollar_per_mark_single": "dollar_per_mark_single",
    "percentile": "value_percentile",
}


def to_sort_order(given: list[CPUOrder] | None) -> tuple[tuple[str, bool], ...]:
    if not given:
        return DEFAULT_ORDER
    if len(given) > MAX_SORT_KEYS:
        raise BadInput(f"`orderBy` takes at most {MAX_SORT_KEYS} keys.")
    names = [order.field.name for order in given]
    if len(set(names)) < len(names):
        raise BadInput("`orderBy` names the same field twice.")
    return tuple((name, order.direction is OrderDirection.DESC) for name, order in zip(names, given, strict=True))


def to_cpu_filter(given: CPUFilter | None) -> sql.CpuFilter:
    if given is None:
        return sql.CpuFilter()
    texts = {"manufacturer": given.manufacturer, "socket": given.socket, "category": given.category}
    one_of = {
        name: [check_text(v, name) for v in _check_value_count(values, name)]
        for name, values in texts.items()
        if values is not None
    }
    if given.rating is not None:
        one_of["value_rating"] = [rating.value for rating in given.rating]
    return sql.CpuFilter(
        search=None if given.search is None else check_text(given.search, "search"),
        one_of=one_of,
        ranges={
            column: _to_range(name, bounds)
            for name, column in RANGE_COLUMNS.items()
            if (bounds := getattr(given, name)) is not None
        },
        has_igpu=given.has_igpu,
        confidence=None if given.confidence is None else [level.value for level in given.confidence],
        with_listings=given.with_listings,
    )


def _to_range(name: str, bounds: IntRangeInput | FloatRangeInput) -> sql.Range:
    if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
        raise BadInput(f"`{to_camel_case(name)}` has a `min` ({bounds.min}) above its `max` ({bounds.max}).")
    return sql.Range(bounds.min, bounds.max)


def check_text(value: str, name: str, most: int = MAX_TEXT_LENGTH) -> str:
    if len(value) > most:
        raise BadInput(f"`{name}` is longer than {most} characters.")
    if "\0" in value or any(0xD800 <= ord(c) < 0xE000 for c in value):
        raise BadInput(f"`{name}` holds a character that text cannot hold.")
    return value


def _check_value_count(values: list[str], name: str) -> list[str]:
    if len(values) > MAX_VALUES:
        raise BadInput(f"`{name}` takes at most {MAX_VALUES} values.")
    return values
