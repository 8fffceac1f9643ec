"""The `Host` header in development and production, and where pages may open WebSocket connections from."""

from __future__ import annotations

import asyncio

import pytest
import websockets

from app.main import RootApp, create_app
from app.server.host_check import WRONG_HOST, host_of_authority
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api, wait_for_notifications

PATHS = ("/", "/graphql?query={__typename}", "/graphql/Statistics", "/health", "/ready", "/metrics", "/nothing.js")
LOCAL_HOSTS = (
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.1.2.3",
    "localhost",
    "LOCALHOST:80",
    "dealmark.localhost",
    "[::1]:8000",
)
OTHER_HOSTS = (
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example:127.0.0.1",
    "192.168.0.7",
    "0x7f.1",
    "[::ffff:10.0.0.1]",
    "[localhost",
    "user@127.0.0.1",
    ":8000",
    "\x80",
)


def changed(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update={"allowed_hosts": (), **values})


async def status_for(api: ApiClient, host: str, path: str = "/health") -> int:
    """Return the status of a GET request with this `Host` header."""
    response = await api.http.get(path, headers={b"host": host.encode("latin-1")})
    if response.status_code == 421:
        assert response.text == WRONG_HOST
    return response.status_code


async def test_development_server_answers_to_local_hosts_only(settings: Settings) -> None:
    async with run_api(changed(settings)) as api:
        await wait_for_notifications(api)
        for path in PATHS:
            for _ in range(2):  # the second response of a document comes from the fast path
                assert await status_for(api, "localhost", path) != 421, path
            assert await status_for(api, "evil.example", path) == 421, path
        assert {host: await status_for(api, host) for host in LOCAL_HOSTS} == dict.fromkeys(LOCAL_HOSTS, 200)
        assert {host: await status_for(api, host) for host in OTHER_HOSTS} == dict.fromkeys(OTHER_HOSTS, 421)


async def test_development_server_answers_to_configured_hosts(settings: Settings) -> None:
    async with run_api(changed(settings, host="workstation.lan", allowed_hosts=("cpus.example", "10.0.0.7"))) as api:
        for host in ("workstation.lan:8000", "CPUs.example", "cpus.example.", "10.0.0.7", "localhost"):
            assert await status_for(api, host) == 200, host
        for host in ("10.0.0.8", "other.lan"):
            assert await status_for(api, host) == 421, host


async def test_development_server_on_all_addresses_answers_to_addresses(settings: Settings) -> None:
    """A page of another site can make its name point to this machine, but has no address as its name."""
    async with run_api(changed(settings, host="0.0.0.0")) as api:
        for host in ("192.168.0.7:8000", "[fd00::7]:8000", "0.0.0.0:8000"):
            assert await status_for(api, host) == 200, host
        assert await status_for(api, "evil.example") == 421


async def test_production_server_answers_to_all_hosts_unless_they_are_listed(settings: Settings) -> None:
    production = changed(settings, development=False)
    assert isinstance(create_app(production), RootApp), "nothing runs before the fast path"
    async with run_api(production) as api:
        assert await status_for(api, "evil.example") == 200
    async with run_api(changed(settings, development=False, allowed_hosts=("cpus.example",))) as api:
        assert await status_for(api, "cpus.example") == 200
        for host in ("evil.example", "localhost", "127.0.0.1"):
            assert await status_for(api, host) == 421, host


async def test_request_without_exactly_one_host_is_rejected_in_development(settings: Settings) -> None:
    async with run_api(changed(settings)) as api:
        for hosts in (b"", b"host: localhost\r\nhost: evil.example\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
            writer.write(b"GET /health HTTP/1.0\r\n" + hosts + b"\r\n")
            assert b" 421 " in await reader.readline()
            writer.close()
            await writer.wait_closed()


async def websocket_status(api: ApiClient, origin: str | None) -> int:
    """Return the status of a WebSocket handshake with this `Origin` header."""
    url = api.url.replace("http://", "ws://") + "/graphql"
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    try:
        async with websockets.connect(
            url, subprotocols=protocols, origin=None if origin is None else websockets.Origin(origin)
        ):
            return 101
    except websockets.InvalidStatus as error:
        return error.response.status_code


@pytest.mark.parametrize("development", [True, False])
async def test_websocket_of_a_page_is_accepted_from_the_same_host_only(settings: Settings, development: bool) -> None:
    async with run_api(changed(settings, development=development)) as api:
        for origin in (None, api.url):
            assert await websocket_status(api, origin) == 101, origin
        for other in ("https://evil.example", "http://localhost:1", "null", api.url + "0"):
            assert await websocket_status(api, other) == 403, other


async def test_websocket_to_another_host_is_rejected(settings: Settings) -> None:
    async with run_api(changed(settings)) as api:
        port = api.url.rpartition(":")[2]
        url = "ws://evil.example/graphql"
        with pytest.raises(websockets.InvalidStatus) as rejected:
            async with websockets.connect(url, host="127.0.0.1", port=int(port)):
                pass
        assert rejected.value.response.status_code == 421


def test_host_of_authority_drops_port_brackets_and_final_dot() -> None:
    authorities = {"A.example:80": "a.example", "[FD00::1]:80": "fd00::1", "a.example.": "a.example", "": "", "[": ""}
    assert {authority: host_of_authority(authority) for authority in authorities} == authorities
