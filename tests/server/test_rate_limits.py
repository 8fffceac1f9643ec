"""Rate limits, the address of a client, and both without Redis."""

from __future__ import annotations

import asyncio
import hashlib

import httpx
import pytest
import uvicorn
from starlette.requests import HTTPConnection

from app.cli import processes
from app.core.circuit_breaker import CircuitBreaker
from app.engine.document import HASH_PREFIX, content_id
from app.graphql.viewer import Role
from app.resources import Resources
from app.server import rate_limits as rate_limits_module
from app.server.client_address import TrustedProxies
from app.server.rate_limits import RateLimit, RateLimitClass, RateLimited, RateLimits, RequestCount
from app.server.websocket import WebSocketContext
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.http_errors import only_error
from tests.support.ports import closed_port
from tests.support.response_cache import (
    CPUS_QUERY,
    TOTAL_QUERY,
    get_persisted,
    register_query,
    run_api_on,
)
from tests.support.subscription_clients import ACCEPT_SSE, open_socket

MUTATION = {"documentId": "RecalculateMetrics"}
MUTATION_TEXT = "mutation { recalculateMetrics { job { id } } }"
TEXT = "query q($n: Int) { cpus(first: $n) { totalCount } }"


def limited(settings: Settings, **values: object) -> Settings:
    limits = {"rate_limit_persisted": "3/hour", "rate_limit_ad_hoc": "2/hour", "rate_limit_mutation": "1/hour"}
    return settings.model_copy(update={"client_limits": "on", **limits, **values})


def the_refusal(response: httpx.Response) -> None:
    error = only_error(response, 429)
    seconds = int(response.headers["retry-after"])
    assert error == {"message": f"Too many requests: try again in {seconds} s.", "extensions": {"code": "RATE_LIMITED"}}
    assert 1 <= seconds <= 3600


async def ask(api: ApiClient, number: int, forwarded: str | None = None) -> httpx.Response:
    """Send a query that is not in memory."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return await api.http.post("/graphql", json={"query": TEXT, "variables": {"n": number}}, headers=headers)


async def test_each_class_has_its_own_limit(settings: Settings) -> None:
    # The registration counts as an ad hoc request.
    limits = limited(settings, rate_limit_ad_hoc="3/hour")
    async with Resources.open(limits) as resources, run_api_on(resources) as (api, _):
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
            await client.start("a", MUTATION_TEXT)
            assert (await client.receive())["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
        await resources.broker.redis.flushall()


async def test_new_documents_have_a_limit_of_their_own(settings: Settings) -> None:
    texts = [f"{{ alias{number}: statistics {{ total }} }}" for number in range(4)]
    limits = limited(settings, documents="apq", rate_limit_ad_hoc="off", rate_limit_new_document="2/hour")

    async def send(api: ApiClient, text: str, registers: bool = False) -> httpx.Response:
        digest = content_id(text).removeprefix(HASH_PREFIX)
        extensions = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}} if registers else {}
        return await api.http.post("/graphql", json={"query": text, **extensions})

    async with run_api(limits) as one:
        assert (await send(one, texts[0])).status_code == 200
        assert (await send(one, texts[1], registers=True)).status_code == 200
        the_refusal(await send(one, texts[2]))
        the_refusal(await send(one, texts[3], registers=True))
        assert (await send(one, texts[0])).status_code == 200, "it is parsed already"
        assert (await send(one, texts[1], registers=True)).status_code == 200
    async with Resources.open(limits) as resources, run_api_on(resources) as (other, _):
        hash_only = {"persistedQuery": {"version": 1, "sha256Hash": content_id(texts[1]).removeprefix(HASH_PREFIX)}}
        the_refusal(await other.http.post("/graphql", json={"extensions": hash_only}))
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


async def test_without_redis_each_process_counts_its_own_requests(settings: Settings) -> None:
    away = limited(settings, redis_url=f"redis://127.0.0.1:{closed_port()}/0")
    async with run_api(away) as one, run_api(away) as two:
        for api in (one, two):
            assert [(await ask(api, number)).status_code for number in range(3)] == [200, 200, 429]
            admin = api.token(Role.ADMIN)
            responses = [await api.http.post("/graphql", json=MUTATION, headers=admin) for _ in range(2)]
            assert [response.status_code for response in responses] == [200, 429]


async def test_without_limits_nothing_is_counted(api: ApiClient, resources: Resources) -> None:
    for number in range(1, 30):
        assert (await ask(api, number)).status_code == 200
    assert not [key async for key in resources.broker.redis.scan_iter("dealmark:rate:*")]


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


def test_rate_limit_is_parsed() -> None:
    assert RateLimit.parse("6000/minute") == (6000, 60)
    assert RateLimit.parse("1/day") == (1, 86_400)


@pytest.mark.parametrize(
    ("previous", "current", "elapsed", "wait"),
    [
        (0, 0, 0, None),
        (0, 9, 30, None),
        (0, 10, 30, 30),
        (0, 12, 59.5, 1),
        (10, 1, 0, 6),
        (10, 5, 29, 1),
        (10, 5, 31, None),
        (10, 9, 30, 24),
        (20, 0, 1, None),
        (10, 9, 59, None),
    ],
)
def test_request_count_weighs_the_previous_window(
    previous: int, current: int, elapsed: float, wait: int | None
) -> None:
    count = RequestCount(window=100, current=current, previous=previous)
    limit = RateLimit(10, 60)
    if wait is None:
        count.check(limit, 6000 + elapsed)
    else:
        with pytest.raises(RateLimited) as refusal:
            count.check(limit, 6000 + elapsed)
        assert refusal.value.retry_after == wait


def test_request_count_starts_windows() -> None:
    count = RequestCount(window=7, current=5, unreported=2)
    count.advance(7)
    assert (count.current, count.unreported) == (5, 2)
    count.advance(8)
    assert (count.current, count.previous, count.unreported) == (0, 5, 0)
    count.advance(10)
    assert (count.current, count.previous) == (0, 0)


def rate_limits(resources: Resources, limit: str) -> RateLimits:
    settings = resources.settings.model_copy(update={"client_limits": "on", "rate_limit_persisted": limit})
    redis = resources.broker.redis
    return RateLimits(settings, redis, CircuitBreaker("redis", redis.ping))


async def admitted(limits: RateLimits, client: str) -> bool:
    try:
        await limits.check(RateLimitClass.PERSISTED, client)
    except RateLimited:
        return False
    return True


async def test_rate_limits_below_a_batch_need_no_round_trip(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    original = RateLimits._add

    async def recorded(limits: RateLimits, name: str, previous_name: str, number: int, ttl: int) -> tuple[int, int]:
        batches.append(number)
        return await original(limits, name, previous_name, number, ttl)

    monkeypatch.setattr(RateLimits, "_add", recorded)
    limits = rate_limits(resources, "200/day")
    assert all([await admitted(limits, "192.0.2.1") for _ in range(9)])
    assert batches == []
    assert await admitted(limits, "192.0.2.1")
    assert batches == [10]
    assert [await admitted(limits, "192.0.2.1") for _ in range(200)] == [True] * 190 + [False] * 10
    assert batches == [10] * 20, "a refusal needs no round trip"


async def test_rate_limits_of_processes_are_exceeded_by_a_batch_each_at_most(resources: Resources) -> None:
    processes = [rate_limits(resources, "200/day") for _ in range(3)]
    results = [await admitted(process, "192.0.2.1") for _ in range(100) for process in processes]
    assert 200 <= sum(results) <= 230


async def test_rate_limits_forget_the_least_recently_seen_client(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits_module, "MAX_TRACKED_CLIENTS", 3)
    limits = rate_limits(resources, "200/day")
    for number in range(1000):
        assert await admitted(limits, f"2001:db8:0:{number:x}::/64")
    assert len(limits._counts) == 3


@pytest.mark.parametrize("damaged", [b"12x", b"\xff", b"", b"99999999999999999999"])
async def test_rate_limits_replace_a_damaged_count(resources: Resources, damaged: bytes) -> None:
    limits = rate_limits(resources, "2/day")
    assert await admitted(limits, "192.0.2.1")
    (name,) = [name async for name in resources.broker.redis.scan_iter("dealmark:rate:*")]
    await resources.broker.redis.set(name, damaged)
    assert [await admitted(limits, "192.0.2.1") for _ in range(2)] == [True, False]
    assert int(await resources.broker.redis.get(name)) == 1
    assert await resources.broker.redis.ttl(name) > 0
    assert not limits.breaker.is_open


async def test_upload_over_its_limit_is_refused_before_its_body_is_read(settings: Settings) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x", "graphql-require-preflight": "1"}
    async with run_api(limited(settings, rate_limit_upload="1/day")) as api:
        assert (await api.http.post("/graphql", content=b"no form", headers=headers)).status_code == 400
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(api.url).port)
        lines = ["POST /graphql HTTP/1.1", "host: localhost", "content-length: 1000000"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", "--x"]).encode())
        async with asyncio.timeout(30):
            assert await reader.readline() == b"HTTP/1.1 429 Too Many Requests\r\n"
        writer.close()
        await writer.wait_closed()


async def test_refused_text_is_neither_parsed_nor_stored(settings: Settings) -> None:
    async with Resources.open(limited(settings, documents="apq")) as resources, run_api_on(resources) as (api, app):
        await register_query(api, CPUS_QUERY)
        await register_query(api, TOTAL_QUERY)
        prepared = app.registry._ad_hoc._documents
        assert len(prepared) == 2
        refused = "query Third { statistics { total } }"
        digest = hashlib.sha256(refused.encode()).hexdigest()
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
        for body in ({"query": refused}, {"query": refused, "extensions": extensions}, {"query": "not a document"}):
            the_refusal(await api.http.post("/graphql", json=body))
        assert len(prepared) == 2
        assert await app.registry.apq_store.get(digest) is None
        assert (await get_persisted(api, TOTAL_QUERY)).status_code == 200, "documents by hash have a limit of their own"
        await resources.broker.redis.flushall()


async def test_text_mutation_counts_as_a_mutation_and_once_as_a_text(settings: Settings) -> None:
    limits = limited(settings, rate_limit_ad_hoc="1/hour", rate_limit_mutation="3/hour")
    async with Resources.open(limits) as resources, run_api_on(resources) as (api, _):
        admin = api.token(Role.ADMIN)
        responses = [await api.http.post("/graphql", json={"query": MUTATION_TEXT}, headers=admin) for _ in range(4)]
        assert [response.status_code for response in responses] == [200, 200, 200, 429]
        await resources.broker.redis.flushall()
