"""Floods of WebSocket messages: each costs little, or is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import websockets

from app.core.metrics import SUBSCRIPTIONS
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.subscription_clients import WebSocketClient, open_socket
from tests.support.waiting import wait_until

CHANGES = "subscription { dataChanged(domains: [MARKET]) { domains } }"


async def test_invalid_documents_are_rate_limited(settings: Settings) -> None:
    values = {"client_limits": "on", "rate_limit_ad_hoc": "5/minute"}
    async with run_api(settings.model_copy(update=values)) as api, open_socket(api) as client:
        await client.receive()
        codes = []
        for number in range(20):
            await client.start(f"{number}", f"{{ unknown{number} }}")
            message = await client.receive()
            assert message["type"] == "error"
            codes.append(message["payload"][0]["extensions"]["code"])
    assert codes == ["GRAPHQL_VALIDATION_FAILED"] * 5 + ["RATE_LIMITED"] * 15


async def test_pings_and_completes_are_answered_in_order(api: ApiClient) -> None:
    """Also before `connection_init`, and while a client sends more than it reads."""
    async with websockets.connect(
        api.url.replace("http", "ws") + "/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
    ) as connection:
        client = WebSocketClient(connection)
        for kind in ({"type": "ping"}, {"type": "complete", "id": "none"}, {"type": "pong"}):
            for _ in range(2_000):
                await client.send(**kind)
        await client.send(type="connection_init")
        for _ in range(2_000):
            assert await client.receive() == {"type": "pong"}
        assert (await client.receive())["type"] == "connection_ack"
        assert (await client.one("{ __typename }"))["data"] == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "a", "payload": {"query": CHANGES}}], 4401),
        ([{"type": "connection_init"}] * 2, 4429),
    ],
)
async def test_messages_out_of_order_close_the_websocket(
    api: ApiClient, messages: list[dict[str, Any]], code: int
) -> None:
    async with websockets.connect(
        api.url.replace("http", "ws") + "/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
    ) as connection:
        client = WebSocketClient(connection)
        for message in [*messages, *[{"type": "ping"}] * 100]:
            await client.send(**message)
        with pytest.raises(websockets.ConnectionClosed) as closed:  # noqa: PT012 - the server closes after some messages
            while True:
                assert (await client.receive())["type"] in {"connection_ack", "pong"}
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
    assert SUBSCRIPTIONS._value.get() == 0


async def test_subscribing_and_completing_leaves_nothing_behind(api: ApiClient) -> None:
    async with open_socket(api) as client:
        await client.receive()
        for number in range(200):
            await client.start(f"{number}", CHANGES)
            await client.send(type="complete", id=f"{number}")
        await wait_until(lambda: asyncio.sleep(0, SUBSCRIPTIONS._value.get() == 0))
        await client.send(type="ping")
        while (await client.receive())["type"] != "pong":
            pass
