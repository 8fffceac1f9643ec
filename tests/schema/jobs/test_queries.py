"""The query `jobs`, for operators."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.global_ids import encode_global_id
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from tests.support import schema_execution
from tests.support.api_server import ApiClient
from tests.support.jobs import run_sql
from tests.support.statements import record_statements

LIST = """
query ($first: Int, $after: String, $last: Int, $before: String, $kind: [JobKind!], $status: [JobStatus!]) {
  jobs(first: $first, after: $after, last: $last, before: $before, kind: $kind, status: $status) {
    nodes { id kind status requestedAt } edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
  }
}
"""
# Every kind with every status: twelve jobs.
FILL = """
INSERT INTO job (kind, status, input, requested_by)
SELECT kind, status, jsonb_build_object('n', n), 'test'
FROM unnest(ARRAY['recalculate_metrics', 'verify_figures', 'recalculate_metrics']) WITH ORDINALITY AS k (kind, n),
    unnest(ARRAY['queued', 'running', 'succeeded', 'failed']) AS status
"""


@pytest.fixture
async def resources_with_jobs(resources: Resources) -> Resources:
    """Create twelve jobs."""
    await run_sql(resources, FILL)
    return resources


async def fetch_jobs(resources: Resources, **variables: Any) -> dict[str, Any]:
    """Return the page that an operator gets."""
    result = await schema_execution.execute_query(resources, LIST, Viewer("operator", Role.OPERATOR), **variables)
    assert not result.errors, result.errors
    assert result.data is not None
    page: dict[str, Any] = result.data["jobs"]
    assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]
    return page


async def test_jobs_pages_are_newest_first_both_ways(resources_with_jobs: Resources) -> None:
    newest = [encode_global_id("Job", key) for key in range(12, 0, -1)]
    for limit, cursor, end, ahead in (
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ):
        seen: list[str] = []
        position, more = None, True
        while more:
            page = await fetch_jobs(resources_with_jobs, **{limit: 5, cursor: position})
            ids = [node["id"] for node in page["nodes"]]
            seen = seen + ids if limit == "first" else ids + seen
            assert page["totalCount"] == 12
            position, more = page["pageInfo"][end], page["pageInfo"][ahead]
            assert len(seen) <= 12
        assert seen == newest


async def test_jobs_page_is_stable_while_jobs_are_added(resources_with_jobs: Resources) -> None:
    first = await fetch_jobs(resources_with_jobs, first=4)
    await run_sql(resources_with_jobs, FILL.replace("'n', n", "'m', n"))
    second = await fetch_jobs(resources_with_jobs, first=4, after=first["pageInfo"]["endCursor"])
    assert [node["id"] for node in second["nodes"]] == [encode_global_id("Job", key) for key in (8, 7, 6, 5)]


async def test_jobs_filter_by_kind_and_status(resources_with_jobs: Resources) -> None:
    everything = (await fetch_jobs(resources_with_jobs))["nodes"]
    for kinds in (None, [], ["VERIFY_FIGURES"], ["VERIFY_FIGURES", "RECALCULATE_METRICS"]):
        for states in (None, [], ["QUEUED"], ["RUNNING", "FAILED"]):
            page = await fetch_jobs(resources_with_jobs, kind=kinds, status=states)
            expected = [
                job
                for job in everything
                if (kinds is None or job["kind"] in kinds) and (states is None or job["status"] in states)
            ]
            assert page["nodes"] == expected
            assert page["totalCount"] == len(expected)
    assert len((await fetch_jobs(resources_with_jobs, kind=["VERIFY_FIGURES"]))["nodes"]) == 4


async def test_jobs_page_is_one_statement(resources_with_jobs: Resources) -> None:
    viewer = Viewer("operator", Role.OPERATOR)
    for query in ("{ jobs { nodes { id status } } }", "{ jobs(kind: [VERIFY_FIGURES]) { totalCount nodes { id } } }"):
        with record_statements(resources_with_jobs) as ran:
            await schema_execution.execute_query(resources_with_jobs, query, viewer)
        assert ran.count == 1, ran.texts
    assert "requested_at" not in ran.texts[0], "only requested columns"


async def test_jobs_empty_list(resources: Resources) -> None:
    page = await fetch_jobs(resources)
    ends = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert page == {"nodes": [], "edges": [], "pageInfo": ends, "totalCount": 0}


async def test_jobs_invalid_pages_are_rejected(api: ApiClient) -> None:
    for variables, code in (
        ({"first": 0}, "BAD_USER_INPUT"),
        ({"first": 201}, "BAD_USER_INPUT"),
        ({"first": 1, "last": 1}, "BAD_USER_INPUT"),
        ({"after": "junk"}, "BAD_CURSOR"),
    ):
        assert (await api.error(LIST, Role.OPERATOR, **variables))[0] == code


async def test_jobs_require_operator(api: ApiClient) -> None:
    for role, code in ((None, "UNAUTHENTICATED"), (Role.VIEWER, "FORBIDDEN")):
        actual, message = await api.error(LIST, role)
        assert (actual, message.startswith("This field requires the role operator")) == (code, True)
    for role in (Role.OPERATOR, Role.ADMIN):
        assert (await api.data(LIST, role))["jobs"]["totalCount"] == 0
    response = await api.http.get("/graphql", params={"query": LIST}, headers=api.token(Role.OPERATOR))
    assert (response.headers["x-cache"], response.headers["cache-control"]) == ("BYPASS", "private, no-store")
