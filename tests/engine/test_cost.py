"""Costs of operations, compared with sums calculated by hand."""

from __future__ import annotations

from typing import Any

import pytest

from app.engine.document import prepare_document
from app.schema.cpus.queries import SCAN_COST
from app.settings import Settings
from tests.support.api_server import run_api
from tests.support.http_errors import GRAPHQL_JSON, only_error
from tests.support.schema_execution import GRAPHQL_SCHEMA

PAGE = "query ($n: Int%s) { cpus(first: $n) { nodes { name } } }"
CPU = '{ cpu(slug: "x") { %s } }'

# `cpus` can read the whole catalogue.
CPUS = SCAN_COST
# An object costs 1 and a leaf 0, unless `@cost` sets another weight, times the sizes of the lists above it.
COSTS: list[tuple[str, dict[str, Any], int]] = [
    ("{ __typename }", {}, 0),
    ("{ statistics { total manufacturers } }", {}, 20),
    ("{ statistics { cores { min } tdpW { max } } }", {}, 20 + 1 + 1),
    (CPU % "name slug", {}, 1),
    (CPU % "priceTarget { good fair } listingsCount", {}, 1 + 1 + 1),
    (CPU % "priceDistribution { count }", {}, 1 + 10),
    (CPU % "priceDistribution(bins: 25) { count }", {}, 1 + 25),
    (CPU % "listings { totalCount pageInfo { endCursor } nodes { title } }", {}, 1 + 1 + 1 + 10),
    ("{ cpus { nodes { name } } }", {}, CPUS + 50),
    ("{ cpus(first: 10) { totalCount nodes { name listingsCount } } }", {}, CPUS + 10 * (1 + 1)),
    ("{ cpus(last: 10) { edges { cursor node { name } } } }", {}, CPUS + 10 * (1 + 1)),
    ("{ cpus(first: 3, last: 5) { nodes { name } } }", {}, CPUS + 5),
    (
        "{ cpus(first: 10) { nodes { listings(first: 5) { nodes { title cpu { name } } } } } }",
        {},
        CPUS + 10 * (1 + 1 + 5 * (1 + 1)),
    ),
    ('{ a: cpu(slug: "x") { ...f } b: cpu(slug: "y") { ...f } } fragment f on CPU { priceTarget { good } }', {}, 4),
    ("{ ... { cpus(first: 2) { nodes { ... on CPU { name } } } } }", {}, CPUS + 2),
    ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 3),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on CPU { listingsCount } } }", {"ids": ["a", "b"]}, 2 * 2),
    (PAGE % "", {}, CPUS + 50),
    (PAGE % "", {"n": 3}, CPUS + 3),
    (PAGE % "", {"n": None}, CPUS + 50),
    (PAGE % " = 7", {}, CPUS + 7),
    (PAGE % " = 7", {"n": 9}, CPUS + 9),
    (PAGE % "", {"n": "many"}, CPUS + 50),
    (PAGE % "", {"n": 200.0}, CPUS + 200),
    (PAGE % "", {"n": 0.5}, CPUS + 50),
    (PAGE % "", {"n": 1e308}, CPUS + 2**31 - 1),
    (PAGE % "", {"n": True}, CPUS + 50),
    ('query ($ids: [ID!]! = ["a", "b", "c"]) { nodes(ids: $ids) { id } }', {}, 3),
    ('query ($ids: [ID!]! = ["a", "b", "c"]) { nodes(ids: $ids) { id } }', {"ids": ["a"]}, 1),
    (PAGE % "", {"n": -1000}, CPUS),
    ("{ cpus(first: -1000) { nodes { name } } statistics { total } }", {}, CPUS + 20),
    (PAGE % " = -1000", {}, CPUS),
    ("mutation { recalculateMetrics { job { id } } }", {}, 1 + 1),
]


@pytest.mark.parametrize(("query", "variables", "expected"), COSTS)
def test_cost_of_operation(query: str, variables: dict[str, Any], expected: int) -> None:
    (operation,) = prepare_document(GRAPHQL_SCHEMA, "test", query).operations.values()
    assert operation.cost(variables) == expected


def test_fragments_that_spread_others_twice_are_analyzed_once() -> None:
    """Following every spread would take 2^40 steps."""
    steps = " ".join(f"fragment F{n} on CPU {{ ...F{n + 1} ...F{n + 1} }}" for n in range(40))
    listed = "fragment F40 on CPU { listings(first: $n) { nodes { id } } }"
    text = f"query ($n: Int) {{ cpus(first: 1) {{ nodes {{ ...F0 }} }} }} {steps} {listed}"
    (operation,) = prepare_document(GRAPHQL_SCHEMA, "bomb", text, ad_hoc=True).operations.values()
    assert operation.cost({"n": 5}) == CPUS + 1 + 2**40 * (1 + 5)


async def test_cost_limit_rejects_and_extension_shows_the_cost(settings: Settings) -> None:
    async with run_api(settings.model_copy(update={"cost_limit": CPUS + 50})) as api:
        page = PAGE % ""
        for number, allowed in ((50, True), (51, False)):
            for extensions in ({}, {"cost": True}, {"cost": "yes"}):
                response = await api.http.post(
                    "/graphql",
                    json={"query": page, "variables": {"n": number}, "extensions": extensions},
                    headers={"accept": GRAPHQL_JSON},
                )
                if not allowed:
                    error = only_error(response, 400)
                    assert error["extensions"]["code"] == "COST_LIMIT_EXCEEDED"
                    message = f"The operation costs up to {CPUS + 51}; at most {CPUS + 50} is allowed. "
                    assert error["message"] == f"{message}Ask for fewer items."
                    continue
                cost = {"cost": {"requested": CPUS + 50, "limit": CPUS + 50}}
                expected = cost if extensions == {"cost": True} else None
                assert response.json().get("extensions") == expected
                assert response.json()["data"] == {"cpus": {"nodes": []}}
        parameters = {"query": "{ statistics { total } }", "extensions": '{"cost": true}'}
        response = await api.http.get("/graphql", params=parameters)
        assert response.json()["extensions"] == {"cost": {"requested": 20, "limit": CPUS + 50}}
        assert response.headers["cache-control"] == "private, no-store"
