"""A failing CPU keeps its old figures, is named, and takes part in the ranks with its old USD per mark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.resources import Resources
from tests.support.figures_catalog import (
    cpu_with_prices,
    expected_stored,
    fetch_rows,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    rows_by_cpu,
    run_statements,
    stored_figures,
)
from tests.support.figures_reference import Cpu, dollars_per_mark, target, values

FAILURES = "SELECT cpu_id, error FROM recalculation_failure ORDER BY cpu_id"


async def make_updates_fail(resources: Resources, *cpu_ids: int) -> None:
    """Make updates of these rows fail."""
    await run_statements(
        resources,
        """
        CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'CPU <%>: broken', new.id; END $$
        """,
        "CREATE OR REPLACE TRIGGER refuse BEFORE UPDATE OF price_good ON cpu FOR EACH ROW "
        f"WHEN (new.id IN ({', '.join(map(str, cpu_ids))})) EXECUTE FUNCTION refuse()",
    )


def reference_with_old_ratios(before: Sequence[Cpu], now: Sequence[Cpu], failed: Collection[int]) -> Mapping[int, Any]:
    """Return reference values of succeeding CPUs, ranked with the old USD per mark of failing ones."""
    ranked = [old if key in failed else new for key, (old, new) in enumerate(zip(before, now, strict=True), 1)]
    dollars = [(dollars_per_mark(cpu.prices, cpu.multi), dollars_per_mark(cpu.prices, cpu.single)) for cpu in ranked]
    rows = zip([target(cpu.prices) for cpu in ranked], values(dollars), strict=True)
    return {key: expected_stored(*figures) for key, figures in enumerate(rows, 1) if key not in failed}


BEFORE = [cpu_with_prices(10 * i, 12 * i, multi=7, single=3) for i in range(1, 31)]
AFTER = [cpu_with_prices(500 - 11 * i, 520 - 11 * i, 3, multi=7, single=4) for i in range(1, 31)]


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
async def test_failing_cpu_keeps_old_figures_and_others_succeed(resources: Resources, batch_size: int) -> None:
    await fill_catalog(resources, BEFORE)
    await recalculate_figures(resources)
    old, old_rows = await stored_figures(resources), await rows_by_cpu(resources)
    await replace_cpus(resources, dict(enumerate(AFTER, 1)))
    await make_updates_fail(resources, 4)
    wrong = target(AFTER[20].prices).good
    await run_statements(resources, f"ALTER TABLE cpu ADD CONSTRAINT wrong CHECK (price_good <> {wrong}) NOT VALID")

    with capture_logs() as logs:
        outcome = await recalculate_figures(resources, batch_size=batch_size)

    assert (outcome.total, outcome.succeeded, outcome.failed) == (30, 28, 2)
    assert list(outcome.failures) == [4, 21]
    (_, first), (_, second) = await fetch_rows(resources, FAILURES)
    assert first == "CPU <4>: broken"
    assert 'violates check constraint "wrong"' in second
    assert {entry["cpu"] for entry in logs if entry["event"] == "cpu_metrics.recalc.cpu_failed"} == {4, 21}

    now, now_rows = await stored_figures(resources), await rows_by_cpu(resources)
    assert {key: now[key] for key in (4, 21)} == {key: old[key] for key in (4, 21)}
    assert {key: figures for key, figures in now.items() if key not in {4, 21}} == reference_with_old_ratios(
        BEFORE, AFTER, {4, 21}
    )
    assert {key for key in now if now_rows[key].computed_at > old_rows[key].computed_at} == set(now) - {4, 21}
    history = dict(await fetch_rows(resources, "SELECT cpu_id, count(*) FROM figure_history GROUP BY cpu_id"))
    assert history == {key: 1 if key in {4, 21} else 2 for key in now}


async def test_successful_recalculation_clears_failure(resources: Resources) -> None:
    await fill_catalog(resources, BEFORE)
    await make_updates_fail(resources, 2, 3)
    await recalculate_figures(resources)
    assert [row[0] for row in await fetch_rows(resources, FAILURES)] == [2, 3]
    assert (await rows_by_cpu(resources))[2].computed_at is None

    await run_statements(resources, "DROP TRIGGER refuse ON cpu")
    await recalculate_figures(resources, [2])
    assert [row[0] for row in await fetch_rows(resources, FAILURES)] == [3]

    await recalculate_figures(resources)
    assert await fetch_rows(resources, FAILURES) == []
    assert await stored_figures(resources) == reference_with_old_ratios(BEFORE, BEFORE, ())


async def test_failure_outside_requested_cpus_is_not_counted(resources: Resources) -> None:
    await fill_catalog(resources, BEFORE)
    await recalculate_figures(resources)
    old = await stored_figures(resources)
    await replace_cpus(resources, {30: cpu_with_prices(1, 1, multi=7, single=3)})
    await make_updates_fail(resources, 5)

    outcome = await recalculate_figures(resources, [30])

    assert (outcome.total, outcome.succeeded, outcome.failed) == (1, 1, 0)
    assert await fetch_rows(resources, FAILURES) == []
    now = await stored_figures(resources)
    assert now[5] == old[5]
    assert now[30]["value_percentile"] == 0
    assert now[6]["value_percentile"] == pytest.approx(20)


async def test_recalculation_with_all_cpus_failing_reports_all(resources: Resources) -> None:
    await fill_catalog(resources, BEFORE)
    await recalculate_figures(resources)
    old = await stored_figures(resources)
    await replace_cpus(resources, dict(enumerate(AFTER, 1)))
    await make_updates_fail(resources, *range(1, 31))

    with capture_logs() as logs:
        outcome = await recalculate_figures(resources, batch_size=8)

    assert (outcome.total, outcome.succeeded, outcome.failed, outcome.written) == (30, 0, 30, 0)
    assert await stored_figures(resources) == old
    assert len(await fetch_rows(resources, FAILURES)) == 30
    assert "cpu_metrics.recalc.high_error_rate" in {entry["event"] for entry in logs}


@pytest.mark.parametrize(("failing", "raised"), [(0, False), (3, False), (4, True)])
async def test_failures_above_ten_percent_log_high_error_rate(resources: Resources, failing: int, raised: bool) -> None:
    await fill_catalog(resources, BEFORE)
    await make_updates_fail(resources, *range(failing + 1))  # no CPU has the id 0
    with capture_logs() as logs:
        outcome = await recalculate_figures(resources)
    assert outcome.failed == failing
    events = [entry for entry in logs if entry["event"] == "cpu_metrics.recalc.high_error_rate"]
    assert [(entry["log_level"], entry["failed"], entry["total"]) for entry in events] == (
        [("error", failing, 30)] if raised else []
    )
