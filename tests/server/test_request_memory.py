"""Requests that have ended are freed at once, and not by the next garbage collection."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from types import FrameType

import pytest

from app.core.global_ids import encode_global_id
from app.server.graphql_http import GraphQLHTTPHandler
from tests.support.api_server import ApiClient
from tests.support.subscription_clients import JOB_PROGRESS, open_event_stream

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


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_large_body_is_freed_without_garbage_collection(api: ApiClient, is_chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    content = chunks() if is_chunked else b" " * 300 * 1024
    response = await api.http.post("/graphql", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert remaining_handlers() == 0


@pytest.mark.usefixtures("no_collection")
async def test_failed_subscription_is_freed_without_garbage_collection(api: ApiClient) -> None:
    async with open_event_stream(api, JOB_PROGRESS, id=encode_global_id("Job", 404)) as stream:
        _, result = await stream.next()
        assert "errors" in result
    assert [object_ for object_ in gc.get_objects() if is_frame_of(object_, "streams.py")] == []


def is_frame_of(object_: object, file: str) -> bool:
    """Return whether an object is the frame of a function in this file: a traceback refers to it."""
    return isinstance(object_, FrameType) and object_.f_code.co_filename.endswith(file)


def remaining_handlers() -> int:
    """Return the number of requests in memory."""
    return sum(isinstance(object_, GraphQLHTTPHandler) for object_ in gc.get_objects())
