"""Price histories: examples computed by hand, and random histories compared with the reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text, update

from app.db.statements import compile_statement
from app.db.tables import listing, price_observation
from app.db.transaction import Transaction
from app.market import price_history_sql, price_ranges
from app.market.price_ranges import PriceInterval, PriceRange
from app.resources import Resources
from tests.schema.listings import price_history_reference
from tests.schema.listings.price_history_reference import Seen
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.effort import size_of
from tests.support.schema_execution import query_data, query_error
from tests.support.statements import record_statements
from tests.support.uniform_catalog import add_uniform_cpus

# A Wednesday.
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
LOW = "{ price at }"
QUERY = f"""
query ($slug: String, $range: PriceRange! = DAYS_7, $interval: PriceInterval! = DAY) {{
  cpu(slug: $slug) {{
    priceHistory(range: $range, interval: $interval) {{ at until lowest average listings }}
    priceLows {{
      current currentSince allTimeLow {LOW} low90Days {LOW} low30Days {LOW} priorLow30Days {LOW}
    }}
  }}
}}
"""


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_ranges, "utc_now", lambda: NOW)


def ago(**amount: float) -> datetime:
    return NOW - timedelta(**amount)


async def create_listing(tx: Transaction, cpu_id: int | None, rows: Sequence[Seen], **columns: Any) -> int:
    """Create a listing with exactly these observations."""
    key = await add_listing(tx, cpu_id, None, seen_at=NOW + timedelta(days=1), **columns)
    await tx.execute(text("DELETE FROM price_observation WHERE listing_id = :id"), {"id": key})
    if rows:
        values = [
            {"listing_id": key, "seen_at": row.at, "price": row.price, "adjusted_price": row.price, "currency": "USD",
             "state": row.state}
            for row in rows
        ]  # fmt: skip
        await tx.execute(insert(price_observation), values)
    return key


async def create_cpu(resources: Resources, offers: Sequence[Sequence[Seen]], name: str = "CPU") -> None:
    cpu_id = await add_cpu(resources, name)
    async with resources.write() as tx:
        for rows in offers:
            last = rows[-1].state if rows else "active"
            await create_listing(tx, cpu_id, rows, status="ended" if last == "gone" else "active")


async def fetch_history(resources: Resources, slug: str = "cpu", **variables: Any) -> tuple[list[Any], Any]:
    cpu = (await query_data(resources, QUERY, slug=slug, **variables))["cpu"]
    return cpu["priceHistory"], cpu["priceLows"]


def at(moment: datetime, price: float) -> dict[str, Any]:
    return {"price": price, "at": moment.isoformat()}


async def test_price_history_of_one_day_example(resources: Resources) -> None:
    """Today until noon: 100 USD for 9 of 12 hours, then 60 for 3; another offer at 80 for the last 6.

    (100 x 9 + 60 x 3 + 80 x 6) / 18 = 86.67. Yesterday 100 alone.
    """
    await create_cpu(resources, [
        [Seen(ago(hours=36), Decimal(100)), Seen(ago(hours=3), Decimal(60))],
        [Seen(ago(hours=6), Decimal(80))],
    ])  # fmt: skip
    points, lows = await fetch_history(resources)
    assert len(points) == 7
    assert [point["listings"] for point in points] == [0, 0, 0, 0, 0, 1, 2]
    assert points[0] == {
        "at": "2026-03-05T00:00:00+00:00", "until": "2026-03-06T00:00:00+00:00", "lowest": None, "average": None,
        "listings": 0,
    }  # fmt: skip
    assert points[5] == {
        "at": "2026-03-10T00:00:00+00:00", "until": "2026-03-11T00:00:00+00:00", "lowest": 100, "average": 100,
        "listings": 1,
    }  # fmt: skip
    assert points[6] == {
        "at": "2026-03-11T00:00:00+00:00", "until": NOW.isoformat(), "lowest": 60, "average": 86.67, "listings": 2,
    }  # fmt: skip
    low = at(ago(hours=3), 60)
    assert lows == {
        "current": 60, "currentSince": ago(hours=3).isoformat(), "allTimeLow": low, "low90Days": low, "low30Days": low,
        "priorLow30Days": at(ago(hours=6), 80),
    }  # fmt: skip


async def test_price_lows_example(resources: Resources) -> None:
    """The price is 50 until 100 days ago, 70 until 40 days ago, gone for 5 days, 90 until 10 days ago, then 80."""
    await create_cpu(resources, [[
        Seen(ago(days=200), Decimal(50)), Seen(ago(days=100), Decimal(70)), Seen(ago(days=40), Decimal(70), "gone"),
        Seen(ago(days=35), Decimal(90)), Seen(ago(days=10), Decimal(80)),
    ]])  # fmt: skip
    _, lows = await fetch_history(resources)
    assert lows == {
        "current": 80, "currentSince": ago(days=10).isoformat(),
        "allTimeLow": at(ago(days=200), 50), "low90Days": at(ago(days=100), 70), "low30Days": at(ago(days=10), 80),
        "priorLow30Days": at(ago(days=35), 90),
    }  # fmt: skip


async def test_price_lows_exclude_bounds(resources: Resources) -> None:
    await create_cpu(resources, [[Seen(ago(days=91), Decimal(5)), Seen(ago(days=90), Decimal(7))]], "Ended 90 days ago")
    _, lows = await fetch_history(resources, "ended-90-days-ago")
    assert (lows["low90Days"]["price"], lows["allTimeLow"]["price"]) == (7, 5)
    assert lows["priorLow30Days"]["price"] == 5, "until 90 days ago"


async def test_price_history_counts_missing_but_not_gone(resources: Resources) -> None:
    await create_cpu(resources, [
        [Seen(ago(days=5), Decimal(10)), Seen(ago(days=3), Decimal(10), "missing"), Seen(ago(days=1), None, "gone")],
    ])  # fmt: skip
    points, lows = await fetch_history(resources)
    assert [point["lowest"] for point in points] == [None, 10, 10, 10, 10, 10, None]
    assert (lows["current"], lows["currentSince"], lows["priorLow30Days"]) == (None, None, None)
    assert lows["low30Days"] == at(ago(days=5), 10)


async def test_price_history_ignores_prices_that_do_not_count(resources: Resources) -> None:
    cpu_id = await add_cpu(resources, "CPU")
    seen = [Seen(ago(days=3), Decimal(10))]
    async with resources.write() as tx:
        for condition in ("for_parts",):
            await create_listing(tx, cpu_id, seen, condition=condition)
        await create_listing(tx, None, seen)
        await create_listing(tx, cpu_id, [Seen(ago(days=3), None)])
        await create_listing(tx, cpu_id, [Seen(ago(days=3), Decimal(0))])
        await create_listing(tx, cpu_id, [Seen(NOW, Decimal(1)), Seen(NOW + timedelta(hours=1), Decimal(1))])
    assert await fetch_history(resources) == ([], None)


async def test_price_history_without_prices_is_empty(resources: Resources) -> None:
    await add_cpu(resources, "CPU")
    for within in PriceRange:
        assert await fetch_history(resources, range=within.name, interval="WEEK") == ([], None)


async def test_price_history_of_all_days_is_rejected(resources: Resources) -> None:
    await add_cpu(resources, "CPU")
    query = '{ cpu(slug: "cpu") { priceHistory(range: ALL) { at } } }'
    assert await query_error(resources, query) == (
        "BAD_USER_INPUT",
        "`interval: DAY` covers a year at most: use `interval: WEEK` or `MONTH` with `range: ALL`.",
    )


async def test_price_history_long_has_newest_points(resources: Resources) -> None:
    await create_cpu(resources, [[Seen(datetime(2010, 1, 1, tzinfo=UTC), Decimal(5))]])
    weeks, lows = await fetch_history(resources, range="ALL", interval="WEEK")
    assert (len(weeks), weeks[-1]["until"], lows["allTimeLow"]["at"][:4]) == (400, NOW.isoformat(), "2010")
    assert {week["lowest"] for week in weeks} == {5}
    months, _ = await fetch_history(resources, range="ALL", interval="MONTH")
    assert len(months) == 195
    assert months[0]["at"] == "2010-01-01T00:00:00+00:00"


@pytest.mark.parametrize("within", [price_range for price_range in PriceRange if price_range.value])
async def test_price_history_range_has_one_point_per_day(resources: Resources, within: PriceRange) -> None:
    await create_cpu(resources, [[Seen(ago(days=2), Decimal(5))]])
    points, _ = await fetch_history(resources, range=within.name)
    assert len(points) == within.value


MOMENTS = st.integers(0, 400 * 24).map(lambda hours: ago(hours=hours)) | st.integers(0, 3 * 86_400_000_000).map(
    lambda fine: ago(microseconds=fine)
)
ROWS = st.builds(
    Seen,
    MOMENTS,
    st.none() | st.sampled_from([Decimal(0), Decimal("9.99"), Decimal(10), Decimal("10.01"), Decimal("333.33")]),
    st.sampled_from(["active", "active", "active", "missing", "gone"]),
)
OFFERS = st.lists(
    st.lists(ROWS, max_size=6, unique_by=lambda row: row.at).map(lambda rows: sorted(rows, key=lambda row: row.at)),
    max_size=5,
)


@pytest.mark.sized
@settings(
    max_examples=size_of(short=25, long=300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(offers=OFFERS, within=st.sampled_from(PriceRange), interval=st.sampled_from(PriceInterval))
async def test_price_history_of_random_observations_equals_reference(
    resources: Resources, offers: list[list[Seen]], within: PriceRange, interval: PriceInterval
) -> None:
    if within is PriceRange.ALL and interval is PriceInterval.DAY:
        interval = PriceInterval.WEEK
    async with resources.write() as tx:
        await tx.execute(text("TRUNCATE cpu, listing, price_observation CASCADE"))
    await create_cpu(resources, offers)
    counted = price_history_reference.valid_prices(offers, NOW)
    points, lows = await fetch_history(resources, range=within.name, interval=interval.name)
    assert points == price_history_reference.reference_history(counted, NOW, within, interval)
    assert lows == price_history_reference.reference_lows(counted, NOW)


async def test_price_history_is_per_cpu(resources: Resources) -> None:
    for number in range(30):
        await create_cpu(resources, [[Seen(ago(days=number), Decimal(number + 1))]], f"CPU {number}")
    query = "{ cpus(first: 100) { nodes { name priceHistory(range: DAYS_7) { lowest } priceLows { current } } } }"
    with record_statements(resources) as ran:
        nodes = (await query_data(resources, query))["cpus"]["nodes"]
    assert ran.count == 3
    lows = {node["name"]: node["priceLows"] for node in nodes}
    assert lows.pop("CPU 0") is None, "seen now, so it was not valid for any time"
    assert lows == {f"CPU {n}": {"current": n + 1} for n in range(1, 30)}
    (sixth,) = [node for node in nodes if node["name"] == "CPU 5"]
    assert [point["lowest"] for point in sixth["priceHistory"]] == [None, 6, 6, 6, 6, 6, 6]


async def test_price_history_moves_with_listing_to_other_cpu(resources: Resources) -> None:
    await create_cpu(resources, [[Seen(ago(days=2), Decimal(5))]])
    other = await add_cpu(resources, "Other")
    async with resources.write() as tx:
        await tx.execute(update(listing).values(cpu_id=other))
    assert (await fetch_history(resources))[1] is None
    assert (await fetch_history(resources, "other"))[1]["current"] == 5


async def test_price_history_uses_indexes(resources: Resources) -> None:
    await add_uniform_cpus(resources, 3000, 8)
    month = f"price_observation_{datetime.now(UTC):%Y_%m}"
    connection = await asyncpg.connect(str(resources.settings.database_url))
    try:
        await connection.execute("VACUUM ANALYZE")
        values = {"ids": [5, 6], "now": datetime.now(UTC), "since": ago(days=90), "unit": "day", "points": 400}
        for statement in (price_history_sql.HISTORY, price_history_sql.LOWS):
            compiled = compile_statement(statement)
            for option in ("", ", GENERIC_PLAN"):
                plan = await connection.fetch(
                    f"EXPLAIN (COSTS OFF{option}) {compiled.sql}", *compiled.arguments(values)
                )
                plan_text = "\n".join(row[0] for row in plan)
                for index in ("listing_active_idx", "listing_inactive_idx", f"{month}_pkey"):
                    assert index in plan_text, plan_text
                for table in ("listing", month):
                    assert f"Seq Scan on {table} " not in f"{plan_text} ", plan_text
    finally:
        await connection.close()
