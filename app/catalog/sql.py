"""Statements about CPUs. Builders return statements, so that a test can EXPLAIN them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select

from app.keyset import Keyset, PageRequest, SortKey
from app.resources import Session
from app.tables import cpu, listing, recalculation_failure, recalculation_watermark

# A recalculation writes only rows whose figures changed, so "computed at" is the later of the row's own time and the
# last time that all were computed; but not for a CPU that failed then.
COMPUTED_AT = case(
    (cpu.c.figures_computed_at.is_(None), None),
    (exists().where(recalculation_failure.c.cpu_id == cpu.c.id), cpu.c.figures_computed_at),
    else_=func.greatest(cpu.c.figures_computed_at, select(recalculation_watermark.c.full_at).scalar_subquery()),
).label("computed_at")

COLUMNS: tuple[ColumnElement[Any], ...] = (
    *(
        column
        for column in cpu.c
        if column.name not in {"search_text", "figures_computed_at", "created_at", "updated_at"}
    ),
    COMPUTED_AT,
)

# What a CPU can be ordered by; the names are those of the GraphQL enumeration CPUOrderField.
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


# What titles are matched with.
NAMES = select(cpu.c.id, cpu.c.name, cpu.c.slug).order_by(cpu.c.id)


def keyset(order: Sequence[tuple[str, bool]]) -> Keyset:
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


def page(conditions: CpuFilter, order: Keyset, request: PageRequest) -> Select[Any]:
    """A page of CPUs."""
    return order.apply(select(*COLUMNS).where(*where(conditions)), request)


def count(conditions: CpuFilter) -> Select[Any]:
    """How many CPUs satisfy the conditions."""
    return select(func.count()).select_from(cpu).where(*where(conditions))


def where(conditions: CpuFilter) -> list[ColumnElement[bool]]:
    """The conditions as SQL."""
    terms = [cpu.c.search_text.contains(word, autoescape=True) for word in search_words(conditions.search)]
    terms += [cpu.c[name].in_(list(values)) for name, values in conditions.one_of.items()]
    for name, bounds in conditions.ranges.items():
        if bounds.low is not None:
            terms.append(cpu.c[name] >= bounds.low)
        if bounds.high is not None:
            terms.append(cpu.c[name] <= bounds.high)
    if conditions.has_igpu is not None:
        terms.append(cpu.c.igpu_model.is_not(None) == conditions.has_igpu)
    if conditions.confidence is not None:
        terms.append(or_(False, *(_has_confidence(name) for name in conditions.confidence)))
    if conditions.with_listings is not None:
        found = exists().where(listing.c.cpu_id == cpu.c.id, listing.c.status == "active")
        terms.append(found if conditions.with_listings else ~found)
    return terms


def search_words(given: str | None) -> list[str]:
    """The words of a search, reduced like `cpu.search_text`: every one of them must occur."""
    words = (re.sub(r"[^\w]+|_", "", word).lower() for word in (given or "").split())
    return [word for word in words if word]


def _has_confidence(name: str) -> ColumnElement[bool]:
    levels = list(CONFIDENCE_FROM)
    least = cpu.c.price_sample_size >= CONFIDENCE_FROM[name]
    better = levels[: levels.index(name)]
    return and_(least, cpu.c.price_sample_size < CONFIDENCE_FROM[better[-1]]) if better else least


def by_id(ids: Sequence[int]) -> Select[Any]:
    """CPUs with these ids."""
    return select(*COLUMNS).where(cpu.c.id.in_(ids))


def by_slug(slugs: Sequence[str]) -> Select[Any]:
    """CPUs with these slugs."""
    return select(*COLUMNS).where(cpu.c.slug.in_(slugs))


async def cpus_by_id(session: Session, ids: Sequence[int]) -> Sequence[Row[Any]]:
    """CPUs, in any order."""
    return await session.rows(by_id(ids))


async def cpus_by_slug(session: Session, slugs: Sequence[str]) -> Sequence[Row[Any]]:
    """CPUs, in any order."""
    return await session.rows(by_slug(slugs))
