"""Puts a catalogue of the reference into a database, recalculates it and reads back what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import select, text
from strawberry.types import get_object_definition
from strawberry.types.field import StrawberryField

from app.analytics.recalculation import RecalculationResult, recalculate
from app.catalog.sql import COMPUTED_AT
from app.catalog.sql import selected_columns as api_columns
from app.core.progress import ProgressCallback
from app.db.statements import Row
from app.db.tables import cpu
from app.resources import Resources
from app.schema.analytics.types import PerformanceValue, PriceTarget
from tests.support.figures_reference import Cpu, Target, Value, rounded_or_none

DELETE_ALL = text(
    """
    WITH a AS (DELETE FROM listing), b AS (DELETE FROM recalculation_failure), c AS (DELETE FROM figure_history),
         d AS (DELETE FROM recalculation_watermark)
    DELETE FROM cpu
    """
)
INSERT_CPUS = text(
    """
    INSERT INTO cpu (id, name, slug, manufacturer, cpu_mark_multi, cpu_mark_single) OVERRIDING SYSTEM VALUE
    SELECT id, 'CPU ' || id, 'cpu-' || id, 'Test', multi, single
    FROM unnest(CAST(:ids AS bigint[]), CAST(:multi AS int[]), CAST(:single AS int[])) AS c (id, multi, single)
    ON CONFLICT (id) DO UPDATE SET cpu_mark_multi = excluded.cpu_mark_multi, cpu_mark_single = excluded.cpu_mark_single
    """
)
INSERT_LISTINGS = text(
    """
    INSERT INTO listing (cpu_id, title, marketplace, condition, status, adjusted_price, offer_key, seen_at)
    SELECT cpu_id, 'A listing', 'test', 'used', status, price, uuid_send(gen_random_uuid()), now()
    FROM unnest(CAST(:cpus AS bigint[]), CAST(:statuses AS text[]), CAST(:prices AS numeric[]))
        AS l (cpu_id, status, price)
    """
)

FIGURE_COLUMNS = (
    "price_great",
    "price_good",
    "price_fair",
    "price_stddev",
    "price_sample_size",
    "price_high_variance",
    "dollar_per_mark_multi",
    "dollar_per_mark_single",
    "value_percentile",
    "value_percentile_single",
    "value_rating",
)


def cpu_with_prices(*prices: float | str, multi: int | None = 1, single: int | None = 1) -> Cpu:
    """A CPU with active listings at these prices."""
    return Cpu(multi, single, tuple(("active", Decimal(str(price))) for price in prices))


async def replace_cpus(resources: Resources, cpus: Mapping[int, Cpu]) -> None:
    """Creates these CPUs or replaces their marks and listings."""
    listings = [(key, *each) for key, each_cpu in cpus.items() for each in each_cpu.listings]
    keys, statuses, prices = map(list, zip(*listings, strict=True)) if listings else ([], [], [])
    marks = {"multi": [each.multi for each in cpus.values()], "single": [each.single for each in cpus.values()]}
    async with resources.write() as tx:
        await tx.execute(INSERT_CPUS, {"ids": list(cpus), **marks})
        await tx.execute(text("DELETE FROM listing WHERE cpu_id = ANY(:ids)"), {"ids": list(cpus)})
        await tx.execute(INSERT_LISTINGS, {"cpus": keys, "statuses": statuses, "prices": prices})


async def fill_catalog(resources: Resources, cpus: Iterable[Cpu]) -> None:
    """The database holds exactly these CPUs then, with the ids 1, 2, ..."""
    async with resources.write() as tx:
        await tx.execute(DELETE_ALL)
    await replace_cpus(resources, dict(enumerate(cpus, 1)))


async def no_progress(_done: int, _total: int) -> None:
    """Nobody watches."""


async def recalculate_figures(
    resources: Resources,
    cpu_ids: Sequence[int] | None = None,
    batch_size: int = 1000,
    progress: ProgressCallback = no_progress,
) -> RecalculationResult:
    """Recalculates and commits."""
    async with resources.write() as tx:
        return await recalculate(tx, None, cpu_ids, batch_size, progress)


async def run_statements(resources: Resources, *statements: str) -> None:
    """Runs and commits."""
    async with resources.write() as tx:
        for statement in statements:
            await tx.execute(text(statement))


async def fetch_rows(resources: Resources, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    async with resources.read() as session:
        return [tuple(row) for row in await session.rows(text(query))]


async def rows_by_cpu(resources: Resources) -> dict[int, Row]:
    """The CPUs as they are stored, by id."""
    async with resources.read() as session:
        return {row.id: row for row in await session.rows(select(*cpu.c, COMPUTED_AT).order_by(cpu.c.id))}


async def served_figures(resources: Resources) -> dict[int, dict[str, Any]]:
    """What the API says about the figures of each CPU: its fields of the rows that it reads."""
    fields = [
        field for kind in (PriceTarget, PerformanceValue) for field in get_object_definition(kind, strict=True).fields
    ]
    async with resources.read() as session:
        found = await session.rows(select(*api_columns(None)).order_by(cpu.c.id))
    return {row.id: {field.python_name: field_value(field, row) for field in fields} for row in found}


def field_value(field: StrawberryField, row: Row) -> Any:
    """The value of a field, of a column or computed."""
    return field.get_result(row, None, [row], {})


def figure_columns(row: Row) -> dict[str, Any]:
    """The figures of a CPU as they are stored."""
    return {name: getattr(row, name) for name in FIGURE_COLUMNS}


async def stored_figures(resources: Resources) -> dict[int, dict[str, Any]]:
    """The stored figures, by CPU."""
    return {key: figure_columns(row) for key, row in (await rows_by_cpu(resources)).items()}


def expected_stored(target: Target, value: Value) -> dict[str, Any]:
    """What the columns must hold for figures of the reference."""
    return {
        "price_great": target.great,
        "price_good": target.good,
        "price_fair": target.fair,
        "price_stddev": target.stddev,
        "price_sample_size": target.n,
        "price_high_variance": target.high_variance,
        "dollar_per_mark_multi": rounded_or_none(value.multi, 30),
        "dollar_per_mark_single": rounded_or_none(value.single, 30),
        "value_percentile": value.percentile,
        "value_percentile_single": value.percentile_single,
        "value_rating": value.rating,
    }


def expected_served(target: Target, value: Value) -> dict[str, Any]:
    """What the API must say for figures of the reference."""
    return {
        "great": _float(target.great),
        "good": _float(target.good),
        "fair": _float(target.fair),
        "stddev": _float(target.stddev),
        "sample_size": target.n,
        "confidence": target.confidence,
        "high_variance": target.high_variance,
        "dollar_per_mark_multi": _float(rounded_or_none(value.multi, 4)),
        "dollar_per_mark_single": _float(rounded_or_none(value.single, 4)),
        "percentile": _float(value.percentile),
        "percentile_single": _float(value.percentile_single),
        "rating": value.rating,
    }


def _float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)
