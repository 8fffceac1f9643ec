"""Cache warm-up: after a recalculation, the first request finds the new figures in the cache."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.cache.entries import CacheQuery
from app.db.tables import Domain
from app.documents import usage, warmup
from app.documents.registry import DocumentRegistry, builtin_documents
from app.documents.usage import POPULAR_KEY, PopularQuery, decay, most_popular
from app.documents.warmup import warm_cache
from app.engine.document import content_id
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import run_api, wait_for_notifications
from tests.support.catalog_rows import add_cpu, add_listing
from tests.support.document_requests import apq_extension, get_document, post_document, production_settings
from tests.support.jobs import job_row, request_recalculation
from tests.support.published_documents import TOTAL, TOTAL_HASH, TOTAL_ID, publish_documents
from tests.support.queue_worker import run_queued_jobs
from tests.support.schema_execution import GRAPHQL_SCHEMA

CPU_LIST = content_id(builtin_documents()["CpuList"])


async def stored_query_counts(redis_url: str) -> dict[str, float]:
    """Return the stored uses by popular query."""
    redis = Redis.from_url(redis_url)
    found = await redis.zrevrange(POPULAR_KEY, 0, -1, withscores=True)
    await redis.aclose()
    return {
        orjson.dumps([query.document_id, query.operation, query.variables.decode()]).decode(): times
        for packed, times in found
        if (query := PopularQuery.unpack(packed)) is not None
    }


def prices(answer: Any) -> list[float]:
    return [node["priceTarget"]["good"] for node in answer.json()["data"]["cpus"]["nodes"]]


async def test_first_request_after_a_recalculation_hits_the_cache(settings: Settings, resources: Resources) -> None:
    key = await add_cpu(resources, "AMD One", [10, 20], cpu_mark_multi=1000)
    await request_recalculation(resources)
    await run_queued_jobs(resources)
    by_name = {"orderBy": [{"field": "NAME"}], "first": 100}
    async with run_api(production_settings(settings, "required")) as api:
        for _ in range(2):
            assert prices(await get_document(api, documentId="CpuList", variables=by_name)) == [15.0]
        assert (await get_document(api, documentId="CpuDetail", variables={"slug": "amd-one"})).status_code == 200
    async with resources.write() as tx:
        await add_listing(tx, key, 60)
        tx.bump_version(Domain.MARKET)
    job = await request_recalculation(resources)
    with capture_logs() as logs:
        await run_queued_jobs(resources)
    assert (await job_row(resources, job)).status == "succeeded"
    (line,) = [line for line in logs if line["event"] == "cache.warmed_up"]
    assert (line["MISS"], line["seconds"] < 5) == (2, True)
    async with run_api(production_settings(settings, "required")) as api:
        await wait_for_notifications(api)
        response = await get_document(api, documentId="CpuList", variables=by_name)
        assert (response.headers["x-cache"], prices(response)) == ("HIT-L2", [30.0])
        response = await get_document(api, documentId="CpuDetail", variables={"slug": "amd-one"})
        assert response.headers["x-cache"] == "HIT-L2"
        assert response.json()["data"]["cpu"]["priceTarget"]["good"] == 30.0
        response = await get_document(api, documentId="CpuList", variables={"first": 99})
        assert response.headers["x-cache"] == "MISS", "nobody asked that before"


async def test_processes_share_query_counts(settings: Settings, resources: Resources, redis_url: str) -> None:
    await publish_documents(resources, TOTAL)
    async with (
        run_api(production_settings(settings, "open")) as one,
        run_api(production_settings(settings, "open")) as two,
    ):
        for _ in range(4):
            await get_document(one, documentId=TOTAL_ID)
        await get_document(two, documentId=TOTAL_ID, variables={"unused": 1})
        await get_document(two, documentId="CpuList", variables={"first": 5, "after": None})
        await get_document(two, documentId="CpuList", variables={"after": None, "first": 5})
        await get_document(two, documentId="NameSearch", variables={"search": "x" * 2000})
        await post_document(two, documentId=content_id(builtin_documents()["RecalculateMetrics"]))
    assert await stored_query_counts(redis_url) == {
        orjson.dumps([TOTAL_ID, "Total", "{}"]).decode(): 5,
        orjson.dumps([CPU_LIST, "CpuList", '{"after":null,"first":5}']).decode(): 2,
    }
    assert await most_popular(resources, 1) == [PopularQuery(TOTAL_ID, "Total", b"{}")]


async def test_counts_decay_and_are_limited(
    resources: Resources, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MAX_POPULAR_QUERIES", 3)
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    document = documents.ad_hoc(TOTAL)
    for number in range(5):
        documents.count_query(CacheQuery(document.summary, "Total", b'{"n":%d}' % number), times=number + 1)
    await documents.usage.flush()
    assert sorted((await stored_query_counts(redis_url)).values()) == [1, 2, 3], (
        "no more than three are counted at a time"
    )
    documents.count_query(CacheQuery(document.summary, "Total", b'{"n":9}'), times=9)
    await documents.usage.flush()
    assert sorted((await stored_query_counts(redis_url)).values()) == [2, 3, 9]
    await decay(resources)
    assert sorted((await stored_query_counts(redis_url)).values()) == [1, 1.5, 4.5]
    await decay(resources)
    assert sorted((await stored_query_counts(redis_url)).values()) == [2.25]
    redis = Redis.from_url(redis_url)
    assert await redis.ttl(POPULAR_KEY) > 0
    await redis.aclose()


async def test_warmup_is_limited_in_queries_and_time(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setattr(warmup, "MAX_QUERIES", 3)
    await count_queries(resources, 5)
    with capture_logs() as logs:
        await warm_cache(resources, GRAPHQL_SCHEMA)
    assert logs[-1]["MISS"] == 3
    with capture_logs() as logs:
        await warm_cache(resources, GRAPHQL_SCHEMA)
    assert "MISS" not in logs[-1]
    assert logs[-1]["HIT-L2"] == 3, "the answers are there already"
    monkeypatch.setattr(warmup, "WARMUP_TIMEOUT_SECONDS", 0.0)
    with capture_logs() as logs:
        await warm_cache(resources, GRAPHQL_SCHEMA)
    assert [line["event"] for line in logs] == ["cache.warmup_unfinished", "cache.warmed_up"]


async def count_queries(resources: Resources, number: int) -> None:
    """Count queries of the list."""
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    document = documents.find("CpuList")
    assert document is not None
    for first in range(1, number + 1):
        documents.count_query(CacheQuery(document.summary, "CpuList", b'{"first":%d}' % first), times=10 * first)
    await documents.usage.flush()


async def test_unknown_query_is_skipped(resources: Resources, redis_url: str) -> None:
    await publish_documents(resources, ("old", TOTAL))
    async with resources.write() as tx:
        await tx.connection.exec_driver_sql("UPDATE document SET text = '{ gone }' WHERE id = 'old'")
    redis = Redis.from_url(redis_url)
    for document_id, operation, variables in [
        ("retired", "Total", "{}"),
        ("old", "Total", "{}"),
        (CPU_LIST, "Another", "{}"),
        (CPU_LIST, "CpuList", '{"first":"no number"}'),
        (CPU_LIST, "CpuList", '{"first":2}'),
    ]:
        await redis.zadd(POPULAR_KEY, {PopularQuery(document_id, operation, variables.encode()).pack(): 5})
    with capture_logs() as logs:
        await warm_cache(resources, GRAPHQL_SCHEMA)
    line = {name: value for name, value in logs[-1].items() if name in {"unknown", "failed", "MISS"}}
    assert line == {"unknown": 2, "failed": 1, "MISS": 2}
    await redis.aclose()


async def test_damaged_query_is_deleted_and_the_others_are_warmed(resources: Resources, redis_url: str) -> None:
    await count_queries(resources, 1)
    redis = Redis.from_url(redis_url)
    (intact,) = await redis.zrange(POPULAR_KEY, 0, -1)
    for damaged in (b"", b"not a query", intact[:-1], intact[:20] + b"!" + intact[21:]):
        await redis.zadd(POPULAR_KEY, {damaged: 50})
    with capture_logs() as logs:
        await warm_cache(resources, GRAPHQL_SCHEMA)
    assert logs[-1]["MISS"] == 1
    assert [line["kind"] for line in logs if line["event"] == "redis.damaged_value"] == ["popular query"] * 4
    assert await redis.zrange(POPULAR_KEY, 0, -1) == [intact]
    await redis.aclose()


async def test_registered_document_is_warmed(settings: Settings, resources: Resources) -> None:
    async with run_api(production_settings(settings, "apq")) as api:
        assert (await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH))).status_code == 200
    async with resources.write() as tx:
        tx.bump_version(Domain.MARKET)
    await warm_cache(resources, GRAPHQL_SCHEMA)
    async with run_api(production_settings(settings, "apq")) as api:
        await wait_for_notifications(api)
        assert (await get_document(api, extensions=apq_extension(TOTAL_HASH))).headers["x-cache"] == "HIT-L2"


async def test_warmup_never_raises(settings: Settings, resources: Resources) -> None:
    """Redis is down, or the cache is off."""
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    async with Resources.open(away) as without:
        with capture_logs() as logs:
            await warm_cache(without, GRAPHQL_SCHEMA)
        assert logs[0]["event"] == "cache.warmup_failed"
    off = settings.model_copy(update={"response_cache": "off"})
    async with Resources.open(off) as without:
        with capture_logs() as logs:
            await warm_cache(without, GRAPHQL_SCHEMA)
        assert logs == []


async def test_warmup_without_notifications_stores_nothing(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could read outdated responses."""
    monkeypatch.setattr(warmup, "WARMUP_TIMEOUT_SECONDS", 0.5)
    await count_queries(resources, 1)
    async with Resources.open(settings, listen=False) as deaf:
        with capture_logs() as logs:
            await asyncio.wait_for(warm_cache(deaf, GRAPHQL_SCHEMA), 60)
    assert [line["event"] for line in logs] == ["cache.warmup_unfinished", "cache.warmed_up"]


async def test_warmup_is_counted(resources: Resources) -> None:
    before = REGISTRY.get_sample_value("dealmark_cache_warmups_total", {"cache": "MISS"}) or 0
    await count_queries(resources, 2)
    await warm_cache(resources, GRAPHQL_SCHEMA)
    assert REGISTRY.get_sample_value("dealmark_cache_warmups_total", {"cache": "MISS"}) == before + 2
