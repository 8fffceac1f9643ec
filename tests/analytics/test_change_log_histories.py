"""Processing the change log after random histories results in the figures of a full recalculation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.analytics.recalculation import recalculate
from app.bulk_import.staging import ImportOptions
from app.catalog.cpu_import import import_cpus, open_cpus
from app.db.transaction import Transaction
from app.job_handlers.recalculation import process_change_log
from app.market.imports.importer import import_listings, open_listings
from app.resources import Resources
from tests.support.change_log import assert_figures_are_current, committed_change_log, expected_figures
from tests.support.effort import size_of
from tests.support.figures_catalog import fetch_rows, no_progress, run_statements, stored_figures

EMPTY = "TRUNCATE cpu, listing, figure_history, recalculation_failure, recalculation_watermark, data_change_log, broken"
# CPUs in the table `broken` cannot be written.
CURSE = (
    "CREATE TABLE broken (cpu_id bigint)",
    """
    CREATE FUNCTION break_cpu() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM broken WHERE cpu_id = new.id) THEN RAISE EXCEPTION 'broken'; END IF;
        RETURN new;
    END $$
    """,
    "CREATE TRIGGER curse BEFORE UPDATE OF price_good ON cpu FOR EACH ROW EXECUTE FUNCTION break_cpu()",
)
INSERT_CPUS = """
    INSERT INTO cpu (id, name, slug, manufacturer, cpu_mark_multi, cpu_mark_single) OVERRIDING SYSTEM VALUE
    SELECT n, 'CPU ' || n, 'cpu-' || n, 'Test', nullif(n % 4, 3) * 10, {mark}
    FROM generate_series({one}, {one} + {rows}) AS n
    ON CONFLICT (id) DO UPDATE SET cpu_mark_multi = {mark}
"""
INSERT_LISTINGS = """
    INSERT INTO listing (cpu_id, title, marketplace, condition, status, adjusted_price, offer_key, seen_at)
    SELECT {one} + n % 3, 'A listing', 'test', 'used', {status}, {price} + n, uuid_send(gen_random_uuid()), now()
    FROM generate_series(1, {rows}) AS n
"""
MERGE = """
    MERGE INTO listing USING (VALUES ({one})) AS v (n) ON cpu_id = n
    WHEN MATCHED AND {some} THEN DELETE
    WHEN MATCHED THEN UPDATE SET adjusted_price = {price}
"""
IMPORT_CPUS = """import cpus
name,cpu_mark_multi,cpu_mark_single
CPU {one},{number},{number}
New {number},{number},
"""
IMPORT_LISTINGS = """import listings
title,cpu,price,marketplace,seller,status
Offer,CPU {one},{number},test,me,{status}
Offer {one},CPU {one},{number}.50,test,,active
"""
# Steps that begin with `import` or `recalculate` are not SQL; see `do`.
STEPS = [
    *[INSERT_CPUS] * 3,
    *[INSERT_LISTINGS] * 4,
    IMPORT_CPUS,
    IMPORT_LISTINGS,
    "UPDATE listing SET adjusted_price = {price} WHERE cpu_id = {one}",
    "UPDATE listing SET adjusted_price = adjusted_price * 2 WHERE {some}",
    "UPDATE listing SET status = {status} WHERE {some}",
    "UPDATE listing SET cpu_id = {one} WHERE {some}",
    "DELETE FROM listing WHERE {some}",
    "TRUNCATE listing",
    "UPDATE cpu SET cpu_mark_multi = {mark} WHERE {some}",
    "UPDATE cpu SET cpu_mark_single = {mark}, name = name || '.' WHERE id = {one}",
    "DELETE FROM cpu WHERE id = {one}",
    "TRUNCATE cpu CASCADE",
    "WITH d AS (DELETE FROM listing WHERE cpu_id = {one}) UPDATE cpu SET cpu_mark_multi = {mark} WHERE {some}",
    MERGE,
    # A failure has causes outside the change log. The row makes the next batch meet it, as a full recalculation would,
    # or write the CPU once it is repaired.
    *["WITH caused AS (INSERT INTO broken VALUES ({one})) INSERT INTO data_change_log (cpu_id) VALUES ({one})"] * 4,
    *["WITH lifted AS (DELETE FROM broken) INSERT INTO data_change_log (cpu_id) VALUES (0)"] * 4,
    "recalculate",
    "recalculate {one}",
    "INSERT INTO listing DEFAULT VALUES",  # fails
]


def step_strategy(template: str) -> st.SearchStrategy[str]:
    """Return a strategy for steps of this form."""
    return st.builds(
        lambda **values: template.format_map(values),
        one=st.integers(1, 5),
        rows=st.integers(0, 4),
        number=st.sampled_from([0, 7, 8, 150]),
        price=st.sampled_from(["0", "7", "8", "9999999999.99", "NULL::numeric"]),
        mark=st.sampled_from(["0", "1", "20", "2147480000", "NULL::integer"]),
        status=st.sampled_from(["'active'", "'active'", "'sold'"]),
        some=st.sampled_from(["cpu.id % 2 = 0", "cpu.id = 3", "true", "false"]).map(
            lambda some: some.replace("cpu.id", "cpu_id" if "listing" in template.split("WHERE")[0] else "id")
        ),
    )


# For each transaction: whether it commits, its steps, and whether the log is processed afterwards.
TRANSACTIONS = st.tuples(
    st.booleans() | st.just(True),
    st.lists(st.sampled_from(STEPS).flatmap(step_strategy), min_size=1, max_size=4),
    st.booleans(),
)
START = (
    True,
    [INSERT_CPUS.format(one=1, rows=4, mark=20), INSERT_LISTINGS.format(one=1, rows=9, status="'active'", price=7)],
    True,
)


# Listings with a last observation that is not their current value.
FORGOTTEN = """
    SELECT l.id, l.status, l.adjusted_price, l.seen_at::text, p.state, p.adjusted_price, p.seen_at::text
    FROM listing AS l
    LEFT JOIN LATERAL (
        SELECT * FROM price_observation WHERE listing_id = l.id ORDER BY seen_at DESC LIMIT 1
    ) AS p ON true
    WHERE (p.adjusted_price, p.state)
        IS DISTINCT FROM (l.adjusted_price, CASE l.status WHEN 'active' THEN 'active' ELSE 'gone' END)
"""


class GaveUp(Exception):
    """Rolls back the block that it is raised in."""


async def run_step(tx: Transaction, what: str, folder: Path) -> None:
    """Run one step; a failing step leaves no changes."""
    with suppress(DBAPIError):
        async with tx.connection.begin_nested():
            word, _, rest = what.partition("\n" if what.startswith("import") else " ")
            if word == "recalculate":
                await recalculate(tx, None, [int(rest)] if rest else None, 2, no_progress)
            elif word.startswith("import"):
                await import_text(tx, word.removeprefix("import "), rest.replace("'", ""), folder)
            else:
                await tx.execute(text(what))


async def import_text(tx: Transaction, kind: str, content: str, folder: Path) -> None:
    """Import like `dealmark import`."""
    file = folder / "import.csv"
    file.write_text(content)
    options = ImportOptions(rejects_path=folder / "rejects.csv")
    if kind == "cpus":
        await import_cpus(tx, open_cpus(file), options)
    else:
        await import_listings(tx, open_listings(file), options)


async def empty_change_log(resources: Resources) -> None:
    """Process the log until it is empty."""
    while await process_change_log(resources) is not None:
        pass
    assert await committed_change_log(resources) == []


@pytest.mark.sized
@settings(
    max_examples=size_of(short=25, long=300),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(TRANSACTIONS, min_size=1, max_size=6))
@example(history=[])
@example(
    history=[
        # Twice in one transaction, with one transaction time.
        (
            True,
            [
                "UPDATE cpu SET cpu_mark_multi = 7 WHERE id = 1",
                "recalculate",
                "UPDATE cpu SET cpu_mark_single = 7 WHERE id = 1",
                "recalculate",
            ],
            False,
        )
    ]
)
async def test_change_log_after_random_history_equals_full_recalculation(
    resources: Resources, tmp_path: Path, history: Sequence[tuple[bool, Sequence[str], bool]]
) -> None:
    if await fetch_rows(resources, "SELECT to_regclass('broken') IS NULL") == [(True,)]:
        await run_statements(resources, *CURSE)
    await run_statements(resources, EMPTY)
    for keep, steps, worked_off in [START, *history]:
        with suppress(GaveUp):
            async with resources.write() as tx:
                for step in steps:
                    await run_step(tx, step, tmp_path)
                if not keep:
                    raise GaveUp
        if worked_off:
            await empty_change_log(resources)
    await empty_change_log(resources)
    if not await fetch_rows(resources, "SELECT cpu_id FROM recalculation_failure"):
        assert await stored_figures(resources) == await expected_figures(resources)
    await assert_figures_are_current(resources)
    assert await fetch_rows(resources, FORGOTTEN) == []
