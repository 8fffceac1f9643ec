"""Automatic persisted queries: Apollo Client and urql send a hash, and after a miss also the text."""

from __future__ import annotations

import pytest

from app.settings import Settings
from tests.clients.node import ClientRequest, client, has_page, needs_node
from tests.support.api_server import run_api

pytestmark = needs_node

CLIENTS = [(script, method) for script in ("apollo.mjs", "urql.mjs") for method in ("GET", "POST")]
GRAPHQL = "application/graphql-response+json; charset=utf-8"


@pytest.fixture
def apq(settings: Settings) -> Settings:
    """Settings that allow clients to register documents."""
    return settings.model_copy(update={"development": False, "documents": "apq"})


@pytest.mark.parametrize(("script", "method"), CLIENTS)
async def test_client_registers_after_a_miss_and_hits_afterwards(
    script: str, method: str, apq: Settings, page: ClientRequest
) -> None:
    # Apollo Client registers by POST, urql by the method of the query.
    registers = method if script == "urql.mjs" else "POST"
    async with run_api(apq) as api:
        first, second = await client(script, api, [page, page], ids="hash", method=method)
        (another,) = await client(script, api, [page], ids="hash", method=method)
    async with run_api(apq) as restarted:
        (later,) = await client(script, restarted, [page], ids="hash", method=method)
    assert all(has_page(seen, page) for seen in (first, second, another, later))
    assert first.summary == [(method, False, 200, None), (registers, True, 200, "MISS")]
    assert first.requests[0].control == "no-store"
    assert second.summary == another.summary == [(method, False, 200, "HIT-L1")]
    assert later.summary == [(method, False, 200, "HIT-L2")]
    assert {sent.type for seen in (first, second, another, later) for sent in seen.requests} == {GRAPHQL}


@pytest.mark.parametrize(("script", "method"), CLIENTS)
async def test_hash_of_another_text_is_rejected(script: str, method: str, apq: Settings, page: ClientRequest) -> None:
    async with run_api(apq) as api:
        (seen,) = await client(script, api, [page], ids="wrong", method=method)
        (again,) = await client(script, api, [page], ids="wrong", method=method)
    for each in (seen, again):
        assert each.code == "PERSISTED_QUERY_HASH_MISMATCH"
        assert [sent.status for sent in each.requests] == [200, 400]
        assert {sent.control for sent in each.requests} == {"no-store"}
