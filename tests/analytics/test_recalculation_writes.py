"""Rows that a recalculation writes: changed rows, their history, the watermark and the version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.resources import Resources
from tests.support.figures_catalog import (
    cpu_with_prices,
    fetch_rows,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    rows_by_cpu,
    run_statements,
    served_figures,
    stored_figures,
)

VERSIONS_OF_ROWS = "SELECT id, xmin::text, ctid::text FROM cpu ORDER BY id"
HISTORY = "SELECT cpu_id, count(*) FROM figure_history GROUP BY cpu_id ORDER BY cpu_id"
DATA_VERSION = "SELECT version FROM data_version WHERE domain = 'analytics'"

CPUS = [cpu_with_prices(10, 20), cpu_with_prices(30), cpu_with_prices(40, 50, 60), cpu_with_prices(multi=None)]


async def test_second_recalculation_writes_watermark_only(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    before = await fetch_rows(resources, VERSIONS_OF_ROWS), await fetch_rows(resources, HISTORY)
    computed_at = {key: row.computed_at for key, row in (await rows_by_cpu(resources)).items()}
    ((version,),) = await fetch_rows(resources, DATA_VERSION)

    outcome = await recalculate_figures(resources)

    assert (outcome.total, outcome.succeeded, outcome.written) == (4, 4, 0)
    assert (await fetch_rows(resources, VERSIONS_OF_ROWS), await fetch_rows(resources, HISTORY)) == before
    assert all(row.computed_at > computed_at[key] for key, row in (await rows_by_cpu(resources)).items())
    assert await fetch_rows(resources, DATA_VERSION) == [(version + 1,)]


async def test_history_has_cpus_with_changed_figures_only(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    assert await fetch_rows(resources, HISTORY) == [(1, 1), (2, 1), (3, 1), (4, 1)]

    # The second CPU becomes the cheapest: the first falls behind it, the third keeps its rank.
    await replace_cpus(resources, {2: cpu_with_prices(5)})
    outcome = await recalculate_figures(resources)

    assert outcome.written == 2
    assert await fetch_rows(resources, HISTORY) == [(1, 1), (2, 2), (3, 1), (4, 1)]
    latest = "SELECT price_sample_size, dollar_per_mark_multi, value_percentile, value_rating, computed_at FROM "
    ((*figures, at),) = await fetch_rows(
        resources, latest + "figure_history WHERE cpu_id = 2 ORDER BY computed_at DESC LIMIT 1"
    )
    assert figures == [1, 5, 0, "excellent"]
    assert at == (await rows_by_cpu(resources))[2].computed_at


async def test_recalculation_writes_changed_rows_only(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    before = dict(row[:2] for row in await fetch_rows(resources, VERSIONS_OF_ROWS))
    await replace_cpus(resources, {3: cpu_with_prices(40, 50, 61)})
    touched = dict(row[:2] for row in await fetch_rows(resources, VERSIONS_OF_ROWS))  # put() itself writes the third
    assert {key for key in before if before[key] != touched[key]} == {3}

    assert (await recalculate_figures(resources)).written == 1

    after = dict(row[:2] for row in await fetch_rows(resources, VERSIONS_OF_ROWS))
    assert {key for key in before if after[key] != touched[key]} == {3}


async def test_recalculation_writes_change_without_rank_change(resources: Resources) -> None:
    await fill_catalog(resources, [cpu_with_prices(10)])
    await recalculate_figures(resources)
    for changed, column in (
        (cpu_with_prices(10, single=2), "dollar_per_mark_single"),
        (cpu_with_prices(10, multi=2), "dollar_per_mark_multi"),
    ):
        await replace_cpus(resources, {1: changed})
        assert (await recalculate_figures(resources)).written == 1
        assert (await stored_figures(resources))[1][column] == 5


async def test_recalculation_keeps_figures_and_time_of_other_cpus(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    before, times = (
        await stored_figures(resources),
        {key: row.computed_at for key, row in (await rows_by_cpu(resources)).items()},
    )
    await replace_cpus(resources, {1: cpu_with_prices(1), 2: cpu_with_prices(2), 3: cpu_with_prices(0.5)})

    outcome = await recalculate_figures(resources, [2, 4, 4, 99])

    assert (outcome.total, outcome.succeeded, outcome.failed) == (2, 2, 0)
    after = await rows_by_cpu(resources)
    assert {key for key, row in after.items() if row.computed_at > times[key]} == {2, 4}
    for key in (1, 3):
        figures = (await stored_figures(resources))[key]
        assert {name for name in figures if figures[name] != before[key][name]} <= {
            "value_percentile",
            "value_percentile_single",
            "value_rating",
        }
    # Ranked with the old USD per mark of the others, 15 and 50.
    assert [after[key].value_percentile for key in (2, 1, 3)] == [Decimal(0), Decimal("33.3"), Decimal("66.7")]


async def test_price_target_is_fresh_for_seven_days(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    figures = (await served_figures(resources))[1]
    assert (figures["fresh"], figures["updated_at"]) == (False, None)
    await recalculate_figures(resources)

    for age, fresh in (timedelta(days=7, seconds=1), False), (timedelta(days=7, seconds=-60), True):
        at = datetime.now(UTC) - age
        await run_statements(
            resources,
            f"UPDATE cpu SET figures_computed_at = '{at}'",
            f"UPDATE recalculation_watermark SET full_at = '{at}'",
        )
        figures = (await served_figures(resources))[1]
        assert (figures["fresh"], figures["updated_at"]) == (fresh, at)

    await run_statements(
        resources, "UPDATE cpu SET figures_computed_at = '2020-01-01'", "DELETE FROM recalculation_watermark"
    )
    await recalculate_figures(resources, [1])
    assert [figures["fresh"] for figures in (await served_figures(resources)).values()] == [True, False, False, False]
    assert await fetch_rows(resources, HISTORY) == [(1, 1), (2, 1), (3, 1), (4, 1)]


async def test_history_of_deleted_cpu_is_deleted(resources: Resources) -> None:
    await fill_catalog(resources, CPUS)
    await recalculate_figures(resources)
    await run_statements(resources, "DELETE FROM listing WHERE cpu_id = 1", "DELETE FROM cpu WHERE id = 1")
    outcome = await recalculate_figures(resources)
    assert outcome.total == 3
    assert [row.value_percentile for row in (await rows_by_cpu(resources)).values()] == [0, 50, None]
