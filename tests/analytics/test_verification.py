"""Verification: wrong figures are found, named and repaired; figures that are only late are not wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.db.tables import JobKind
from app.job_handlers import dispatch
from app.job_handlers.verification import VerificationReport
from app.resources import Resources
from tests.support.catalog_rows import add_listing
from tests.support.change_log import committed_change_log, data_versions, expected_figures
from tests.support.figures_catalog import (
    FIGURE_COLUMNS,
    cpu_with_prices,
    fetch_rows,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    run_statements,
    stored_figures,
)
from tests.support.jobs import all_jobs
from tests.support.waiting import wait_until

CPUS = [cpu_with_prices(10, 20), cpu_with_prices(30, 40), cpu_with_prices(50, 60, 60), cpu_with_prices()]


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """Create CPUs 1 to 4 with consistent figures; the last one has no listing."""
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    return resources


async def run_verification(resources: Resources, *, fix: bool = False) -> dict[str, Any]:
    """Run a verification and return the output of the command line."""
    outcome = await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {"fix": fix})
    assert isinstance(outcome, VerificationReport)
    return outcome.as_dict()


RIGHT = {"total": 5, "consistent": 5, "consistency": 100.0, "cpus": {}, "failed": {}, "statistics": [], "left": 0}


async def test_verification_of_consistent_figures_finds_nothing(catalogue: Resources) -> None:
    before = await data_versions(catalogue)
    assert await run_verification(catalogue) == RIGHT
    assert await run_verification(catalogue, fix=True) == RIGHT
    assert await data_versions(catalogue) == {**before, "work": 2}


async def test_verification_finds_every_wrong_cpu(resources: Resources) -> None:
    assert await run_verification(resources) == {**RIGHT, "total": 1, "consistent": 1}


WRONG = {
    "price_sample_size": "7",
    "price_great": "1",
    "price_good": "NULL",
    "price_fair": "1",
    "price_stddev": "NULL",
    "price_high_variance": "NOT price_high_variance",
    "dollar_per_mark_multi": "dollar_per_mark_multi + 1e-30",
    "dollar_per_mark_single": "NULL",
    "value_percentile": "99.9",
    "value_percentile_single": "99.9",
    "value_rating": "'poor'",
    "figures_computed_at": "NULL",
}


@pytest.mark.parametrize("column", WRONG)
async def test_verification_names_and_repairs_wrong_value(catalogue: Resources, column: str) -> None:
    await run_statements(catalogue, f"UPDATE cpu SET {column} = {WRONG[column]} WHERE id = 2")
    # The latest time of computation changes with it, in the table and in the statistics.
    expected = {**RIGHT, "consistent": 4, "consistency": 80.0, "cpus": {"cpu-2": [column]}, "left": 1}
    assert await run_verification(catalogue) == expected
    assert await run_verification(catalogue, fix=True) == {**expected, "left": 0}
    assert await run_verification(catalogue) == RIGHT
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


def test_verification_compares_every_figure() -> None:
    assert set(WRONG) == {*FIGURE_COLUMNS, "figures_computed_at"}


async def test_verification_finds_changes_without_triggers(catalogue: Resources) -> None:
    """Prices that change without triggers affect the figures of their CPU and the ranks of others."""
    await run_statements(
        catalogue,
        "ALTER TABLE listing DISABLE TRIGGER USER",
        "UPDATE listing SET adjusted_price = 500 WHERE cpu_id = 1",
        "DELETE FROM listing WHERE cpu_id = 3 AND adjusted_price = 50",
        "ALTER TABLE listing ENABLE TRIGGER USER",
    )
    with capture_logs() as logs:
        result = await run_verification(catalogue)
    assert set(result["cpus"]) == {"cpu-1", "cpu-2", "cpu-3"}
    assert set(result["cpus"]["cpu-2"]) <= {"value_percentile", "value_percentile_single", "value_rating"}
    assert result["statistics"] == ["listings"]
    assert (result["consistent"], result["consistency"], result["left"]) == (1, 20.0, 4)
    entries = {entry["event"]: entry for entry in logs}
    assert entries["verify.complete"]["log_level"] == "error"
    assert entries["verify.differs"]["cpu"] == "cpu-3"
    assert entries["verify.statistics_differ"]["columns"] == ["listings"]
    before = await data_versions(catalogue)
    assert (await run_verification(catalogue, fix=True))["left"] == 0
    now = await data_versions(catalogue)
    assert {domain for domain in now if now[domain] != before.get(domain)} == {"analytics", "catalog", "market", "work"}
    assert await run_verification(catalogue) == RIGHT


@pytest.mark.parametrize(
    ("harm", "columns"),
    [
        ("UPDATE cpu_statistics SET total = 9, cores_min = 3", ["total", "cores_min"]),
        ("UPDATE cpu_statistics SET manufacturers = '{}', sockets = '{AM4}'", ["manufacturers", "sockets"]),
        ("UPDATE cpu_statistics SET figures_computed_at = NULL", ["figures_computed_at"]),
        ("UPDATE listing_statistics SET active = active + 1", ["listings"]),
        ("DELETE FROM listing_statistics", ["listings"]),
    ],
)
async def test_verification_repairs_wrong_statistics(catalogue: Resources, harm: str, columns: list[str]) -> None:
    await run_statements(catalogue, harm)
    expected = {**RIGHT, "consistent": 4, "consistency": 80.0, "statistics": columns, "left": 1}
    assert await run_verification(catalogue) == expected
    assert await run_verification(catalogue, fix=True) == {**expected, "left": 0}
    assert await run_verification(catalogue) == RIGHT


async def test_verification_restores_missing_statistics_row(catalogue: Resources) -> None:
    await run_statements(catalogue, "DELETE FROM cpu_statistics")
    assert "total" in (await run_verification(catalogue, fix=True))["statistics"]
    assert await run_verification(catalogue) == RIGHT


async def test_statistics_repair_does_not_wait_for_listing_writers(catalogue: Resources) -> None:
    """They have locked rows of the statistics, and their changes are not visible yet."""
    await run_statements(catalogue, "UPDATE listing_statistics SET active = active + 1")
    async with catalogue.write() as tx:
        await add_listing(tx, 1, 3)
        async with asyncio.timeout(60):
            assert (await run_verification(catalogue, fix=True))["statistics"] == ["listings"]
    assert await run_verification(catalogue) == RIGHT


async def test_verification_recalculates_logged_cpus_first(catalogue: Resources) -> None:
    """Logged CPUs are recalculated before the comparison."""
    await replace_cpus(catalogue, {1: cpu_with_prices(3), 5: cpu_with_prices(9)})
    await run_statements(catalogue, "DELETE FROM cpu WHERE id = 2")
    assert await run_verification(catalogue) == RIGHT
    assert await committed_change_log(catalogue) == []
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_verification_ignores_concurrent_changes(catalogue: Resources) -> None:
    """A price is committed after the log is emptied and before prices are read."""
    async with catalogue.write() as holder:
        await holder.execute(text("LOCK TABLE listing IN ACCESS EXCLUSIVE MODE"))
        verification = asyncio.create_task(run_verification(catalogue))
        waiting = text("SELECT count(*) FROM pg_locks WHERE relation = 'listing'::regclass AND NOT granted")
        await wait_until(lambda: holder.scalar(waiting))
        await holder.execute(text("UPDATE listing SET adjusted_price = 1 WHERE cpu_id = 3"))
    assert await verification == RIGHT
    assert await committed_change_log(catalogue) == [3]


async def test_verification_counts_failing_cpu_as_inconsistent(catalogue: Resources) -> None:
    await run_statements(catalogue, "ALTER TABLE cpu ADD CONSTRAINT dear CHECK (price_good < 100)")
    await replace_cpus(catalogue, {1: cpu_with_prices(100, 200)})
    for fix in (False, True):
        result = await run_verification(catalogue, fix=fix)
        assert (result["consistent"], result["cpus"], list(result["failed"]), result["left"]) == (4, {}, ["cpu-1"], 1)
        assert "dear" in result["failed"]["cpu-1"]
    await run_statements(
        catalogue, "ALTER TABLE cpu DROP CONSTRAINT dear", "UPDATE cpu SET price_good = 7 WHERE id = 2"
    )
    assert (await run_verification(catalogue, fix=True))["left"] == 0
    assert await run_verification(catalogue) == RIGHT
    assert await stored_figures(catalogue) == await expected_figures(catalogue)


async def test_verification_job_counts_consistent_items(catalogue: Resources) -> None:
    await run_statements(catalogue, "UPDATE cpu SET price_good = 1 WHERE id IN (1, 2)")
    await run_verification(catalogue)
    (job,) = await all_jobs(catalogue)
    assert (job.kind, job.status, job.input) == ("verify_figures", "succeeded", {"fix": False})
    assert (job.total, job.succeeded, job.failed) == (5, 3, 2)
    assert await fetch_rows(catalogue, "SELECT count(*) FROM figure_history") == [(4,)]
