"""Cached responses: their sources, invalidation, and HTTP headers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app.cache import response_cache
from app.cache.entries import ENTRY_OVERHEAD_BYTES, CachedResponse, MemoryCache
from app.db import notifications
from app.db.tables import Domain
from app.documents import sql, usage
from app.graphql.viewer import Role
from app.resources import Resources
from app.server import fast_path, graphql_http
from app.server.graphql_app import GraphQLApp
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.response_cache import (
    CPUS_QUERY,
    GRAPHQL_JSON,
    TIME_DEPENDENT_QUERY,
    TOTAL_QUERY,
    cache_status,
    commit_change,
    get_persisted,
    persisted_query_url,
    record_redis_commands,
    register_query,
    run_api_on,
    wait_until_connected,
)
from tests.support.statements import record_statements
from tests.support.waiting import wait_until

Served = tuple[ApiClient, GraphQLApp]


@pytest.fixture
async def served(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(usage, "FLUSH_INTERVAL_SECONDS", 3600.0)
    async with run_api_on(resources) as both:
        yield both


@pytest.fixture
async def other_api(settings: Settings) -> AsyncIterator[ApiClient]:
    """Run a second API that only shares PostgreSQL and Redis."""
    async with run_api(settings) as api:
        await wait_until(lambda: _listens(api))
        yield api


async def _listens(api: ApiClient) -> bool:
    return (await api.http.get("/graphql?query={__typename}")).headers["x-cache"] != "BYPASS"


async def test_response_comes_from_memory_then_redis_then_database(
    served: Served, other_api: ApiClient, resources: Resources
) -> None:
    api, _ = served
    await add_cpu(resources, "AMD One")
    await register_query(api, CPUS_QUERY)
    with record_statements(resources) as statements:
        first = await get_persisted(api, CPUS_QUERY)
        assert (first.headers["x-cache"], statements.count) == ("MISS", 2)
        with record_redis_commands(resources) as commands:
            again = await get_persisted(api, CPUS_QUERY)
            long_way = await get_persisted(api, CPUS_QUERY, {"x-request-id": "mine"})
            posted = await api.http.post("/graphql", json={"query": CPUS_QUERY})
        assert (statements.count, commands) == (2, []), "memory alone"
    for response in (again, long_way, posted):
        assert response.headers["x-cache"] == "HIT-L1"
        assert response.content == first.content
    assert long_way.headers["x-request-id"] == "mine"
    elsewhere = await get_persisted(other_api, CPUS_QUERY)
    assert elsewhere.headers["x-cache"] == "HIT-L2"
    assert await cache_status(other_api, CPUS_QUERY) == "HIT-L1"
    for response in (again, long_way, elsewhere):
        assert response.headers["etag"] == first.headers["etag"]
        assert response.content == first.content


async def test_equal_variables_in_another_notation_share_an_entry(served: Served, resources: Resources) -> None:
    api, _ = served
    for number in range(3):
        await add_cpu(resources, f"CPU {number}")
    assert await cache_status(api, CPUS_QUERY, n=1) == "MISS"
    assert await cache_status(api, CPUS_QUERY, n=2) == "MISS"
    assert await cache_status(api, CPUS_QUERY) == "MISS"
    for spelt in ({"n": 1}, {"other": [1], "n": 1}, {"n": 1, "z": None}):
        response = await api.http.post("/graphql", json={"query": CPUS_QUERY, "variables": spelt})
        assert response.headers["x-cache"] == "HIT-L1", spelt
        assert len(response.json()["data"]["cpus"]["nodes"]) == 1
    response = await api.http.get(persisted_query_url(CPUS_QUERY) + "&variables=%7B%20%22n%22%20:%201%7D")
    assert response.headers["x-cache"] == "HIT-L1"


async def test_response_is_never_older_than_an_earlier_one_while_notifications_are_silent(
    served: Served, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _ = served
    await add_cpu(resources, "AMD One")
    await commit_change(resources, Domain.CATALOG)
    for _ in range(3):
        before = await get_persisted(api, CPUS_QUERY)
    assert before.headers["x-cache"] == "HIT-L1"
    monkeypatch.setattr(notifications, "PING_INTERVAL_SECONDS", 3600.0)
    monkeypatch.setattr(resources.notifications, "_on_notification", lambda *_: None)
    await resources.notifications.stop()
    await resources.notifications.start()
    await wait_until_connected(resources)
    async with resources.engine.begin() as other_writer:
        await other_writer.execute(text("UPDATE cpu SET cpu_mark_multi = 4321"))
        await other_writer.execute(text("UPDATE data_version SET version = version + 1 WHERE domain = 'catalog'"))

    async with resources.notifications.subscribe(Domain.CATALOG) as changed:
        for _ in range(2):  # an entry of the fast path, too
            unnoticed = await get_persisted(api, CPUS_QUERY)
            assert unnoticed.content == before.content, "no notification has arrived"
        newer = await get_persisted(api, CPUS_QUERY, n=1)
        assert newer.json()["data"]["cpus"]["nodes"][0]["cpuMarkMulti"] == 4321
        after = await get_persisted(api, CPUS_QUERY)
        assert after.json()["data"]["cpus"]["nodes"][0]["cpuMarkMulti"] == 4321
        assert after.headers["x-cache"] == "MISS"
        assert changed.is_set(), "subscribers learn of the change as well"


async def test_change_is_visible_to_the_next_request(
    served: Served, other_api: ApiClient, resources: Resources
) -> None:
    api, _ = served
    await add_cpu(resources, "AMD One")
    for _ in range(3):
        before = [
            await get_persisted(api, CPUS_QUERY),
            await get_persisted(api, CPUS_QUERY),
            await get_persisted(other_api, CPUS_QUERY),
        ]
        assert len({response.content for response in before}) == 1
        await commit_change(
            resources, Domain.CATALOG, sql="UPDATE cpu SET cpu_mark_multi = coalesce(cpu_mark_multi, 0) + 1"
        )
        after = await get_persisted(api, CPUS_QUERY)
        assert after.headers["x-cache"] == "MISS"
        assert after.headers["etag"] != before[0].headers["etag"]
        assert after.content != before[0].content
        assert (await get_persisted(api, CPUS_QUERY, {"if-none-match": before[0].headers["etag"]})).status_code == 200
        await wait_until(partial(_gives, other_api, after.content))


async def _gives(api: ApiClient, content: bytes) -> bool:
    return (await get_persisted(api, CPUS_QUERY)).content == content


async def test_change_of_another_domain_keeps_entries(served: Served, resources: Resources) -> None:
    api, _ = served
    assert await cache_status(api, CPUS_QUERY) == "MISS"
    etag = (await get_persisted(api, CPUS_QUERY)).headers["etag"]
    await commit_change(resources, Domain.WORK, Domain.DOCUMENTS)
    await register_query(api, CPUS_QUERY)
    with record_statements(resources) as statements:
        response = await get_persisted(api, CPUS_QUERY)
        assert (response.headers["x-cache"], response.headers["etag"]) == ("HIT-L1", etag)
        assert await cache_status(api, CPUS_QUERY) == "HIT-L1", "by its bytes again"
    assert set(statements.texts) <= {str(sql.SELECT_ACTIVE)}, "the registry reads documents at a moment of its own"
    for domain in (Domain.CATALOG, Domain.ANALYTICS, Domain.MARKET):
        await commit_change(resources, domain)
        assert await cache_status(api, CPUS_QUERY) == "MISS", domain


async def test_client_sees_its_own_change_before_the_notification(
    served: Served, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notification is delayed."""
    api, _ = served
    monkeypatch.setattr(resources.notifications, "_on_notification", lambda *_: None)
    for number in range(5):
        assert len((await get_persisted(api, CPUS_QUERY)).json()["data"]["cpus"]["nodes"]) == number
        assert await cache_status(api, CPUS_QUERY) == "HIT-L1"
        await add_cpu(resources, f"CPU {number}")
        async with resources.write() as tx:
            tx.bump_version(Domain.CATALOG)


async def test_repeated_header_takes_the_full_path(served: Served) -> None:
    api, graphql_app = served
    assert [await cache_status(api, CPUS_QUERY) for _ in range(2)] == ["MISS", "HIT-L1"]
    twice = [("accept", "application/json"), ("accept", GRAPHQL_JSON)]
    response = await api.http.send(httpx.Request("GET", api.url + persisted_query_url(CPUS_QUERY), headers=twice))
    assert response.headers["content-type"].startswith(GRAPHQL_JSON)
    etag = response.headers["etag"]
    for first, second in (('"x"', etag), (etag, '"x"')):
        given = [("accept", GRAPHQL_JSON), ("if-none-match", first), ("if-none-match", second)]
        response = await api.http.send(httpx.Request("GET", api.url + persisted_query_url(CPUS_QUERY), headers=given))
        assert response.status_code == 304
    assert [hot.uses for hot in graphql_app.fast_path._entries.values()] == [0], (
        "remembered anew each time, and not used"
    )


async def test_not_modified_needs_neither_database_nor_redis(
    served: Served, other_api: ApiClient, resources: Resources
) -> None:
    api, graphql_app = served
    etag = (await get_persisted(other_api, CPUS_QUERY)).headers["etag"]
    await register_query(api, CPUS_QUERY)
    with record_statements(resources) as statements, record_redis_commands(resources) as commands:
        for given in (etag, f'"x", {etag}', f"W/{etag}"):
            response = await get_persisted(api, CPUS_QUERY, {"if-none-match": given})
            assert (response.status_code, response.content) == (304, b""), "even what this process never had"
            assert response.headers["etag"] == etag
            assert response.headers["vary"] == "accept"
            assert response.headers["cache-control"].startswith("public, max-age=")
            assert "content-length" not in response.headers
    assert (statements.count, commands) == (0, [])
    assert await cache_status(api, CPUS_QUERY) == "HIT-L2"
    with record_statements(resources) as statements, record_redis_commands(resources) as commands:
        for headers in ({}, {"x-request-id": "1"}):
            for given in (etag, "*"):
                response = await get_persisted(api, CPUS_QUERY, {"if-none-match": given, **headers})
                assert (response.status_code, response.content) == (304, b"")
                assert response.headers["x-cache"] == "HIT-L1"
            for given in ('"x"', "", etag.strip('"')):
                response = await get_persisted(api, CPUS_QUERY, {"if-none-match": given, **headers})
                assert (response.status_code, response.headers["etag"]) == (200, etag)
    assert (statements.count, commands) == (0, [])
    assert graphql_app.fast_path._entries


async def test_each_media_type_has_its_own_etag(served: Served) -> None:
    api, _ = served
    etags = set()
    for _ in range(2):
        for accept, media in (
            (GRAPHQL_JSON, GRAPHQL_JSON),
            ("application/json", "application/json"),
            ("*/*", "application/json"),
        ):
            response = await get_persisted(api, CPUS_QUERY, {"accept": accept})
            assert response.headers["content-type"] == f"{media}; charset=utf-8"
            etags.add((media, response.headers["etag"]))
    assert len(etags) == len({etag for _, etag in etags}) == 2
    assert (await get_persisted(api, CPUS_QUERY, {"accept": "image/png"})).status_code == 406


async def test_errors_mutations_and_private_responses_are_not_cached(served: Served, resources: Resources) -> None:
    api, graphql_app = served
    await add_cpu(resources, "AMD One")
    cost = '{"cost": true}'
    for ask in (
        api.http.get("/graphql", params={"query": "{ cpu { id } }"}),
        api.http.get(
            "/graphql",
            params={"query": "query q($n: Int) { cpus(first: $n) { totalCount } }", "variables": '{"n": "x"}'},
        ),
        api.http.get("/graphql", params={"query": TOTAL_QUERY, "extensions": cost}),
        api.http.post("/graphql", json={"query": "mutation { recalculateMetrics { job { id } } }"}),
    ):
        response = await ask
        assert response.headers["cache-control"] in {"private, no-store", "no-store"}
        assert "etag" not in response.headers
        assert "age" not in response.headers
    for broken in ("{ cpu { id } }", "{ nothing }", "{"):
        assert (await api.http.get("/graphql", params={"query": broken})).headers["cache-control"].endswith("no-store")
    assert list(graphql_app.response_cache.memory._entries) == []
    assert not [key async for key in resources.broker.redis.scan_iter(b"dealmark:response:*")]


async def test_response_with_errors_is_not_cached(served: Served, resources: Resources) -> None:
    api, _ = served
    async with resources.write() as tx:
        await tx.connection.exec_driver_sql("ALTER TABLE listing_statistics RENAME TO mislaid")
    for _ in range(2):
        response = await get_persisted(api, TOTAL_QUERY)
        assert response.headers["x-cache"] == "MISS"
        assert response.headers["cache-control"] == "private, no-store"
        assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    async with resources.write() as tx:
        await tx.connection.exec_driver_sql("ALTER TABLE mislaid RENAME TO listing_statistics")
    assert (await get_persisted(api, TOTAL_QUERY)).json() == {"data": {"statistics": {"total": 0, "listings": 0}}}


async def test_disabled_cache_is_bypassed(settings: Settings, resources: Resources) -> None:
    async with run_api(settings.model_copy(update={"response_cache": "off"})) as api:
        for number in range(3):
            response = await get_persisted(api, TOTAL_QUERY)
            assert response.headers["x-cache"] == "BYPASS"
            assert response.headers["cache-control"] == "private, no-store"
            assert response.json()["data"]["statistics"]["total"] == number
            await add_cpu(resources, f"CPU {number}")


async def test_request_with_token_shares_the_entry_and_is_verified_each_time(served: Served) -> None:
    api, _ = served
    assert await cache_status(api, CPUS_QUERY) == "MISS"
    assert await cache_status(api, CPUS_QUERY) == "HIT-L1"
    assert (await get_persisted(api, CPUS_QUERY, api.token(Role.ADMIN))).headers["x-cache"] == "HIT-L1"
    assert (await get_persisted(api, CPUS_QUERY, {"authorization": "Bearer junk"})).status_code == 401
    assert (await get_persisted(api, CPUS_QUERY, {"authorization": ""})).status_code == 401


async def test_max_age_includes_the_age(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP caches measure max-age from the creation of a response, and 5 (30) seconds must remain."""
    api, _ = served
    await get_persisted(api, CPUS_QUERY)
    await get_persisted(api, TOTAL_QUERY)
    for query, seconds in ((CPUS_QUERY, 5), (TOTAL_QUERY, 30)):
        for headers in ({}, {"x-request-id": "1"}, {"if-none-match": "*"}):
            response = await get_persisted(api, query, headers)
            age = int(response.headers["age"])
            assert response.headers["cache-control"] == (
                f"public, max-age={age + seconds}, stale-while-revalidate={seconds}"
            )
    monkeypatch.setattr(graphql_http, "time", moved_clock(1.1))
    monkeypatch.setattr(fast_path, "time", moved_clock(1.1))
    assert int((await get_persisted(api, CPUS_QUERY)).headers["age"]) >= 1
    assert (await api.http.get("/graphql?query={__typename}")).headers["cache-control"] == "public, no-cache"


async def test_time_dependent_response_expires_after_a_minute(
    served: Served, other_api: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _ = served
    await add_cpu(resources, "AMD One")
    first = await get_persisted(api, TIME_DEPENDENT_QUERY)
    assert (await get_persisted(other_api, TIME_DEPENDENT_QUERY)).headers["etag"] == first.headers["etag"], (
        "by way of Redis"
    )
    for seconds, source, control in (
        (50.0, "HIT-L1", "public, max-age=55, stale-while-revalidate=5"),
        (58.0, "HIT-L1", "public, max-age=55, stale-while-revalidate=5"),
        (61.0, "MISS", "public, max-age=5, stale-while-revalidate=5"),
        (62.0, "HIT-L1", "public, max-age=6, stale-while-revalidate=5"),
    ):
        await pass_time(resources, monkeypatch, seconds)
        for headers in ({}, {"x-request-id": "1"}) if source != "MISS" else ({},):
            response = await get_persisted(api, TIME_DEPENDENT_QUERY, headers)
            assert (response.headers["x-cache"], response.headers["cache-control"]) == (source, control)
    assert response.headers["etag"] != first.headers["etag"]
    old = await get_persisted(api, TIME_DEPENDENT_QUERY, {"if-none-match": first.headers["etag"]})
    assert old.status_code == 200


def moved_clock(monotonic_seconds: float, wall_seconds: float = 0.0) -> SimpleNamespace:
    """Return a replacement for the module `time` with clocks that are ahead by this much."""
    return SimpleNamespace(
        monotonic=lambda: time.monotonic() + monotonic_seconds,
        time=lambda: time.time() + wall_seconds,
        perf_counter=time.perf_counter,
    )


async def pass_time(resources: Resources, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let cached responses become older by this much, in this process and in Redis."""
    for module in (graphql_http, fast_path, response_cache):
        monkeypatch.setattr(module, "time", moved_clock(seconds))
    redis = resources.broker.redis
    for key in await redis.keys(f"{response_cache.REDIS_PREFIX.decode()}*"):
        await redis.expire(key, round(response_cache.REDIS_TTL_SECONDS - seconds))


@pytest.mark.parametrize("hours", [-1, 1])
async def test_time_dependent_response_of_a_process_with_a_wrong_clock_expires_after_a_minute(
    served: Served, other_api: ApiClient, resources: Resources, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    api, _ = served
    await add_cpu(resources, "AMD One")
    monkeypatch.setattr(response_cache, "time", moved_clock(0, wall_seconds=3600.0 * hours))
    first = await get_persisted(api, TIME_DEPENDENT_QUERY)
    monkeypatch.undo()
    shared = await get_persisted(other_api, TIME_DEPENDENT_QUERY)
    assert (shared.headers["x-cache"], shared.headers["etag"]) == ("HIT-L2", first.headers["etag"])
    assert int(shared.headers["age"]) < 30
    await pass_time(resources, monkeypatch, 61.0)
    for client in (api, other_api):
        assert (await get_persisted(client, TIME_DEPENDENT_QUERY)).headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_clock_that_is_set_does_not_change_the_age_of_responses(
    served: Served, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    api, _ = served
    first = await get_persisted(api, TIME_DEPENDENT_QUERY)
    for module in (graphql_http, fast_path, response_cache):
        monkeypatch.setattr(module, "time", moved_clock(0, wall_seconds=3600.0 * hours))
    for headers in ({}, {"x-request-id": "1"}):
        again = await get_persisted(api, TIME_DEPENDENT_QUERY, headers)
        assert (again.headers["x-cache"], again.headers["etag"]) == ("HIT-L1", first.headers["etag"])
        assert int(again.headers["age"]) < 30


async def test_response_with_an_expiry_from_the_future_is_not_used(
    served: Served, other_api: ApiClient, resources: Resources
) -> None:
    """The clock of Redis was set back, so the age of the response is unknown."""
    api, _ = served
    await get_persisted(api, TIME_DEPENDENT_QUERY)
    redis = resources.broker.redis
    for key in await redis.keys(f"{response_cache.REDIS_PREFIX.decode()}*"):
        await redis.expire(key, response_cache.REDIS_TTL_SECONDS + 3600)
    assert (await get_persisted(other_api, TIME_DEPENDENT_QUERY)).headers["x-cache"] == "MISS"


async def test_response_computed_before_a_change_is_not_stored_after_it(
    served: Served, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is committed while the response is computed."""
    api, graphql_app = served
    await register_query(api, CPUS_QUERY)
    await add_cpu(resources, "AMD One")
    original, changed = graphql_app.response_cache.get_or_execute, False

    async def answer(*given: Any) -> Any:
        nonlocal changed
        made = await original(*given)
        if not changed:
            changed = True
            await commit_change(resources, Domain.CATALOG, sql="UPDATE cpu SET name = 'AMD Two'")
        return made

    monkeypatch.setattr(graphql_app.response_cache, "get_or_execute", answer)
    assert "AMD One" in (await get_persisted(api, CPUS_QUERY)).text
    assert not graphql_app.fast_path._entries
    for _ in range(3):
        assert "AMD Two" in (await get_persisted(api, CPUS_QUERY)).text


async def test_fast_path_serves_persisted_documents_only(settings: Settings, resources: Resources) -> None:
    """Other requests must pass the CSRF check each time."""
    strict = settings.model_copy(update={"development": False, "documents": "open"})
    async with run_api(strict) as api:
        url = "/graphql?query={__typename}"
        assert (await api.http.get(url)).status_code == 400
        assert (await api.http.get(url, headers={"graphql-require-preflight": "1"})).status_code == 200
        assert (await api.http.get(url)).status_code == 400


def test_memory_cache_is_limited_in_bytes() -> None:
    memory = MemoryCache(100_000)
    for number in range(1000):
        memory.put(b"%d" % number, CachedResponse(b"x" * 5_000))
        assert memory.size == sum(len(a.body) + ENTRY_OVERHEAD_BYTES for a in memory._entries.values()) <= 100_000
        memory.get(b"0")
    assert len(memory._entries) == 100_000 // (5_000 + ENTRY_OVERHEAD_BYTES)
    assert memory.get(b"0") is not None, "used all the time"
    assert memory.get(b"1") is None
    memory.put(b"0", CachedResponse(b"y"))
    assert memory.size == sum(len(a.body) + ENTRY_OVERHEAD_BYTES for a in memory._entries.values())
    memory.put(b"huge", CachedResponse(b"x" * 30_000))
    assert memory.get(b"huge") is None, "it would push out a quarter of all"
