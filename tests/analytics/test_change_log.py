"""Change log: which changes are logged, and batches that lose no change of concurrent transactions."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Transaction
from app.job_handlers.recalculation import process_change_log
from app.resources import Resources
from tests.support.catalog_rows import add_listing
from tests.support.change_log import (
    assert_figures_are_current,
    committed_change_log,
    data_versions,
    expected_figures,
    logged_cpu_ids,
    process_all_changes,
)
from tests.support.figures_catalog import (
    cpu_with_prices,
    fetch_rows,
    figure_columns,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    rows_by_cpu,
    run_statements,
    stored_figures,
)
from tests.support.waiting import wait_until

CPUS = [cpu_with_prices(10, 20), cpu_with_prices(30, 40), cpu_with_prices(50, 60, 60), cpu_with_prices()]
REPRICE = text("UPDATE listing SET adjusted_price = adjusted_price + 7 WHERE cpu_id = ANY(:ids)")


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """Create CPUs 1 to 4 with consistent figures; the last one has no listing."""
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    assert await committed_change_log(resources) == []
    return resources


INSERT = """
    INSERT INTO listing (cpu_id, title, marketplace, condition, status, adjusted_price, offer_key, seen_at)
    SELECT {cpu}, 'A listing', 'test', 'used', '{status}', {price}, uuid_send(gen_random_uuid()), now()
    FROM generate_series(1, {rows}) AS n
"""


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE listing SET adjusted_price = 5 WHERE cpu_id = 1", [1]),
        ("UPDATE listing SET adjusted_price = adjusted_price + 1 WHERE cpu_id <> 2", [1, 3]),
        ("UPDATE listing SET status = 'sold' WHERE cpu_id = 2", [2]),
        ("UPDATE listing SET adjusted_price = NULL WHERE cpu_id = 2", [2]),
        ("UPDATE listing SET adjusted_price = 0 WHERE cpu_id = 2", [2]),
        ("UPDATE listing SET cpu_id = 4 WHERE cpu_id = 1", [1, 4]),
        ("UPDATE listing SET cpu_id = NULL WHERE cpu_id = 1", [1]),
        ("UPDATE listing SET adjusted_price = 60 WHERE adjusted_price = 50", [3]),
        # 50, 60 and 60 become 60, 50 and 50.
        ("UPDATE listing SET adjusted_price = 110 - adjusted_price WHERE cpu_id = 3", [3]),
        ("DELETE FROM listing WHERE cpu_id = 3", [3]),
        ("DELETE FROM listing", [1, 2, 3]),
        ("TRUNCATE listing", [1, 2, 3, 4]),
        (INSERT.format(cpu="n % 2 + 1", status="active", price="n", rows=20), [1, 2]),
        (INSERT.format(cpu="77", status="active", price="n", rows=1), [77]),
        ("UPDATE cpu SET cpu_mark_multi = 9 WHERE id = 2", [2]),
        ("UPDATE cpu SET cpu_mark_single = NULL WHERE id IN (3, 4)", [3, 4]),
        ("DELETE FROM cpu WHERE id = 2", [2]),
        ("TRUNCATE cpu CASCADE", [0]),
        ("INSERT INTO cpu (id, name, slug, manufacturer) OVERRIDING SYSTEM VALUE VALUES (9, 'A', 'a', 'A')", [9]),
        (
            """
            INSERT INTO cpu (name, slug, manufacturer) VALUES ('CPU 1', 'cpu-1', 'Test')
            ON CONFLICT (slug) DO UPDATE SET cpu_mark_multi = 77
            """,
            [1],
        ),
        (
            """
            MERGE INTO listing USING (VALUES (1)) AS v ON cpu_id < 3
            WHEN MATCHED AND cpu_id = 1 THEN DELETE
            WHEN MATCHED THEN UPDATE SET status = 'sold'
            """,
            [1, 2],
        ),
        (
            "WITH d AS (DELETE FROM listing WHERE cpu_id = 1) UPDATE cpu SET cpu_mark_multi = 8 WHERE id IN (1, 4)",
            [1, 1, 4],  # two statements in one
        ),
    ],
)
async def test_change_log_has_one_row_per_cpu_with_changed_inputs(
    catalogue: Resources, statement: str, expected: list[int]
) -> None:
    await run_statements(catalogue, statement)
    assert await committed_change_log(catalogue) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE listing SET title = 'Another', price = 3, shipping = 4, seen_at = now()",
        "UPDATE listing SET adjusted_price = adjusted_price + 0.00",
        "UPDATE listing SET adjusted_price = 30 - adjusted_price WHERE cpu_id = 1",  # 10 and 20 become 20 and 10
        "UPDATE listing SET adjusted_price = 5 WHERE false",
        "DELETE FROM listing WHERE cpu_id = 99",
        INSERT.format(cpu="NULL", status="active", price="n", rows=3),
        INSERT.format(cpu="1", status="sold", price="n", rows=3),
        INSERT.format(cpu="1", status="active", price="0", rows=3),
        INSERT.format(cpu="1", status="active", price="NULL", rows=3),
        "UPDATE cpu SET name = name || '.', cores = 4, price_good = 3, cpu_mark_multi = cpu_mark_multi",
        "DELETE FROM figure_history",
    ],
)
async def test_change_log_ignores_other_changes(catalogue: Resources, statement: str) -> None:
    await run_statements(catalogue, statement)
    assert await committed_change_log(catalogue) == []


async def test_change_log_ignores_listings_that_do_not_count(catalogue: Resources) -> None:
    await run_statements(catalogue, "UPDATE listing SET status = 'sold'")
    await process_all_changes(catalogue)
    await run_statements(catalogue, "UPDATE listing SET adjusted_price = 1", "UPDATE listing SET status = 'ended'")
    assert await committed_change_log(catalogue) == []


async def test_change_log_ignores_rolled_back_changes(catalogue: Resources) -> None:
    async with catalogue.write() as tx:
        attempt = await tx.connection.begin_nested()
        await tx.execute(REPRICE, {"ids": [1, 2]})
        assert await logged_cpu_ids(tx) == [1, 2]
        await attempt.rollback()
    assert await committed_change_log(catalogue) == []


async def test_change_log_has_one_row_per_cpu_for_many_listings(catalogue: Resources) -> None:
    await run_statements(catalogue, INSERT.format(cpu="n % 3 + 1", status="active", price="n", rows=5000))
    assert await committed_change_log(catalogue) == [1, 2, 3]


async def test_change_log_batch_writes_changed_cpus_only(catalogue: Resources) -> None:
    """Figures and changed ranks are written; the history has the CPUs with changed figures."""
    before = await rows_by_cpu(catalogue)
    await replace_cpus(catalogue, {2: cpu_with_prices(30, 41)})
    await process_all_changes(catalogue)
    now = await rows_by_cpu(catalogue)
    assert {key: figure_columns(row) for key, row in now.items()} == await expected_figures(catalogue)
    assert [key for key, row in now.items() if row.computed_at != before[key].computed_at] == [2]
    history = "SELECT cpu_id, count(*) FROM figure_history GROUP BY cpu_id ORDER BY cpu_id"
    assert await fetch_rows(catalogue, history) == [(1, 1), (2, 2), (3, 1), (4, 1)]
    await assert_figures_are_current(catalogue)


async def test_change_log_batch_skips_reverted_changes(catalogue: Resources) -> None:
    before = await rows_by_cpu(catalogue)
    await replace_cpus(catalogue, {1: cpu_with_prices(11, 20)})
    await replace_cpus(catalogue, {1: CPUS[0]})
    assert set(await committed_change_log(catalogue)) == {1}
    await process_all_changes(catalogue)
    assert await rows_by_cpu(catalogue) == before


async def test_change_log_new_or_deleted_cpu_changes_other_ranks(catalogue: Resources) -> None:
    await replace_cpus(catalogue, {5: cpu_with_prices(1)})
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)
    assert (await stored_figures(catalogue))[1]["value_percentile"] == 25
    await run_statements(catalogue, "DELETE FROM cpu WHERE id = 1")
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)
    await run_statements(catalogue, "TRUNCATE cpu CASCADE")
    await process_all_changes(catalogue)


async def test_change_log_batch_bumps_version_once(catalogue: Resources) -> None:
    before = await data_versions(catalogue)
    async with catalogue.notifications.subscribe("analytics") as notified:
        for price in range(5):
            await replace_cpus(catalogue, {1: cpu_with_prices(price + 1)})
        assert not notified.is_set()
        await process_all_changes(catalogue)
        await asyncio.wait_for(notified.wait(), 30)
    assert await data_versions(catalogue) == {**before, "analytics": before["analytics"] + 1}


async def test_change_log_empty_does_nothing(catalogue: Resources) -> None:
    before = await data_versions(catalogue)
    assert await process_change_log(catalogue) is None
    assert await data_versions(catalogue) == before


async def test_change_log_writers_do_not_wait(catalogue: Resources) -> None:
    async with catalogue.write() as one, catalogue.write() as other:
        for tx in (one, other):
            await tx.execute(text("SET LOCAL lock_timeout = '200ms'"))
        await one.execute(REPRICE, {"ids": [1]})
        await other.execute(REPRICE, {"ids": [2]})
        await add_listing(one, 2, 5)
        await add_listing(other, 1, 5)
        await run_statements(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 3")
        await process_all_changes(catalogue)
    assert await committed_change_log(catalogue) == [1, 1, 2, 2]
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_change_log_late_commit_is_not_lost(catalogue: Resources) -> None:
    """Its log ids are lower than those of rows that were processed before it became visible."""
    async with catalogue.write() as early:
        await early.execute(REPRICE, {"ids": [1]})
        await run_statements(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 2")
        assert await committed_change_log(catalogue) == [2]
        await process_all_changes(catalogue)
    assert await committed_change_log(catalogue) == [1]
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_change_log_commit_during_batch_stays_for_next(catalogue: Resources) -> None:
    """It commits after the log is emptied and before the prices are read."""
    await run_statements(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 1")
    async with catalogue.write() as holder:
        # The batch has emptied the log by the time it reads the prices.
        await holder.execute(text("LOCK TABLE listing IN ACCESS EXCLUSIVE MODE"))
        batch = asyncio.create_task(process_change_log(catalogue))
        await wait_for_blocked_writer(holder)
        await holder.execute(REPRICE, {"ids": [1, 2]})
    assert await batch is True
    assert await committed_change_log(catalogue) == [1, 2]
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def wait_for_blocked_writer(tx: Transaction) -> None:
    """Wait until a transaction waits for the table."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE relation = 'listing'::regclass AND NOT granted")
    await wait_until(lambda: tx.scalar(waiting))


async def test_change_log_failed_batch_keeps_log(catalogue: Resources) -> None:
    await run_statements(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 1")
    await run_statements(catalogue, "ALTER TABLE figure_history RENAME TO away")
    before = await data_versions(catalogue)
    with pytest.raises(Exception, match="figure_history"):
        await process_change_log(catalogue)
    assert await committed_change_log(catalogue) == [1]
    assert await data_versions(catalogue) == before
    await run_statements(catalogue, "ALTER TABLE away RENAME TO figure_history")
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_change_log_batch_does_not_wait_for_cpu_writers(catalogue: Resources) -> None:
    await run_statements(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 1")
    async with catalogue.write() as holder:
        await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CPU_WRITERS_LOCK})
        assert await process_change_log(catalogue) is False
        assert await committed_change_log(catalogue) == [1]
    await process_all_changes(catalogue)


async def test_change_log_concurrent_batches_process_rows_once(catalogue: Resources) -> None:
    await replace_cpus(catalogue, {1: cpu_with_prices(3), 2: cpu_with_prices(4)})
    before = await data_versions(catalogue)
    done = await asyncio.gather(*(process_change_log(catalogue) for _ in range(5)))
    assert done.count(True) == 1
    assert (await data_versions(catalogue))["analytics"] == before["analytics"] + 1
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_recalculation_clears_covered_change_log_rows(catalogue: Resources) -> None:
    await replace_cpus(catalogue, {key: cpu_with_prices(key) for key in (1, 2, 3)})
    await recalculate_figures(catalogue, [2])
    assert set(await committed_change_log(catalogue)) == {1, 3}
    await recalculate_figures(catalogue)
    assert await committed_change_log(catalogue) == []
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_change_log_batch_retries_failed_cpus(catalogue: Resources) -> None:
    before = await stored_figures(catalogue)
    await run_statements(catalogue, "ALTER TABLE cpu ADD CONSTRAINT dear CHECK (price_good < 100)")
    await replace_cpus(catalogue, {1: cpu_with_prices(100, 200), 2: cpu_with_prices(1, 2)})
    await process_all_changes(catalogue)
    now = await stored_figures(catalogue)
    assert now[1] == before[1]
    assert (now[2]["price_good"], now[2]["value_percentile"]) == (1.5, 0)
    assert [key for (key,) in await fetch_rows(catalogue, "SELECT cpu_id FROM recalculation_failure")] == [1]
    await assert_figures_are_current(catalogue)
    await run_statements(catalogue, "ALTER TABLE cpu DROP CONSTRAINT dear")
    await replace_cpus(catalogue, {3: cpu_with_prices(7)})
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)
    assert await fetch_rows(catalogue, "SELECT cpu_id FROM recalculation_failure") == []


async def test_change_log_batch_records_unwritable_rank_as_failure(catalogue: Resources) -> None:
    """The CPU was not in the log; the next batch writes its rank."""
    await run_statements(
        catalogue, "ALTER TABLE cpu ADD CONSTRAINT low CHECK (id <> 3 OR value_percentile >= 50) NOT VALID"
    )
    await replace_cpus(catalogue, {1: cpu_with_prices(1000), 2: cpu_with_prices(2000)})
    await process_all_changes(catalogue)
    assert [key for (key,) in await fetch_rows(catalogue, "SELECT cpu_id FROM recalculation_failure")] == [3]
    await assert_figures_are_current(catalogue)
    await run_statements(catalogue, "ALTER TABLE cpu DROP CONSTRAINT low")
    await replace_cpus(catalogue, {4: cpu_with_prices(3)})
    await process_all_changes(catalogue)
    assert await stored_figures(catalogue) == await expected_figures(catalogue)
