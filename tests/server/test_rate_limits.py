"""Rate limits, the address of a client, and both without Redis."""

from __future__ import annotations

import httpx
import pytest
import uvicorn
from starlette.requests import HTTPConnection

from app.cli import processes
from app.graphql.viewer import Role
from app.resources import Resources
from app.server.client_address import TrustedProxies
from app.server.websocket import WebSocketContext
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.http_errors import only_error
from tests.support.ports import closed_port
from tests.support.response_cache import CPUS_QUERY, get_persisted, register_query, run_api_on
from tests.support.subscription_clients import ACCEPT_SSE, open_socket

MUTATION = {"query": "mutation { recalculateMetrics { job { id } } }"}
TEXT = "query q($n: Int) { cpus(first: $n) { totalCount } }"


def limited(settings: Settings, **values: object) -> Settings:
    limits = {"rate_limit_persisted": "3/minute", "rate_limit_ad_hoc": "2/minute", "rate_limit_mutation": "1/minute"}
    return settings.model_copy(update={"client_limits": "on", **limits, **values})


def the_refusal(response: httpx.Response) -> None:
    error = only_error(response, 429)
    seconds = int(response.headers["retry-after"])
    assert error == {"message": f"Too many requests: try again in {seconds} s.", "extensions": {"code": "RATE_LIMITED"}}
    assert 1 <= seconds <= 60


async def ask(api: ApiClient, number: int, forwarded: str | None = None) -> httpx.Response:
    """Send a query that is not in memory."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return await api.http.post("/graphql", json={"query": TEXT, "variables": {"n": number}}, headers=headers)


async def test_each_class_has_its_own_limit(settings: Settings) -> None:
    async with Resources.open(limited(settings)) as resources, run_api_on(resources) as (api, _):
        await register_query(api, CPUS_QUERY)
        for number in (1, 2, 3):
            assert (await get_persisted(api, CPUS_QUERY, n=number)).headers["x-cache"] == "MISS"
        the_refusal(await get_persisted(api, CPUS_QUERY, n=4))
        for number in (1, 2, 3, 1, 2, 3):
            assert (await get_persisted(api, CPUS_QUERY, n=number)).headers["x-cache"] == "HIT-L1", (
                "it costs nothing and is not counted"
            )
        assert [(await ask(api, number)).status_code for number in (1, 2, 3)] == [200, 200, 429]
        admin = api.token(Role.ADMIN)
        assert (await api.http.post("/graphql", json=MUTATION, headers=admin)).status_code == 200
        the_refusal(await api.http.post("/graphql", json=MUTATION, headers=admin))
        the_refusal(await api.http.post("/graphql", json=MUTATION, headers={**admin, **ACCEPT_SSE}))
        async with open_socket(api, admin) as client:
            await client.receive()
            await client.start("a", MUTATION["query"])
            assert (await client.receive())["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
        await resources.broker.redis.flushall()


async def test_processes_share_counts(settings: Settings) -> None:
    async with run_api(limited(settings)) as one, run_api(limited(settings)) as two:
        statuses = [(await ask(api, number)).status_code for number, api in enumerate((one, two, one, two))]
    assert statuses == [200, 200, 429, 429]


async def test_coalesced_request_is_counted(settings: Settings) -> None:
    """A client over its limit does not affect the others."""
    trusting = limited(settings, trusted_proxies=("127.0.0.1",))
    async with run_api(trusting) as api:
        for number in (1, 2):
            assert (await ask(api, number, "192.0.2.1")).status_code == 200
        assert (await ask(api, 3, "192.0.2.1")).status_code == 429
        assert (await ask(api, 3, "192.0.2.2")).status_code == 200
        assert (await ask(api, 3, "192.0.2.1")).status_code == 200, "now memory has it"


@pytest.mark.parametrize(("proxies", "statuses"), [((), [200, 200, 429, 429]), (("127.0.0.0/8",), [200] * 4)])
async def test_forwarded_address_is_used_from_trusted_proxies_only(
    settings: Settings, proxies: tuple[str, ...], statuses: list[int]
) -> None:
    async with run_api(limited(settings, trusted_proxies=proxies)) as api:
        asked = [await ask(api, number, f"192.0.2.{number}") for number in range(4)]
        assert [response.status_code for response in asked] == statuses
        if proxies:
            left = [(await ask(api, n, f"198.51.100.{n}, 192.0.2.3")).status_code for n in range(10, 13)]
            assert left == [200, 429, 429], "what stands left of the last anybody can write"


def test_uvicorn_ignores_forwarded_addresses(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, uvicorn would replace the peer by X-Forwarded-For of requests from localhost."""
    given: dict[str, object] = {}
    monkeypatch.setattr(uvicorn, "run", lambda _app, **options: given.update(options))
    monkeypatch.setattr(processes, "_process_settings", lambda: settings)
    monkeypatch.setattr(processes, "start_logging", lambda _settings: None)
    processes.serve()
    assert given["proxy_headers"] is False


async def test_without_redis_mutations_are_rejected_and_queries_admitted(settings: Settings) -> None:
    away = limited(settings, redis_url=f"redis://127.0.0.1:{closed_port()}/0")
    async with run_api(away) as api:
        for number in range(6):
            assert (await ask(api, number)).status_code == 200
            response = await api.http.post("/graphql", json=MUTATION, headers=api.token(Role.ADMIN))
            assert only_error(response, 503)["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            assert int(response.headers["retry-after"]) > 0
        assert (await api.data("{ cpus { totalCount } }")) == {"cpus": {"totalCount": 0}}


async def test_without_limits_nothing_is_counted(api: ApiClient, resources: Resources) -> None:
    for number in range(1, 30):
        assert (await ask(api, number)).status_code == 200
    assert not [key async for key in resources.broker.redis.scan_iter("*LIMIT*")]


TRUSTED = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
ADDRESSES: list[tuple[str | None, str | None, str]] = [
    ("203.0.113.1", None, "203.0.113.1"),
    ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.9.9.9,192.0.2.7", "198.51.100.1"),
    ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "junk", "10.0.0.1"),
    ("10.0.0.1", "1.1.1.1, junk, 10.0.0.3", "10.0.0.3"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("2001:db8::1", "198.51.100.1", "198.51.100.1"),
    ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("2606:4700::1234:1", None, "2606:4700::/64"),
    ("10.0.0.1", "2606:4700:0:0:ffff::1", "2606:4700::/64"),
    (None, "198.51.100.1", "unknown"),
    ("testclient", "198.51.100.1", "unknown"),
]


@pytest.mark.parametrize(("peer", "forwarded", "expected"), ADDRESSES)
def test_client_address_is_the_last_untrusted_hop(peer: str | None, forwarded: str | None, expected: str) -> None:
    assert TrustedProxies(TRUSTED).client_address(peer, forwarded) == expected


def test_websocket_joins_repeated_forwarded_headers() -> None:
    """Some proxies add a second header instead of appending to the client's."""
    headers = [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"1.2.3.4")]
    asker = WebSocketContext(HTTPConnection({"type": "websocket", "headers": headers, "client": ("127.0.0.1", 1)}))
    assert TrustedProxies(["127.0.0.0/8"]).client_address(asker.peer, asker.forwarded_for) == "1.2.3.4"
