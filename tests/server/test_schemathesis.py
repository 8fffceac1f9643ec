"""Schemathesis: operations generated from the schema cause no server errors."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from app.core.global_ids import encode_global_id
from app.graphql.viewer import Role
from app.resources import Resources
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.effort import size_of
from tests.support.queue_worker import run_queued_jobs

EXAMPLES = size_of(short=300, long=2_000, soak=80_000)
CONTENT_TYPE = "application/graphql-response+json"
INT = 2**31
KINDS = ("CPU", "Listing", "Job", "ValuationRule", "ImportSession")
IDS = [encode_global_id(kind, number) for kind in KINDS for number in (1, 2, INT - 1)]

# Half of the values are meaningful; otherwise few operations would reach the data.
schemathesis.graphql.scalar("ID", st.one_of(st.sampled_from(IDS), st.text()).map(schemathesis.graphql.nodes.String))
schemathesis.graphql.scalar(
    "Int", st.one_of(st.integers(1, 100), st.integers(-INT, INT - 1)).map(schemathesis.graphql.nodes.Int)
)
# Schemathesis cannot send files: its replacements for them are rejected.
schemathesis.graphql.scalar("Upload", st.text().map(schemathesis.graphql.nodes.String))


def fuzz(url: str, headers: dict[str, str]) -> Counter[str]:
    """Send examples of every operation. Return how often each status and error codes occurred."""
    schema = schemathesis.graphql.from_url(url, headers=headers)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    outcomes: Counter[str] = Counter()
    for operation in operations:
        fuzz_one(operation, EXAMPLES // len(operations), headers, outcomes)
    return outcomes


def fuzz_one(operation: Any, examples: int, headers: dict[str, str], outcomes: Counter[str]) -> None:
    """Send the same examples in every run."""

    @seed(3)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(headers=headers)
        outcomes[f"{operation.label} {check(response, case.body)}"] += 1

    ask()


def check(response: Any, body: object) -> str:
    """Return the status and error codes of a response; fail on a malformed one and on a server error."""
    assert response.status_code < 500, (body, response.text)
    assert response.headers["content-type"] == [f"{CONTENT_TYPE}; charset=utf-8"]
    answer = response.json()
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    assert not codes & {"INTERNAL", "DEADLINE_EXCEEDED", "UNAVAILABLE"}, (body, answer)
    assert set(answer) & {"data", "errors"} == set(answer)
    return " ".join([str(response.status_code), *sorted(codes)])


@pytest.mark.sized
async def test_generated_operations_give_no_server_error(api: ApiClient, resources: Resources) -> None:
    for number in range(5):
        await add_cpu(resources, f"Intel Core i5-{number}", [100, 200, "300.50"], cores=number)
    headers = {"accept": CONTENT_TYPE, **api.token(Role.ADMIN)}
    outcomes = await asyncio.to_thread(fuzz, f"{api.url}/graphql", headers)
    await run_queued_jobs(resources)
    assert outcomes.total() >= EXAMPLES * 0.9
    assert {"Query.node 200", "Query.nodes 200", "Query.statistics 200", "Mutation.recalculateMetrics 200"} <= set(
        outcomes
    )
