"""Stored statistics equal an aggregate over the tables after any statement, commit or rollback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.analytics import statistics_sql
from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Transaction
from app.resources import Resources, Session
from tests.analytics.statistics_reference import reference_statistics
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.effort import size_of

INSERT_CPUS = """
    INSERT INTO cpu (name, slug, manufacturer, socket, cores, tdp_w, release_year, cpu_mark_multi, cpu_mark_single)
    SELECT
        gen_random_uuid()::text, gen_random_uuid()::text, {maker}, {socket}, {number}, {number} + n, 2000 + {number},
        CASE WHEN n = 1 THEN {number} END, {number}
    FROM generate_series(1, {rows}) AS n
"""
# Existing rows get the new values instead.
UPSERT_CPUS = """
    INSERT INTO cpu (name, slug, manufacturer, socket, cores)
    SELECT n, n, {maker}, {socket}, {number} FROM generate_series(1, {rows}) AS n
    ON CONFLICT (slug) DO UPDATE SET manufacturer = excluded.manufacturer, socket = excluded.socket, cores = {number}
"""
INSERT_LISTINGS = """
    INSERT INTO listing (cpu_id, title, marketplace, condition, status, adjusted_price, offer_key, seen_at)
    SELECT n, 'A listing', 'test', 'used', {status}, {number}, uuid_send(gen_random_uuid()), now()
    FROM generate_series(1, {rows}) AS n
"""
MERGE_LISTINGS = """
    MERGE INTO listing USING (VALUES (1)) AS v ON status = {status}
    WHEN MATCHED AND {some} THEN DELETE
    WHEN MATCHED THEN UPDATE SET status = 'sold'
"""
STEPS = [
    *[INSERT_CPUS] * 3,
    UPSERT_CPUS,
    "UPDATE cpu SET {ranged} = {number} WHERE {some}",
    "UPDATE cpu SET manufacturer = {maker}, socket = {socket} WHERE {some}",
    "UPDATE cpu SET figures_computed_at = {time}, price_good = {number} WHERE {some}",
    "UPDATE cpu SET figures_computed_at = {time}",
    "UPDATE cpu SET name = name || '.', {ranged} = {ranged} WHERE {some}",
    "DELETE FROM cpu WHERE {some}",
    "TRUNCATE cpu CASCADE",
    *[INSERT_LISTINGS] * 3,
    "UPDATE listing SET status = {status} WHERE {some}",
    "UPDATE listing SET adjusted_price = {number}",
    "DELETE FROM listing WHERE {some}",
    "TRUNCATE listing",
    "WITH l AS (" + INSERT_LISTINGS + "), d AS (DELETE FROM listing WHERE {some}) UPDATE cpu SET cores = {number}",
    MERGE_LISTINGS,
    "DELETE FROM recalculation_watermark",
    "INSERT INTO recalculation_watermark (full_at) VALUES ({time}) ON CONFLICT (single) DO UPDATE SET full_at = {time}",
    "INSERT INTO listing DEFAULT VALUES",  # fails
]


def statement_strategy(template: str) -> st.SearchStrategy[str]:
    """Return a strategy for statements of this form."""
    return st.builds(
        lambda **values: template.format_map(values),
        maker=st.sampled_from(["'AMD'", "'Intel'", "'amd'", "'Ö'"]),
        socket=st.sampled_from(["'AM4'", "'LGA'", "NULL"]),
        number=st.sampled_from(["0", "7", "8", "2147480000", "NULL::integer"]),
        ranged=st.sampled_from(statistics_sql.RANGE_COLUMNS),
        time=st.sampled_from(["NULL", "'2024-01-01'", "'2024-05-05'", "'2030-01-01'"]),
        status=st.sampled_from(["'active'", "'active'", "'sold'"]),
        some=st.sampled_from(["id % 2 = 0", "id % 3 = 1", "true", "false"]),
        rows=st.integers(0, 4),
    )


STATEMENTS = st.sampled_from(STEPS).flatmap(statement_strategy)
# For each group of statements and each transaction: whether it is kept.
TRANSACTIONS = st.tuples(
    st.booleans(), st.lists(st.tuples(st.booleans(), st.lists(STATEMENTS, min_size=1, max_size=3)), max_size=4)
)


class GaveUp(Exception):
    """Rolls back the block that it is raised in."""


async def check_statistics(session: Session) -> None:
    """Compare the stored statistics with the aggregate."""
    assert dict((await statistics_sql.load_statistics(session))._mapping) == dict(
        (await reference_statistics(session))._mapping
    )


async def check_committed_statistics(resources: Resources) -> None:
    """Compare them in a new transaction."""
    async with resources.read() as session:
        await check_statistics(session)


async def run_statements(tx: Transaction, keep: bool, statements: Sequence[str]) -> None:
    """Run the statements behind a savepoint; a failing one rolls all of them back."""
    with suppress(GaveUp, IntegrityError):
        async with tx.connection.begin_nested():
            for statement in statements:
                await tx.execute(text(statement))
                await check_statistics(tx)
            if not keep:
                raise GaveUp


@pytest.mark.sized
@settings(
    max_examples=size_of(short=30, long=400),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(TRANSACTIONS, min_size=1, max_size=4))
async def test_statistics_after_random_history_equal_computed_ones(
    resources: Resources, history: list[tuple[bool, list[tuple[bool, list[str]]]]]
) -> None:
    for keep, groups in history:
        with suppress(GaveUp):
            async with resources.write() as tx:
                for is_kept, statements in groups:
                    await run_statements(tx, is_kept, statements)
                    await check_statistics(tx)
                if not keep:
                    raise GaveUp
        await check_committed_statistics(resources)


async def test_statistics_count_copied_rows(resources: Resources) -> None:
    await add_cpu(resources, "AMD One", [1])
    async with resources.write() as tx:
        driver: Any = (await tx.connection.get_raw_connection()).driver_connection
        rows = [(f"Intel {n}", f"intel-{n}", "Intel", n) for n in range(50)]
        await driver.copy_records_to_table("cpu", records=rows, columns=["name", "slug", "manufacturer", "cores"])
        await check_statistics(tx)
        assert (await statistics_sql.load_statistics(tx)).total == 51


async def test_statistics_after_deleting_one_of_two_equal_values_are_exact(resources: Resources) -> None:
    first = await add_cpu(resources, "AMD One", cores=4)
    await add_cpu(resources, "AMD Two", cores=4)
    async with resources.write() as tx:
        await tx.execute(text("UPDATE cpu SET cores = CASE WHEN id = :id THEN 8 ELSE cores END"), {"id": first})
        await check_statistics(tx)


async def listing_counts(resources: Resources) -> list[int]:
    """Return the rows that sum up to the number of active listings."""
    async with resources.read() as session:
        rows = await session.rows(text("SELECT active FROM listing_statistics ORDER BY shard"))
        return [row.active for row in rows]


async def test_statistics_listing_writers_do_not_wait(resources: Resources) -> None:
    # Both connections use the same row one after the other; neither may treat it as its own afterwards.
    async with resources.write() as later:
        async with resources.write() as tx:
            ours, theirs, spare = [await add_listing(tx, None, 1) for _ in range(3)]
        await add_listing(later, None, 1)
    assert await listing_counts(resources) == [4]
    end = text("UPDATE listing SET status = 'ended' WHERE id = :id")
    async with resources.write() as one, resources.write() as other:
        for tx in (one, other):
            await tx.execute(text("SET LOCAL lock_timeout = '100ms'"))
        await one.execute(end, {"id": ours})
        await other.execute(end, {"id": theirs})
        await add_listing(other, None, 2)
        await one.execute(end, {"id": spare})
        await add_listing(one, None, 2)
        await check_statistics(one)
        await check_statistics(other)
    await check_committed_statistics(resources)
    assert sum(await listing_counts(resources)) == 3
    # There are never more rows than concurrent writers.
    for _ in range(5):
        async with resources.write() as tx:
            await add_listing(tx, None, 3)
    assert len(await listing_counts(resources)) == 2


async def test_statistics_of_concurrent_listing_writers_are_exact(resources: Resources) -> None:
    async def write(number: int) -> None:
        for turn in range(6):
            with suppress(GaveUp):
                async with resources.write() as tx:
                    mine = [await add_listing(tx, number, 1) for _ in range(3)]
                    await tx.execute(text("UPDATE listing SET status = 'sold' WHERE id = :id"), {"id": mine[0]})
                    await tx.execute(text("DELETE FROM listing WHERE id = :id"), {"id": mine[1]})
                    if (number + turn) % 3 == 0:
                        raise GaveUp

    await asyncio.gather(*(write(number) for number in range(8)))
    await check_committed_statistics(resources)
    counts = await listing_counts(resources)
    assert sum(counts) == 8 * 6 * 2 // 3
    assert len(counts) <= 8


async def test_statistics_of_concurrent_cpu_writers_are_exact(resources: Resources) -> None:
    insert = "INSERT INTO cpu (name, slug, manufacturer) VALUES ('{0}', '{0}', '{0}')"
    async with resources.write() as first:
        await first.execute(text(insert.format("A")))

        async def second() -> None:
            async with resources.write() as tx:
                await tx.execute(text(insert.format("B")))
                await check_statistics(tx)

        waiting = asyncio.create_task(second())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
    await waiting
    async with resources.read() as session:
        assert (await statistics_sql.load_statistics(session)).manufacturers == ["A", "B"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO cpu (name, slug, manufacturer) VALUES ('A', 'a', 'A')",
        "UPDATE cpu SET cores = 1",
        "DELETE FROM cpu",
    ],
)
async def test_cpu_write_takes_cpu_writers_lock(resources: Resources, statement: str) -> None:
    async with resources.write() as holder, resources.write() as tx:
        await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CPU_WRITERS_LOCK})
        await tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            async with tx.connection.begin_nested():
                await tx.execute(text(statement))


async def test_statistics_after_recalculation_change_time_only(resources: Resources) -> None:
    """Writing figures does not read the catalogue: a deliberately wrong value stays."""
    cpu_id = await add_cpu(resources, "AMD One")
    async with resources.write() as tx:
        await tx.execute(text("UPDATE cpu_statistics SET total = 100"))
        await tx.execute(text("UPDATE cpu SET figures_computed_at = '2030-01-01', price_good = 1"))
        statistics = await statistics_sql.load_statistics(tx)
        assert (statistics.total, statistics.updated_at.year) == (100, 2030)
        await tx.execute(text("UPDATE cpu SET cores = 4 WHERE id = :id"), {"id": cpu_id})
        await check_statistics(tx)


async def test_statistics_query_does_not_read_cpus_and_listings(resources: Resources) -> None:
    await add_cpu(resources, "AMD One", [1, 2])
    async with resources.read() as session:
        (plan,) = (await session.scalar(text(f"EXPLAIN (FORMAT JSON) {statistics_sql.STATISTICS}")),)
    assert planned_tables(plan) == {"cpu_statistics", "listing_statistics", "recalculation_watermark"}


def planned_tables(plan: Any) -> set[str]:
    """Return the tables that a plan reads."""
    if isinstance(plan, list):
        return set().union(*map(planned_tables, plan))
    if not isinstance(plan, dict):
        return set()
    return planned_tables(list(plan.values())) | ({plan["Relation Name"]} if "Relation Name" in plan else set())
