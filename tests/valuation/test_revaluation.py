"""Revaluation job: affected listings only, in batches, and with concurrent writers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.bulk_import.staging import ImportOptions
from app.db.tables import JobKind, valuation_rule
from app.db.transaction import Transaction
from app.job_handlers import dispatch
from app.job_handlers.revaluation import apply_due_rules
from app.job_queue.enqueue import request_job
from app.market.imports.importer import import_listings, open_listings
from app.resources import Resources
from app.valuation import revaluation, revaluation_sql
from app.valuation.adjusted_price import VALUATION_INPUTS, adjusted_price
from app.valuation.revaluation import activate_due_rules, run_revaluation
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.change_log import (
    assert_figures_are_current,
    committed_change_log,
    expected_figures,
    process_all_changes,
)
from tests.support.figures_catalog import stored_figures
from tests.support.file_imports import FileImporter
from tests.support.queue_worker import run_queued_jobs
from tests.support.schema_execution import query_data
from tests.support.valuation_rules import (
    CREATE,
    HEADER,
    adjusted_prices,
    create_rules,
    import_shop,
    rule_input,
    run_mutation,
)
from tests.support.waiting import wait_until

MEMORY = {"rules": [{"component": "memory", "kind": None}]}


@pytest.fixture
def importer(resources: Resources, tmp_path: Path) -> FileImporter:
    """Return an importer of listings."""
    return FileImporter(resources, tmp_path)


async def no_progress(_done: int, _total: int) -> None:
    """Ignore progress."""


async def create_listings(resources: Resources, importer: FileImporter, pcs: int) -> None:
    """Create this many PCs with 1, 2, 3 ... GB, as many boxed CPUs, and a rule that is not applied yet."""
    titles = [f"i5-8500T {size}GB RAM" for size in range(1, pcs + 1)] + [f"i5-8500T no. {n} boxed" for n in range(pcs)]
    await import_shop(resources, importer, *titles)
    async with resources.write() as tx:
        values = {"component": "memory", "unit": "gb", "value_usd": 1, "in_force": True}
        await tx.execute(valuation_rule.insert().values(values))


def expected_prices(pcs: int) -> dict[str, Decimal | None]:
    """Return the adjusted prices that the rule must result in."""
    with_memory = {f"i5-8500T {size}GB RAM": Decimal(210 - size) for size in range(1, pcs + 1)}
    return {**with_memory, **{f"i5-8500T no. {n} boxed": Decimal(210) for n in range(pcs)}}


async def last_writers(resources: Resources) -> dict[str, str]:
    """Return the id of the transaction that wrote each listing last."""
    async with resources.read() as session:
        return {row.title: row.xmin for row in await session.rows(text("SELECT title, xmin::text FROM listing"))}


async def test_revaluation_writes_affected_listings_in_batches(resources: Resources, importer: FileImporter) -> None:
    await create_listings(resources, importer, 10)
    before = await last_writers(resources)
    reports: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        reports.append((done, total))

    done = await run_revaluation(resources, MEMORY, progress, batch_size=4)
    assert (done.total, done.succeeded, done.failed, done.written) == (10, 10, 0, 10)
    assert reports == [(4, 10), (8, 10), (10, 10)]
    assert await adjusted_prices(resources) == expected_prices(10)
    after = await last_writers(resources)
    assert {title for title in before if before[title] != after[title]} == set(list(expected_prices(10))[:10])
    assert (await run_revaluation(resources, MEMORY, no_progress)).written == 0
    assert await last_writers(resources) == after
    assert (await run_revaluation(resources, {}, no_progress)).total == 10, "all listings except boxed CPUs in USD"


@pytest.mark.parametrize(
    ("component", "kind", "expected"),
    [
        ("memory", None, ["a", "b"]),
        ("memory", "ddr4", ["a"]),
        ("memory", "DDR5", []),
        ("storage", None, ["a", "b"]),
        ("storage", "nvme", ["b"]),
        ("graphics", "3060", ["c"]),
        ("operating_system", "windows", ["a"]),
    ],
)
async def test_revaluation_scope_selects_affected_listings(
    resources: Resources, importer: FileImporter, component: str, kind: str | None, expected: list[str]
) -> None:
    titles = {
        "a": "i5-8500T 16GB DDR4 256GB SSD Win11",
        "b": "i5-8500T 8GB RAM 512GB NVMe SSD",
        "c": "i5-8500T RTX 3060",
        "d": "i5-8500T DDR4",
    }
    await import_shop(resources, importer, *titles.values())
    values = {"component": component, "unit": "item", "value_usd": 1, "kind": kind}
    async with resources.write() as tx:
        await tx.execute(valuation_rule.insert().values(values))
    done = await run_revaluation(resources, {"rules": [{"component": component, "kind": kind}]}, no_progress)
    assert done.total == done.written == len(expected)
    changed = [title for title, price in (await adjusted_prices(resources)).items() if price == 209]
    assert sorted(changed) == sorted(titles[name] for name in expected)


async def test_revaluation_changes_figures_like_full_recalculation(
    resources: Resources, importer: FileImporter
) -> None:
    await create_listings(resources, importer, 20)
    await process_all_changes(resources)
    before = await stored_figures(resources)
    await run_revaluation(resources, MEMORY, no_progress, batch_size=7)
    assert await committed_change_log(resources) != []
    await process_all_changes(resources)
    after = await stored_figures(resources)
    assert after == await expected_figures(resources)
    assert before[1]["price_good"] == 210
    assert after[1]["price_good"] == Decimal("204.75")  # 210 minus half of the mean of 1 to 20
    await assert_figures_are_current(resources)


async def test_revaluation_adds_observation_to_history(resources: Resources, importer: FileImporter) -> None:
    """The listing was seen an hour ago and counted 210 until the rule; there is no price change event."""
    await import_shop(resources, importer, "i5-8500T 16GB RAM")
    async with resources.write() as tx:
        await tx.execute(text("UPDATE price_observation SET seen_at = seen_at - interval '1 hour'"))
        await tx.execute(text("UPDATE listing SET seen_at = seen_at - interval '1 hour'"))
        values = {"component": "memory", "unit": "gb", "value_usd": 1, "in_force": True}
        await tx.execute(valuation_rule.insert().values(values))
    began = datetime.now(UTC)
    for written in (1, 0):
        assert (await run_revaluation(resources, MEMORY, no_progress)).written == written
    asked = "{ cpus { nodes { priceLows { current currentSince } priceHistory(range: DAYS_7) { lowest average } } } }"
    (cpu,) = (await query_data(resources, asked))["cpus"]["nodes"]
    assert cpu["priceLows"]["current"] == 194
    assert began <= datetime.fromisoformat(cpu["priceLows"]["currentSince"]) <= datetime.now(UTC)
    assert (cpu["priceHistory"][-1]["lowest"], round(cpu["priceHistory"][-1]["average"])) in {(194, 210), (194, 194)}
    async with resources.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM outbox")) == 0
        rows = await session.rows(text("SELECT adjusted_price FROM price_observation ORDER BY seen_at"))
        assert [row.adjusted_price for row in rows] == [210, 194]


async def test_revaluation_after_repeated_import_keeps_history(resources: Resources, importer: FileImporter) -> None:
    await add_cpu(resources, "Intel Core i5-8500T")
    rows = HEADER + "i5-8500T 16GB RAM,Intel Core i5-8500T,200,USD,used,ebay,10,2026-03-01\n"
    await importer.listings(rows)
    async with resources.write() as tx:
        values = {"component": "memory", "unit": "gb", "value_usd": 1, "in_force": True}
        await tx.execute(valuation_rule.insert().values(values))
    began = datetime.now(UTC)
    assert (await importer.listings(rows)).updated == 1
    observed = "SELECT adjusted_price, seen_at FROM price_observation ORDER BY seen_at"
    async with resources.read() as session:
        first, second = await session.rows(text(observed))
    assert (first.adjusted_price, second.adjusted_price) == (210, 194)
    assert first.seen_at == datetime(2026, 3, 1, tzinfo=UTC) < began <= second.seen_at


async def test_revaluation_resumed_after_crash_writes_remaining_listings(
    resources: Resources, importer: FileImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_listings(resources, importer, 9)
    async with resources.write() as tx:
        job_id = await request_job(tx, JobKind.REVALUE_LISTINGS, MEMORY, "tester")
    monkeypatch.setattr(revaluation, "BATCH_SIZE", 4)
    monkeypatch.setattr(revaluation.run_revaluation, "__defaults__", (4,))
    walked = revaluation_sql.revalue_batch

    async def dying(tx: Transaction, *rest: Any) -> int:
        written: int = await walked(tx, *rest)
        if rest[1]:  # the second batch, before its commit
            raise asyncio.CancelledError
        return written

    with monkeypatch.context() as patched:
        patched.setattr(revaluation_sql, "revalue_batch", dying)
        with pytest.raises(asyncio.CancelledError):
            await dispatch.run_queued_job(resources, JobKind.REVALUE_LISTINGS, job_id)
    half = await adjusted_prices(resources)
    assert [half[f"i5-8500T {size}GB RAM"] == 210 for size in range(1, 10)].count(False) == 4
    done = await dispatch.run_queued_job(resources, JobKind.REVALUE_LISTINGS, job_id)
    assert done is not None
    assert (done.total, done.succeeded) == (9, 9)
    assert await adjusted_prices(resources) == expected_prices(9)
    async with resources.read() as session:
        row = await session.row(text("SELECT status, attempts, succeeded FROM job"))
    assert row is not None
    assert tuple(row) == ("succeeded", 2, 9)
    await run_queued_jobs(resources)  # the message of the job, which has nothing left to do


async def test_revaluation_of_concurrently_changed_price_uses_new_price(
    resources: Resources, importer: FileImporter
) -> None:
    """The value is computed from the row at the time of the update."""
    await create_listings(resources, importer, 1)
    async with resources.engine.connect() as writer:
        await writer.execute(text("UPDATE listing SET price = 300, adjusted_price = 310 WHERE memory_gb = 1"))
        running = asyncio.create_task(run_revaluation(resources, MEMORY, no_progress))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        async with resources.engine.connect() as watcher:

            async def is_waiting() -> bool:
                return bool(await watcher.scalar(waiting))

            await wait_until(is_waiting)
        await writer.commit()
    await running
    assert (await adjusted_prices(resources))["i5-8500T 1GB RAM"] == 309


async def test_revaluation_waits_for_writer_with_old_rules(resources: Resources, importer: FileImporter) -> None:
    """Its rows are committed after their batch; the job waits for the transaction and revalues again."""
    await import_shop(resources, importer, "i5-8500T 4GB RAM")
    values = {name: f"listing.{name}" for name in VALUATION_INPUTS}
    async with resources.write() as tx:
        key = await add_listing(tx, 1, 210, title="i5-8500T 8GB RAM", memory_gb=8)
        statement = text(f"SELECT {adjusted_price(values)} FROM listing WHERE id = :id")
        assert await tx.scalar(statement, {"id": key}) == 210
        await run_mutation(resources, CREATE, rule=rule_input("MEMORY", "GB", 1))
        working = asyncio.create_task(run_queued_jobs(resources))

        async def is_valued() -> bool:
            return (await adjusted_prices(resources))["i5-8500T 4GB RAM"] == 206

        await wait_until(is_valued)
        await asyncio.sleep(0.1)
        assert not working.done()
    await working
    assert await adjusted_prices(resources) == {"i5-8500T 4GB RAM": Decimal(206), "i5-8500T 8GB RAM": Decimal(202)}


async def test_revaluation_during_import_values_its_listings(resources: Resources, importer: FileImporter) -> None:
    await import_shop(resources, importer, "i5-8500T 4GB RAM")
    file = importer.file(HEADER + "i5-8500T 8GB RAM,Intel Core i5-8500T,200,USD,used,ebay,10,\n")
    async with resources.write() as tx:
        await import_listings(tx, open_listings(file), ImportOptions(importer.rejects_file))
        await run_mutation(resources, CREATE, rule=rule_input("MEMORY", "GB", 1))
        working = asyncio.create_task(run_queued_jobs(resources))
        await asyncio.sleep(0.1)
    await working
    assert await adjusted_prices(resources) == {"i5-8500T 4GB RAM": Decimal(206), "i5-8500T 8GB RAM": Decimal(202)}


async def test_revaluation_with_endless_writer_times_out(
    resources: Resources, importer: FileImporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_listings(resources, importer, 2)
    monkeypatch.setattr(revaluation, "WRITER_WAIT_TIMEOUT_SECONDS", 0.1)
    async with resources.write() as tx:
        await tx.execute(text("SELECT count(*) FROM valuation_rule"))
        assert (await run_revaluation(resources, MEMORY, no_progress)).written == 2
    assert await adjusted_prices(resources) == expected_prices(2)


async def test_rule_start_requests_revaluation_once(resources: Resources, importer: FileImporter) -> None:
    await import_shop(resources, importer, "i5-8500T 4GB RAM")
    await create_rules(resources, rule_input("MEMORY", "GB", 1, validFrom="2999-01-01T00:00:00Z"))
    await apply_due_rules(resources)
    assert (await adjusted_prices(resources))["i5-8500T 4GB RAM"] == 210
    async with resources.write() as tx:
        await tx.execute(text("UPDATE valuation_rule SET valid_from = now() - interval '1 second'"))
    await apply_due_rules(resources)
    await run_queued_jobs(resources)
    assert (await adjusted_prices(resources))["i5-8500T 4GB RAM"] == 206
    async with resources.write() as tx:
        assert await activate_due_rules(tx) is None, "once"
    async with resources.read() as session:
        jobs = [(row.requested_by, row.input) for row in await session.rows(text("SELECT * FROM job"))]
    assert jobs == [("schedule", MEMORY)]


async def test_revaluation_job_reports_progress(resources: Resources, importer: FileImporter) -> None:
    await import_shop(resources, importer, "i5-8500T 4GB RAM", "i5-8500T 8GB RAM")
    await run_mutation(resources, CREATE, rule=rule_input("MEMORY", "GB", 1))
    await run_queued_jobs(resources)
    async with resources.read() as session:
        row = await session.row(text("SELECT kind, status, total, done, succeeded, failed, error FROM job"))
    assert row is not None
    assert tuple(row) == ("revalue_listings", "succeeded", 2, 2, 2, 0, None)
