"""The query `cpuFacets`: counts compared with a plain implementation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

from app.resources import Resources
from tests.support.mixed_catalog import CpuRows, confidence_of, fill_mixed_catalog, row_matches
from tests.support.schema_execution import query_data, query_error
from tests.support.statements import record_statements

PARTS = {
    "manufacturers": "manufacturers { value count }",
    "sockets": "sockets { value count }",
    "categories": "categories { value count }",
    "ratings": "ratings { rating count }",
    "confidences": "confidences { confidence count }",
}
BEST_FIRST = ["EXCELLENT", "GOOD", "FAIR", "POOR", "HIGH", "MEDIUM", "LOW", "INSUFFICIENT"]
FILTERS: list[dict[str, Any]] = [
    {},
    {"manufacturer": ["Intel"]},
    {"withListings": True, "cores": {"min": 4}},
    {"rating": ["EXCELLENT", "POOR"], "confidence": ["HIGH"]},
    {"search": "i5"},
    {"socket": []},
]
VALUES: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "manufacturers": lambda row: row["manufacturer"],
    "sockets": lambda row: row["socket"],
    "categories": lambda row: row["category"],
    "ratings": lambda row: row["value_rating"] and row["value_rating"].upper(),
    "confidences": lambda row: confidence_of(row["price_sample_size"]),
}


def facet_query(*names: str) -> str:
    return f"query ($filter: CPUFilter) {{ cpuFacets(filter: $filter) {{ {' '.join(PARTS[n] for n in names)} }} }}"


def value_counts(counts: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(next(value for key, value in item.items() if key != "count"), item["count"]) for item in counts]


def reference_counts(cpu_rows: CpuRows, name: str, conditions: dict[str, Any]) -> list[tuple[str, int]]:
    values = [VALUES[name](row) for row in cpu_rows if row_matches(row, conditions)]
    counted = Counter(value for value in values if value is not None)
    if name in {"ratings", "confidences"}:
        return [(value, counted[value]) for value in BEST_FIRST if value in counted]
    return sorted(counted.items())


@pytest.fixture
async def cpu_rows(resources: Resources) -> CpuRows:
    """Create the mixed catalogue."""
    return await fill_mixed_catalog(resources)


async def test_facets_count_cpus_per_value(resources: Resources, cpu_rows: CpuRows) -> None:
    for conditions in FILTERS:
        facets = (await query_data(resources, facet_query(*PARTS), filter=conditions))["cpuFacets"]
        assert {name: value_counts(counts) for name, counts in facets.items()} == {
            name: reference_counts(cpu_rows, name, conditions) for name in PARTS
        }


async def test_facets_count_requested_facets_only(resources: Resources, cpu_rows: CpuRows) -> None:
    """In every combination, because GROUPING() identifies the facet of a row by its position."""
    for size in (1, 2, 3):
        for names in combinations(PARTS, size):
            with record_statements(resources) as ran:
                facets = (await query_data(resources, facet_query(*reversed(names))))["cpuFacets"]
            assert {name: value_counts(counts) for name, counts in facets.items()} == {
                n: reference_counts(cpu_rows, n, {}) for n in names
            }
            assert ran.count == 1
            assert ("value_rating" in ran.texts[0]) == ("ratings" in names)


async def test_facets_of_two_filters_are_separate(resources: Resources, cpu_rows: CpuRows) -> None:
    """The options of a control: all other conditions hold, its own one does not."""
    query = """{
        makers: cpuFacets(filter: {socket: ["AM4"]}) { manufacturers { value count } }
        sockets: cpuFacets(filter: {manufacturer: ["AMD"]}) { sockets { value count } }
    }"""
    data = await query_data(resources, query)
    assert value_counts(data["makers"]["manufacturers"]) == reference_counts(
        cpu_rows, "manufacturers", {"socket": ["AM4"]}
    )
    assert value_counts(data["sockets"]["sockets"]) == reference_counts(cpu_rows, "sockets", {"manufacturer": ["AMD"]})


async def test_facets_of_empty_catalogue_are_empty(resources: Resources) -> None:
    assert await query_data(resources, facet_query(*PARTS)) == {"cpuFacets": {name: [] for name in PARTS}}
    assert await query_data(resources, "{ cpuFacets { __typename } }") == {"cpuFacets": {"__typename": "CPUFacets"}}


async def test_facets_invalid_filters_are_rejected(resources: Resources) -> None:
    code, message = await query_error(resources, facet_query("sockets"), filter={"cores": {"min": 2, "max": 1}})
    assert (code, message) == ("BAD_USER_INPUT", "`cores` has a `min` (2) above its `max` (1).")
