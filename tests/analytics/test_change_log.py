"""What is logged, by whom and when; and that working it off loses nothing, whoever commits meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app.db.advisory_locks import CPU_WRITERS_LOCK
from app.db.transaction import Tx
from app.job_handlers import dispatch
from app.resources import Resources
from tests.analytics.catalogue import columns, fill, priced, put, recalculated, rows, run_sql, stored, table
from tests.analytics.changes import by_reference, drained, in_log, logged, nothing_is_left_to_do, versions
from tests.conftest import add_listing
from tests.work.rows import eventually

CPUS = [priced(10, 20), priced(30, 40), priced(50, 60, 60), priced()]
REPRICE = text("UPDATE listing SET adjusted_price = adjusted_price + 7 WHERE cpu_id = ANY(:ids)")


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """CPUs 1 to 4, of which the last has no listing; all figures are right."""
    await fill(resources, CPUS)
    await recalculated(resources)
    assert await in_log(resources) == []
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
async def test_what_can_change_a_figure_is_logged_once_per_cpu(
    catalogue: Resources, statement: str, expected: list[int]
) -> None:
    await run_sql(catalogue, statement)
    assert await in_log(catalogue) == expected


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
async def test_what_cannot_is_not(catalogue: Resources, statement: str) -> None:
    await run_sql(catalogue, statement)
    assert await in_log(catalogue) == []


async def test_listings_that_do_not_count_change_as_they_like(catalogue: Resources) -> None:
    await run_sql(catalogue, "UPDATE listing SET status = 'sold'")
    await drained(catalogue)
    await run_sql(catalogue, "UPDATE listing SET adjusted_price = 1", "UPDATE listing SET status = 'ended'")
    assert await in_log(catalogue) == []


async def test_what_is_rolled_back_is_not_logged(catalogue: Resources) -> None:
    async with catalogue.write() as tx:
        attempt = await tx.connection.begin_nested()
        await tx.execute(REPRICE, {"ids": [1, 2]})
        assert await logged(tx) == [1, 2]
        await attempt.rollback()
    assert await in_log(catalogue) == []


async def test_a_row_per_cpu_however_many_listings(catalogue: Resources) -> None:
    await run_sql(catalogue, INSERT.format(cpu="n % 3 + 1", status="active", price="n", rows=5000))
    assert await in_log(catalogue) == [1, 2, 3]


async def test_only_the_cpus_concerned_are_written(catalogue: Resources) -> None:
    """Their figures, and the ranks that they move; in the history are those whose own figures moved."""
    before = await rows(catalogue)
    await put(catalogue, {2: priced(30, 41)})
    await drained(catalogue)
    now = await rows(catalogue)
    assert {key: columns(row) for key, row in now.items()} == await by_reference(catalogue)
    assert [key for key, row in now.items() if row.computed_at != before[key].computed_at] == [2]
    history = "SELECT cpu_id, count(*) FROM figure_history GROUP BY cpu_id ORDER BY cpu_id"
    assert await table(catalogue, history) == [(1, 1), (2, 2), (3, 1), (4, 1)]
    await nothing_is_left_to_do(catalogue)


async def test_what_moves_back_is_not_written(catalogue: Resources) -> None:
    before = await rows(catalogue)
    await put(catalogue, {1: priced(11, 20)})
    await put(catalogue, {1: CPUS[0]})
    assert set(await in_log(catalogue)) == {1}
    await drained(catalogue)
    assert await rows(catalogue) == before


async def test_a_cpu_that_comes_or_goes_moves_the_ranks_of_others(catalogue: Resources) -> None:
    await put(catalogue, {5: priced(1)})
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)
    assert (await stored(catalogue))[1]["value_percentile"] == 25
    await run_sql(catalogue, "DELETE FROM cpu WHERE id = 1")
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)
    await run_sql(catalogue, "TRUNCATE cpu CASCADE")
    await drained(catalogue)


async def test_a_batch_bumps_the_version_once(catalogue: Resources) -> None:
    before = await versions(catalogue)
    async with catalogue.changes.follow("analytics") as told:
        for price in range(5):
            await put(catalogue, {1: priced(price + 1)})
        assert not told.is_set()
        await drained(catalogue)
        await asyncio.wait_for(told.wait(), 30)
    assert await versions(catalogue) == {**before, "analytics": before["analytics"] + 1}


async def test_nothing_logged_nothing_done(catalogue: Resources) -> None:
    before = await versions(catalogue)
    assert await dispatch.drain(catalogue) is None
    assert await versions(catalogue) == before


async def test_writers_do_not_wait_for_each_other_nor_for_the_batch(catalogue: Resources) -> None:
    async with catalogue.write() as one, catalogue.write() as other:
        for tx in (one, other):
            await tx.execute(text("SET LOCAL lock_timeout = '200ms'"))
        await one.execute(REPRICE, {"ids": [1]})
        await other.execute(REPRICE, {"ids": [2]})
        await add_listing(one, 2, 5)
        await add_listing(other, 1, 5)
        await run_sql(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 3")
        await drained(catalogue)
    assert await in_log(catalogue) == [1, 1, 2, 2]
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)


async def test_what_was_logged_first_and_commits_last_is_not_lost(catalogue: Resources) -> None:
    """Its ids are lower than those that were worked off before it was to be seen."""
    async with catalogue.write() as early:
        await early.execute(REPRICE, {"ids": [1]})
        await run_sql(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 2")
        assert await in_log(catalogue) == [2]
        await drained(catalogue)
    assert await in_log(catalogue) == [1]
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)


async def test_what_commits_while_a_batch_is_worked_off_is_for_the_next(catalogue: Resources) -> None:
    """Between the deletion from the log and the look at the prices."""
    await run_sql(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 1")
    async with catalogue.write() as holder:
        # The batch has emptied the log when it comes to read the prices.
        await holder.execute(text("LOCK TABLE listing IN ACCESS EXCLUSIVE MODE"))
        batch = asyncio.create_task(dispatch.drain(catalogue))
        await waiting_for_listings(holder)
        await holder.execute(REPRICE, {"ids": [1, 2]})
    assert await batch is True
    assert await in_log(catalogue) == [1, 2]
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)


async def waiting_for_listings(tx: Tx) -> None:
    """Until somebody waits for the table."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE relation = 'listing'::regclass AND NOT granted")
    await eventually(lambda: tx.scalar(waiting))


async def test_a_batch_that_fails_leaves_the_log_as_it_was(catalogue: Resources) -> None:
    await run_sql(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 1")
    await run_sql(catalogue, "ALTER TABLE figure_history RENAME TO away")
    before = await versions(catalogue)
    with pytest.raises(Exception, match="figure_history"):
        await dispatch.drain(catalogue)
    assert await in_log(catalogue) == [1]
    assert await versions(catalogue) == before
    await run_sql(catalogue, "ALTER TABLE away RENAME TO figure_history")
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)


async def test_whoever_writes_cpus_is_not_waited_for(catalogue: Resources) -> None:
    await run_sql(catalogue, "UPDATE listing SET adjusted_price = 8 WHERE cpu_id = 1")
    async with catalogue.write() as holder:
        await holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CPU_WRITERS_LOCK})
        assert await dispatch.drain(catalogue) is False
        assert await in_log(catalogue) == [1]
    await drained(catalogue)


async def test_many_at_once_do_it_once(catalogue: Resources) -> None:
    await put(catalogue, {1: priced(3), 2: priced(4)})
    before = await versions(catalogue)
    done = await asyncio.gather(*(dispatch.drain(catalogue) for _ in range(5)))
    assert done.count(True) == 1
    assert (await versions(catalogue))["analytics"] == before["analytics"] + 1
    assert await stored(catalogue) == await by_reference(catalogue)


async def test_a_recalculation_clears_what_it_covers(catalogue: Resources) -> None:
    await put(catalogue, {key: priced(key) for key in (1, 2, 3)})
    await recalculated(catalogue, [2])
    assert set(await in_log(catalogue)) == {1, 3}
    await recalculated(catalogue)
    assert await in_log(catalogue) == []
    assert await stored(catalogue) == await by_reference(catalogue)


async def test_a_cpu_that_fails_is_tried_again_with_the_next_batch(catalogue: Resources) -> None:
    before = await stored(catalogue)
    await run_sql(catalogue, "ALTER TABLE cpu ADD CONSTRAINT dear CHECK (price_good < 100)")
    await put(catalogue, {1: priced(100, 200), 2: priced(1, 2)})
    await drained(catalogue)
    now = await stored(catalogue)
    assert now[1] == before[1]
    assert (now[2]["price_good"], now[2]["value_percentile"]) == (1.5, 0)
    assert [key for (key,) in await table(catalogue, "SELECT cpu_id FROM recalculation_failure")] == [1]
    await nothing_is_left_to_do(catalogue)
    await run_sql(catalogue, "ALTER TABLE cpu DROP CONSTRAINT dear")
    await put(catalogue, {3: priced(7)})
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)
    assert await table(catalogue, "SELECT cpu_id FROM recalculation_failure") == []


async def test_a_rank_that_cannot_be_written_is_a_failure_too(catalogue: Resources) -> None:
    """Of a CPU that was not in the log: the next batch makes up for it."""
    await run_sql(catalogue, "ALTER TABLE cpu ADD CONSTRAINT low CHECK (id <> 3 OR value_percentile >= 50) NOT VALID")
    await put(catalogue, {1: priced(1000), 2: priced(2000)})
    await drained(catalogue)
    assert [key for (key,) in await table(catalogue, "SELECT cpu_id FROM recalculation_failure")] == [3]
    await nothing_is_left_to_do(catalogue)
    await run_sql(catalogue, "ALTER TABLE cpu DROP CONSTRAINT low")
    await put(catalogue, {4: priced(3)})
    await drained(catalogue)
    assert await stored(catalogue) == await by_reference(catalogue)
