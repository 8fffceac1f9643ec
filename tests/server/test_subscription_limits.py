"""Limits on the number of subscriptions, and their end at the expiry of the token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from app.core.global_ids import encode_global_id
from app.core.metrics import SUBSCRIPTIONS
from app.resources import Resources
from app.server import authentication, websocket
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.http_errors import only_error
from tests.support.job_steps import create_queued_job
from tests.support.subscription_clients import ACCEPT_SSE, JOB_PROGRESS, open_event_stream, open_socket
from tests.support.tokens import LATER, VALID_CLAIMS, sign_token
from tests.support.waiting import wait_until

CHANGES = {"query": "subscription { dataChanged(domains: [MARKET]) { domains } }"}
EXPIRED = "The token has expired: subscribe again with a new one."


@pytest.fixture
async def limited(settings: Settings) -> AsyncIterator[ApiClient]:
    """Run an API with few subscriptions, which trusts this host as a proxy."""
    limits = {"client_limits": "on", "max_subscriptions": 4, "max_subscriptions_per_client": 2}
    values = {**limits, "trusted_proxies": ("127.0.0.1",)}
    async with run_api(settings.model_copy(update=values)) as api:
        yield api
    assert SUBSCRIPTIONS._value.get() == 0


async def open_streams(stack: AsyncExitStack, api: ApiClient, client: str, count: int) -> None:
    """Open event streams of a client, and wait for the first event of each."""
    for _ in range(count):
        headers = {**ACCEPT_SSE, "x-forwarded-for": client}
        response = await stack.enter_async_context(api.http.stream("POST", "/graphql", json=CHANGES, headers=headers))
        assert response.status_code == 200
        lines: Any = response.aiter_lines()
        await stack.enter_async_context(aclosing(lines))
        assert await anext(lines) == "event: next"


async def rejection(api: ApiClient, client: str, status: int) -> str:
    """Try to open another event stream, and return why it is rejected."""
    response = await api.http.post("/graphql", json=CHANGES, headers={**ACCEPT_SSE, "x-forwarded-for": client})
    error = only_error(response, status)
    assert error["extensions"] == {"code": "SUBSCRIPTION_LIMIT_EXCEEDED"}
    assert response.headers["retry-after"] == "10"
    return str(error["message"])


async def test_client_has_a_maximum_of_subscriptions_over_both_transports(limited: ApiClient) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(stack, limited, "192.0.2.1", 1)
        client = await stack.enter_async_context(open_socket(limited, None, **{"x-forwarded-for": "192.0.2.1"}))
        await client.receive()
        await client.start("a", CHANGES["query"])
        assert (await client.receive())["type"] == "next"
        reason = (
            "You have 2 active subscriptions, the maximum for one client: end one of them before you start another one."
        )
        assert await rejection(limited, "192.0.2.1", 429) == reason
        await client.start("b", CHANGES["query"])
        message = await client.receive()
        assert (message["type"], message["id"], message["payload"][0]["message"]) == ("error", "b", reason)
        assert (await client.one("{ __typename }"))["data"] == {"__typename": "Query"}, "queries are not counted"
        await open_streams(stack, limited, "192.0.2.2", 1)
        await client.send(type="complete", id="a")
        await wait_until(lambda: asyncio.sleep(0, SUBSCRIPTIONS._value.get() == 2))
        await client.start("c", CHANGES["query"])
        assert (await client.receive())["type"] == "next"


async def test_process_has_a_maximum_of_subscriptions(limited: ApiClient) -> None:
    async with AsyncExitStack() as stack:
        await open_streams(stack, limited, "192.0.2.1", 2)
        await open_streams(stack, limited, "192.0.2.2", 2)
        reason = "The server has 4 active subscriptions, its maximum: try again in 10 s."
        assert await rejection(limited, "192.0.2.3", 503) == reason
    await wait_until(lambda: asyncio.sleep(0, SUBSCRIPTIONS._value.get() == 0))
    async with AsyncExitStack() as stack:
        await open_streams(stack, limited, "192.0.2.3", 1)


async def test_subscriptions_per_client_are_unlimited_if_limits_are_off(settings: Settings) -> None:
    values = {"client_limits": "off", "max_subscriptions_per_client": 1}
    async with run_api(settings.model_copy(update=values)) as api, AsyncExitStack() as stack:
        await open_streams(stack, api, "192.0.2.1", 3)


async def test_starting_subscriptions_is_rate_limited(settings: Settings, resources: Resources) -> None:
    values = {"client_limits": "on", "rate_limit_subscription": "2/minute"}
    async with run_api(settings.model_copy(update=values)) as api:
        for _ in range(2):
            async with AsyncExitStack() as stack:
                await open_streams(stack, api, "192.0.2.1", 1)
        response = await api.http.post("/graphql", json=CHANGES, headers=ACCEPT_SSE)
        assert only_error(response, 429)["extensions"] == {"code": "RATE_LIMITED"}
        async with open_socket(api) as client:
            await client.receive()
            await client.start("a", CHANGES["query"])
            assert (await client.receive())["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
    await resources.broker.redis.flushall()


async def test_connection_has_a_maximum_of_operations(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_SUBSCRIPTIONS_PER_CONNECTION", 2)
    async with open_socket(api) as client:
        await client.receive()
        for operation in ("a", "b"):
            await client.start(operation, CHANGES["query"])
            assert (await client.receive())["type"] == "next"
        await client.start("c", CHANGES["query"])
        (error,) = (await client.receive())["payload"]
        assert error == {
            "message": "This connection has 2 active operations, the maximum: complete one of them, or open another "
            "connection.",
            "extensions": {"code": "SUBSCRIPTION_LIMIT_EXCEEDED"},
        }
        await client.send(type="complete", id="a")
        await client.start("c", CHANGES["query"])
        assert (await client.receive())["type"] == "next"


def short_token(seconds: float) -> str:
    """Return an Authorization header whose token is accepted for about this time, less than a second less."""
    return f"Bearer {sign_token({**VALID_CLAIMS, 'exp': int(time.time() + seconds)})}"


async def test_event_stream_ends_when_the_token_expires(
    api: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "CLOCK_LEEWAY_SECONDS", 0)
    job = encode_global_id("Job", await create_queued_job(resources))
    api.http.headers["authorization"] = short_token(2)
    async with open_event_stream(api, JOB_PROGRESS, id=job) as events:
        assert (await events.job())["status"] == "QUEUED"
        (name, result), end = await events.rest()
    assert (name, end) == ("next", ("complete", None))
    assert result == {"errors": [{"message": EXPIRED, "extensions": {"code": "UNAUTHENTICATED"}}]}
    await wait_until(lambda: asyncio.sleep(0, SUBSCRIPTIONS._value.get() == 0))


async def test_websocket_subscription_ends_when_the_token_expires(
    api: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that never had an event; the connection stays open for other operations to fail."""
    monkeypatch.setattr(authentication, "CLOCK_LEEWAY_SECONDS", 0)
    await add_cpu(resources, "CPU")
    job = encode_global_id("Job", await create_queued_job(resources))
    async with open_socket(api, {"authorization": short_token(3)}) as client:
        await client.receive()
        await client.start("a", JOB_PROGRESS, id=job)
        assert (await client.receive())["payload"]["data"]["jobProgress"]["status"] == "QUEUED"
        await client.start("b", "subscription { priceChanged { cursor } }")
        messages = [await client.receive() for _ in range(3)]
        of_first = [message for message in messages if message["id"] == "a"]
        assert [message["type"] for message in of_first] == ["next", "complete"]
        assert of_first[0]["payload"] == {"errors": [{"message": EXPIRED, "extensions": {"code": "UNAUTHENTICATED"}}]}
        (other,) = [message for message in messages if message["id"] == "b"]
        assert (other["type"], other["payload"][0]["message"]) == ("error", EXPIRED)
        await client.start("c", "{ __typename }")
        assert (await client.receive())["payload"][0]["message"] == "The token has expired: get a new one."


async def test_token_of_any_lifetime_is_accepted(api: ApiClient) -> None:
    for exp in (LATER, 253_402_300_799):
        api.http.headers["authorization"] = f"Bearer {sign_token({**VALID_CLAIMS, 'exp': exp})}"
        async with open_event_stream(api, CHANGES["query"]) as events:
            assert (await events.next())[0] == "next"
