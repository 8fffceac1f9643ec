"""Figures equal those of the reference, for any catalogue and any batch size."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.resources import Resources
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.effort import size_of
from tests.support.figures_catalog import (
    cpu_with_prices,
    expected_served,
    expected_stored,
    figure_columns,
    fill_catalog,
    recalculate_figures,
    replace_cpus,
    rows_by_cpu,
    served_figures,
    stored_figures,
)
from tests.support.figures_reference import Cpu, compute_reference_figures

CENTS = st.one_of(
    # 10/30 = 20/60 = 100000/300000 with the marks below; the least and the greatest price; no price.
    st.sampled_from([1000, 2000, 10_000_000, 1, 999_999_999_999, 0]),
    st.integers(1, 300),
    st.integers(1, 99_999),
)
PRICES = st.none() | CENTS.map(lambda cents: Decimal(cents).scaleb(-2))
STATUSES = st.sampled_from(["active"] * 6 + ["pending", "sold", "ended"])
MARKS = st.sampled_from([None, 0, 1, 3, 30, 60, 300_000, 2_147_483_647]) | st.integers(1, 50)
LISTINGS = st.lists(st.tuples(STATUSES, PRICES), max_size=4) | st.lists(
    st.tuples(st.just("active"), PRICES), min_size=8, max_size=14
)
CPUS = st.builds(Cpu, MARKS, MARKS, LISTINGS.map(tuple))
CATALOGUES = st.lists(CPUS, min_size=1, max_size=9)

EXAMPLES = settings(
    max_examples=size_of(short=40, long=500),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


async def assert_exact(resources: Resources, cpus: Sequence[Cpu]) -> None:
    """Compare stored and served figures with the reference, to the last digit."""
    rows, served = await rows_by_cpu(resources), await served_figures(resources)
    assert len(rows) == len(cpus)
    for row, (target, value) in zip(rows.values(), compute_reference_figures(cpus), strict=True):
        assert figure_columns(row) == expected_stored(target, value)
        expected = expected_served(target, value)
        assert {name: served[row.id][name] for name in expected} == expected


GOLDEN = {
    "350 360 340 355 365 345 370 330 375 338": (352.80, 338.02, 367.58, 14.78, 10, "HIGH", False),
    "500 510 490": (500.0, 490.0, 510.0, 10.0, 3, "LOW", False),
    "50 40 45 200 55 60 48 52 44 58": (65.20, 17.42, 112.98, 47.78, 10, "HIGH", True),
    "99.99": (None, None, None, None, 1, "INSUFFICIENT", False),
    "7 7 7 7 7": (7.0, 7.0, 7.0, 0.0, 5, "MEDIUM", False),
    "70 100 130": (100.0, 70.0, 130.0, 30.0, 3, "LOW", False),  # a deviation of 30 % is not above 30 %
    "69.99 100 130.01": (100.0, 69.99, 130.01, 30.01, 3, "LOW", True),
    "1 100": (50.5, 0.0, 120.5, 70.0, 2, "LOW", True),
    "0.01 0.02": (0.02, 0.01, 0.02, 0.01, 2, "LOW", True),  # of 0.015, 0.0079, 0.0221, 0.0071: rounded once, half up
}


async def test_recalculation_golden_vectors_match_through_api(resources: Resources, api: ApiClient) -> None:
    for number, prices in enumerate(GOLDEN):
        await add_cpu(resources, f"Test {number}", prices.split())
    await recalculate_figures(resources)

    answer = await api.data(
        "{ cpus(first: 20, orderBy: {field: NAME}) { nodes { priceTarget"
        " { good great fair stddev sampleSize confidence highVariance fresh } } } }"
    )
    targets = [node["priceTarget"] for node in answer["cpus"]["nodes"]]

    assert all(target.pop("fresh") for target in targets)
    assert [tuple(target.values()) for target in targets] == list(GOLDEN.values())


@pytest.mark.sized
@EXAMPLES
@given(CATALOGUES)
async def test_recalculation_matches_reference(resources: Resources, cpus: list[Cpu]) -> None:
    await fill_catalog(resources, cpus)
    await recalculate_figures(resources)
    await assert_exact(resources, cpus)


@pytest.mark.sized
@EXAMPLES
@given(st.data())
async def test_recalculation_of_changed_cpus_equals_full_recalculation(
    resources: Resources, data: st.DataObject
) -> None:
    before = data.draw(CATALOGUES)
    changes = data.draw(st.dictionaries(st.integers(1, len(before)), CPUS, min_size=1))
    await fill_catalog(resources, before)
    await recalculate_figures(resources)

    await replace_cpus(resources, changes)
    outcome = await recalculate_figures(resources, list(changes))

    assert (outcome.total, outcome.succeeded, outcome.failed) == (len(changes), len(changes), 0)
    await assert_exact(resources, [changes.get(key, cpu) for key, cpu in enumerate(before, 1)])


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
async def test_recalculation_batch_size_does_not_affect_figures(resources: Resources, batch_size: int) -> None:
    cpus = [cpu_with_prices(*range(10 + i, 10 + i * (i % 4), i), multi=i % 5, single=i % 7) for i in range(1, 40)]
    await fill_catalog(resources, cpus)
    outcome = await recalculate_figures(resources, batch_size=batch_size)
    assert (outcome.total, outcome.succeeded, outcome.failed, outcome.written) == (39, 39, 0, 39)
    await assert_exact(resources, cpus)


async def test_recalculation_equal_values_share_percentile(resources: Resources) -> None:
    ties = [
        cpu_with_prices(10, multi=30),
        cpu_with_prices(20, multi=60),
        cpu_with_prices(100_000, multi=300_000),
        cpu_with_prices(1, multi=1),
    ]
    await fill_catalog(resources, ties)
    await recalculate_figures(resources)
    assert [row["value_percentile"] for row in (await stored_figures(resources)).values()] == [0, 0, 0, 75]
    await assert_exact(resources, ties)


@pytest.mark.parametrize("size", [4, 8])
async def test_rating_at_threshold_is_the_better_one(resources: Resources, size: int) -> None:
    await fill_catalog(resources, [cpu_with_prices(price) for price in range(1, size + 1)])
    await recalculate_figures(resources)
    ratings = [row["value_rating"] for row in (await stored_figures(resources)).values()]
    quarter = size // 4
    expected = ["excellent"] * (quarter + 1) + ["good"] * quarter + ["fair"] * quarter + ["poor"] * (quarter - 1)
    assert ratings == expected


async def test_rating_uses_unrounded_percentile(resources: Resources) -> None:
    await fill_catalog(resources, [cpu_with_prices(price) for price in range(1, 2004)])
    await recalculate_figures(resources)
    figures = await stored_figures(resources)
    # 501, 1002 and 1503 of 2003 are better: 25.01 %, 50.02 % and 75.04 %.
    assert [(figures[key]["value_percentile"], figures[key]["value_rating"]) for key in (502, 1003, 1504)] == [
        (25, "good"),
        (50, "fair"),
        (75, "poor"),
    ]


async def test_recalculation_ignores_listings_without_cpu(resources: Resources) -> None:
    await fill_catalog(resources, [cpu_with_prices(10, 20)])
    async with resources.write() as tx:
        await add_listing(tx, None, 5)
    outcome = await recalculate_figures(resources)
    assert (outcome.total, outcome.written) == (1, 1)
    await assert_exact(resources, [cpu_with_prices(10, 20)])


async def test_recalculation_of_empty_catalogue_succeeds(resources: Resources) -> None:
    outcome = await recalculate_figures(resources)
    assert (outcome.total, outcome.succeeded, outcome.failed) == (0, 0, 0)
