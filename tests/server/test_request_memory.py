"""Requests that have ended are freed at once, and not by the next garbage collection."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from app.server.graphql_http import GraphQLHTTPHandler
from tests.support.api_server import ApiClient

REFUSED: dict[str, dict[str, object]] = {
    "no document": {},
    "unknown document": {"documentId": "Unknown"},
    "invalid text": {"query": "{ unknown }"},
    "invalid argument": {"query": "query ($n: [ID!]!) { nodes(ids: $n) { id } }", "variables": {"n": ["x"] * 1_000}},
    "subscription": {"query": "subscription { dataChanged { domains } }"},
    "mutation without a token": {"query": "mutation { recalculateMetrics { job { id } } }"},
}


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("kind", REFUSED)
async def test_refused_request_is_freed_without_garbage_collection(api: ApiClient, kind: str) -> None:
    response = await api.http.post("/graphql", json=REFUSED[kind])
    assert "errors" in response.json()
    assert remaining_handlers() == 0


def remaining_handlers() -> int:
    """Return the number of requests in memory."""
    return sum(isinstance(object_, GraphQLHTTPHandler) for object_ in gc.get_objects())
