"""Verification: what is stored and wrong is found, named and repaired; what is only late is not wrong."""

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
from tests.support.change_log import committed_change_log, data_versions, expected_metrics
from tests.support.jobs import all_jobs
from tests.support.metrics_catalog import (
    METRIC_COLUMNS,
    cpu_with_prices,
    fetch_rows,
    fill_catalog,
    recalculate_metrics,
    replace_cpus,
    run_statements,
    stored_metrics,
)
from tests.support.waiting import wait_until

CPUS = [cpu_with_prices(10, 20), cpu_with_prices(30, 40), cpu_with_prices(50, 60, 60), cpu_with_prices()]


@pytest.fixture
async def catalogue(resources: Resources) -> Resources:
    """CPUs 1 to 4, of which the last has no listing; all figures are right."""
    await fill_catalog(resources, CPUS)
    await recalculate_metrics(resources)
    return resources


async def verified(resources: Resources, *, fix: bool = False) -> dict[str, Any]:
    """What the command line shows."""
    outcome = await dispatch.run_in_foreground(resources, JobKind.VERIFY_FIGURES, {"fix": fix})
    assert isinstance(outcome, VerificationReport)
    return outcome.as_dict()


RIGHT = {"total": 5, "consistent": 5, "consistency": 100.0, "cpus": {}, "failed": {}, "statistics": [], "left": 0}


async def test_all_is_right(catalogue: Resources) -> None:
    before = await data_versions(catalogue)
    assert await verified(catalogue) == RIGHT
    assert await verified(catalogue, fix=True) == RIGHT
    assert await data_versions(catalogue) == {**before, "work": 2}


async def test_nothing_at_all_is_right(resources: Resources) -> None:
    assert await verified(resources) == {**RIGHT, "total": 1, "consistent": 1}


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
async def test_a_wrong_value_is_named_and_repaired(catalogue: Resources, column: str) -> None:
    await run_statements(catalogue, f"UPDATE cpu SET {column} = {WRONG[column]} WHERE id = 2")
    # That the latest time of all is another one then is true of the table too.
    found = {**RIGHT, "consistent": 4, "consistency": 80.0, "cpus": {"cpu-2": [column]}, "left": 1}
    assert await verified(catalogue) == found
    assert await verified(catalogue, fix=True) == {**found, "left": 0}
    assert await verified(catalogue) == RIGHT
    assert await stored_metrics(catalogue) == await expected_metrics(catalogue)


def test_every_figure_is_looked_at() -> None:
    assert set(WRONG) == {*METRIC_COLUMNS, "figures_computed_at"}


async def test_what_the_triggers_did_not_see(catalogue: Resources) -> None:
    """Prices that were changed behind their back move this CPU's figures and the ranks of others."""
    await run_statements(
        catalogue,
        "ALTER TABLE listing DISABLE TRIGGER USER",
        "UPDATE listing SET adjusted_price = 500 WHERE cpu_id = 1",
        "DELETE FROM listing WHERE cpu_id = 3 AND adjusted_price = 50",
        "ALTER TABLE listing ENABLE TRIGGER USER",
    )
    with capture_logs() as logs:
        found = await verified(catalogue)
    assert set(found["cpus"]) == {"cpu-1", "cpu-2", "cpu-3"}
    assert set(found["cpus"]["cpu-2"]) <= {"value_percentile", "value_percentile_single", "value_rating"}
    assert found["statistics"] == ["listings"]
    assert (found["consistent"], found["consistency"], found["left"]) == (1, 20.0, 4)
    told = {entry["event"]: entry for entry in logs}
    assert told["verify.complete"]["log_level"] == "error"
    assert told["verify.differs"]["cpu"] == "cpu-3"
    assert told["verify.statistics_differ"]["columns"] == ["listings"]
    before = await data_versions(catalogue)
    assert (await verified(catalogue, fix=True))["left"] == 0
    now = await data_versions(catalogue)
    assert {domain for domain in now if now[domain] != before.get(domain)} == {"analytics", "catalog", "market", "work"}
    assert await verified(catalogue) == RIGHT


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
async def test_statistics_that_are_wrong(catalogue: Resources, harm: str, columns: list[str]) -> None:
    await run_statements(catalogue, harm)
    found = {**RIGHT, "consistent": 4, "consistency": 80.0, "statistics": columns, "left": 1}
    assert await verified(catalogue) == found
    assert await verified(catalogue, fix=True) == {**found, "left": 0}
    assert await verified(catalogue) == RIGHT


async def test_the_row_of_statistics_is_gone(catalogue: Resources) -> None:
    await run_statements(catalogue, "DELETE FROM cpu_statistics")
    assert "total" in (await verified(catalogue, fix=True))["statistics"]
    assert await verified(catalogue) == RIGHT


async def test_writers_of_listings_do_not_stop_a_repair(catalogue: Resources) -> None:
    """Their rows of statistics are in use, and what they write is not to be seen yet."""
    await run_statements(catalogue, "UPDATE listing_statistics SET active = active + 1")
    async with catalogue.write() as tx:
        await add_listing(tx, 1, 3)
        async with asyncio.timeout(60):
            assert (await verified(catalogue, fix=True))["statistics"] == ["listings"]
    assert await verified(catalogue) == RIGHT


async def test_what_is_late_is_not_wrong(catalogue: Resources) -> None:
    """It is made up for first."""
    await replace_cpus(catalogue, {1: cpu_with_prices(3), 5: cpu_with_prices(9)})
    await run_statements(catalogue, "DELETE FROM cpu WHERE id = 2")
    assert await verified(catalogue) == RIGHT
    assert await committed_change_log(catalogue) == []
    assert await stored_metrics(catalogue) == await expected_metrics(catalogue)


async def test_what_changes_meanwhile_is_not_wrong(catalogue: Resources) -> None:
    """A price that commits after the log was emptied and before prices are read."""
    async with catalogue.write() as holder:
        await holder.execute(text("LOCK TABLE listing IN ACCESS EXCLUSIVE MODE"))
        found = asyncio.create_task(verified(catalogue))
        waiting = text("SELECT count(*) FROM pg_locks WHERE relation = 'listing'::regclass AND NOT granted")
        await wait_until(lambda: holder.scalar(waiting))
        await holder.execute(text("UPDATE listing SET adjusted_price = 1 WHERE cpu_id = 3"))
    assert await found == RIGHT
    assert await committed_change_log(catalogue) == [3]


async def test_a_cpu_that_fails_is_not_right_and_cannot_be_repaired(catalogue: Resources) -> None:
    await run_statements(catalogue, "ALTER TABLE cpu ADD CONSTRAINT dear CHECK (price_good < 100)")
    await replace_cpus(catalogue, {1: cpu_with_prices(100, 200)})
    for fix in (False, True):
        found = await verified(catalogue, fix=fix)
        assert (found["consistent"], found["cpus"], list(found["failed"]), found["left"]) == (4, {}, ["cpu-1"], 1)
        assert "dear" in found["failed"]["cpu-1"]
    await run_statements(
        catalogue, "ALTER TABLE cpu DROP CONSTRAINT dear", "UPDATE cpu SET price_good = 7 WHERE id = 2"
    )
    assert (await verified(catalogue, fix=True))["left"] == 0
    assert await verified(catalogue) == RIGHT
    assert await stored_metrics(catalogue) == await expected_metrics(catalogue)


async def test_its_job_tells_how_many_were_right(catalogue: Resources) -> None:
    await run_statements(catalogue, "UPDATE cpu SET price_good = 1 WHERE id IN (1, 2)")
    await verified(catalogue)
    (job,) = await all_jobs(catalogue)
    assert (job.kind, job.status, job.input) == ("verify_figures", "succeeded", {"fix": False})
    assert (job.total, job.succeeded, job.failed) == (5, 3, 2)
    assert await fetch_rows(catalogue, "SELECT count(*) FROM figure_history") == [(4,)]
