"""Input types for filters and orderings of CPUs, and their conversion to the arguments of `app.catalog.sql`."""

from __future__ import annotations

from enum import Enum

import strawberry
from strawberry.utils.str_converters import to_camel_case

from app.catalog import sql
from app.core.errors import BadInput
from app.db.tables import ValueRating
from app.graphql.input_limits import MAX_NAME_LENGTH, at_most
from app.schema.analytics.types import PriceConfidence

MAX_VALUES = 200  # of one condition
MAX_SORT_KEYS = 5
DEFAULT_ORDER = (("NAME", False),)


@strawberry.enum(description="Sort key of CPUs. Null values come last in both directions, and ties are ordered by id.")
class CPUOrderField(Enum):
    """Its names are the keys of `sql.ORDERABLE`; a test compares them."""

    NAME = strawberry.enum_value("NAME", description="Name, in the collation of the database.")
    MANUFACTURER = strawberry.enum_value("MANUFACTURER", description="Manufacturer.")
    SOCKET = strawberry.enum_value("SOCKET", description="Socket or package.")
    CATEGORY = strawberry.enum_value("CATEGORY", description="Category such as Desktop or Server.")
    CORES = strawberry.enum_value("CORES", description="Number of physical cores.")
    THREADS = strawberry.enum_value("THREADS", description="Number of hardware threads.")
    TDP_W = strawberry.enum_value("TDP_W", description="Thermal design power in watts.")
    RELEASE_YEAR = strawberry.enum_value("RELEASE_YEAR", description="Year of release.")
    CPU_MARK_MULTI = strawberry.enum_value("CPU_MARK_MULTI", description="Multi-thread benchmark mark.")
    CPU_MARK_SINGLE = strawberry.enum_value("CPU_MARK_SINGLE", description="Single-thread benchmark mark.")
    IGPU_MODEL = strawberry.enum_value("IGPU_MODEL", description="Name of the integrated graphics.")
    IGPU_MARK = strawberry.enum_value("IGPU_MARK", description="Benchmark mark of the integrated graphics.")
    PRICE_GREAT = strawberry.enum_value("PRICE_GREAT", description="Great price in USD.")
    PRICE_GOOD = strawberry.enum_value("PRICE_GOOD", description="Good price in USD.")
    PRICE_FAIR = strawberry.enum_value("PRICE_FAIR", description="Fair price in USD.")
    PRICE_STDDEV = strawberry.enum_value("PRICE_STDDEV", description="Standard deviation of the active prices in USD.")
    SAMPLE_SIZE = strawberry.enum_value(
        "SAMPLE_SIZE", description="Number of active prices, which determines the confidence."
    )
    DOLLAR_PER_MARK_MULTI = strawberry.enum_value("DOLLAR_PER_MARK_MULTI", description="USD per multi-thread mark.")
    DOLLAR_PER_MARK_SINGLE = strawberry.enum_value("DOLLAR_PER_MARK_SINGLE", description="USD per single-thread mark.")
    PERCENTILE = strawberry.enum_value(
        "PERCENTILE", description="Percentile of USD per multi-thread mark, which determines the rating."
    )
    PERCENTILE_SINGLE = strawberry.enum_value(
        "PERCENTILE_SINGLE", description="Percentile of USD per single-thread mark."
    )


@strawberry.enum(description="Direction of an ordering.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("asc", description="Ascending: lowest first.")
    DESC = strawberry.enum_value("desc", description="Descending: highest first.")


@strawberry.input(name="CPUOrder", description="One key of an ordering.")
class CPUOrder:
    field: CPUOrderField = strawberry.field(description="Attribute to order by.")
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.ASC, description="Direction of the ordering; default ASC."
    )


@strawberry.input(description="Range of integers that includes its bounds.")
class IntRangeInput:
    min: int | None = strawberry.field(default=None, description="Least value; null for no lower bound.")
    max: int | None = strawberry.field(default=None, description="Greatest value; null for no upper bound.")


@strawberry.input(description="Range of numbers that includes its bounds.")
class FloatRangeInput:
    min: float | None = strawberry.field(default=None, description="Least value; null for no lower bound.")
    max: float | None = strawberry.field(default=None, description="Greatest value; null for no upper bound.")


def _names_field(description: str) -> list[str] | None:
    field: list[str] | None = strawberry.field(
        default=None, description=description, metadata=at_most(values=MAX_VALUES, length=MAX_NAME_LENGTH)
    )
    return field


def _int_range_field(description: str) -> IntRangeInput | None:
    field: IntRangeInput | None = strawberry.field(default=None, description=description)
    return field


def _float_range_field(description: str) -> FloatRangeInput | None:
    field: FloatRangeInput | None = strawberry.field(default=None, description=description)
    return field


@strawberry.input(
    name="CPUFilter",
    description="Conditions that must all hold; null means no condition. A CPU without a value is outside every range.",
)
class CPUFilter:
    search: str | None = strawberry.field(
        default=None,
        description='Words that must all occur in the name, such as "i5 8500t"; order, case and punctuation are '
        "ignored.",
        metadata=at_most(length=MAX_NAME_LENGTH),
    )
    manufacturer: list[str] | None = _names_field("Accepted manufacturers.")
    socket: list[str] | None = _names_field("Accepted sockets.")
    category: list[str] | None = _names_field("Accepted categories.")
    cores: IntRangeInput | None = _int_range_field("Number of physical cores.")
    threads: IntRangeInput | None = _int_range_field("Number of hardware threads.")
    tdp_w: IntRangeInput | None = _int_range_field("Thermal design power in watts.")
    release_year: IntRangeInput | None = _int_range_field("Year of release.")
    cpu_mark_multi: IntRangeInput | None = _int_range_field("Multi-thread benchmark mark.")
    cpu_mark_single: IntRangeInput | None = _int_range_field("Single-thread benchmark mark.")
    igpu_mark: IntRangeInput | None = _int_range_field("Benchmark mark of the integrated graphics.")
    price: FloatRangeInput | None = _float_range_field("Good price (mean of the active prices) in USD.")
    dollar_per_mark_multi: FloatRangeInput | None = _float_range_field("USD per multi-thread mark.")
    dollar_per_mark_single: FloatRangeInput | None = _float_range_field("USD per single-thread mark.")
    percentile: FloatRangeInput | None = _float_range_field(
        "Percentile of USD per multi-thread mark, 0 to 100; 0 is the best value."
    )
    has_igpu: bool | None = strawberry.field(default=None, description="Whether the CPU has integrated graphics.")
    rating: list[ValueRating] | None = strawberry.field(default=None, description="Accepted ratings.")
    confidence: list[PriceConfidence] | None = strawberry.field(
        default=None, description="Accepted confidences of the price target."
    )
    with_listings: bool | None = strawberry.field(default=None, description="Whether the CPU has active listings.")


# Field of CPUFilter -> column of `cpu`.
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


def to_sort_order(order_by: list[CPUOrder] | None) -> tuple[tuple[str, bool], ...]:
    """Return the ordering as pairs of (key of `sql.ORDERABLE`, descending). Raises BadInput if it is invalid."""
    if not order_by:
        return DEFAULT_ORDER
    names = [order.field.name for order in order_by]
    if len(set(names)) < len(names):
        raise BadInput("`orderBy` names the same field twice.")
    return tuple((name, order.direction is OrderDirection.DESC) for name, order in zip(names, order_by, strict=True))


def to_cpu_filter(conditions: CPUFilter | None) -> sql.CpuFilter:
    """Convert the input to the filter of `app.catalog.sql`. Raises BadInput for an invalid condition."""
    if conditions is None:
        return sql.CpuFilter()
    texts = {
        "manufacturer": conditions.manufacturer,
        "socket": conditions.socket,
        "category": conditions.category,
    }
    one_of = {
        name: [check_text(value, name) for value in dict.fromkeys(values)]
        for name, values in texts.items()
        if values is not None
    }
    if conditions.rating is not None:
        one_of["value_rating"] = [rating.value for rating in dict.fromkeys(conditions.rating)]
    return sql.CpuFilter(
        search=None if conditions.search is None else check_text(conditions.search, "search"),
        one_of=one_of,
        ranges={
            column: _to_range(name, bounds)
            for name, column in RANGE_COLUMNS.items()
            if (bounds := getattr(conditions, name)) is not None
        },
        has_igpu=conditions.has_igpu,
        confidence=None if conditions.confidence is None else [level.value for level in conditions.confidence],
        with_listings=conditions.with_listings,
    )


def _to_range(name: str, bounds: IntRangeInput | FloatRangeInput) -> sql.Range:
    if bounds.min is not None and bounds.max is not None and bounds.min > bounds.max:
        raise BadInput(f"`{to_camel_case(name)}` has a `min` ({bounds.min}) above its `max` ({bounds.max}).")
    return sql.Range(bounds.min, bounds.max)


def check_text(value: str, name: str) -> str:
    """Return the text of the argument `name`. Raises BadInput if it cannot be stored as text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _not_text(name) from None
    if "\0" in value:
        raise _not_text(name)
    return value


def _not_text(name: str) -> BadInput:
    return BadInput(f"`{name}` contains a NUL character or half of a surrogate pair.")
