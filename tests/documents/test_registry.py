"""Registry: publications reach running servers, registrations are limited, uses are counted."""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from app.core.errors import Unavailable
from app.documents import apq_store, publishing, sql, usage
from app.documents.registry import DocumentRegistry, builtin_documents
from app.engine.document import content_id
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.document_requests import (
    NOT_IN_LIST,
    apq_extension,
    get_document,
    post_document,
    production_settings,
    uncached_error,
)
from tests.support.ports import closed_port
from tests.support.published_documents import NAMES, NAMES_ID, TOTAL, TOTAL_HASH, TOTAL_ID, publish_documents
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.waiting import wait_until


async def is_served(api: ApiClient, document_id: str) -> bool:
    return (await get_document(api, documentId=document_id)).status_code == 200


async def both(one: ApiClient, two: ApiClient, document_id: str, served: bool) -> bool:
    return [await is_served(api, document_id) for api in (one, two)] == [served, served]


async def stored_hits(resources: Resources) -> dict[str, int]:
    """Return the stored hits by document id."""
    async with resources.read() as session:
        return {key: use.hits for key, use in (await sql.usage(session)).items()}


async def test_publication_reaches_running_servers(settings: Settings, resources: Resources) -> None:
    async with (
        run_api(production_settings(settings, "required")) as one,
        run_api(production_settings(settings, "required")) as two,
    ):
        assert await both(one, two, TOTAL_ID, served=False)
        await publish_documents(resources, TOTAL)
        await wait_until(lambda: both(one, two, TOTAL_ID, served=True), seconds=1)
        await publishing.retire(resources, [TOTAL_ID])
        await wait_until(lambda: both(one, two, TOTAL_ID, served=False), seconds=1)
        await publish_documents(resources, TOTAL)
        await wait_until(lambda: both(one, two, TOTAL_ID, served=True), seconds=1)


async def test_documents_are_not_reloaded_without_a_publication(settings: Settings, resources: Resources) -> None:
    """A row inserted without a notification is not found."""
    async with run_api(production_settings(settings, "required")) as api:
        async with resources.write() as tx:
            await tx.execute(text("INSERT INTO document (id, text) VALUES ('quiet', :text)"), {"text": TOTAL})
        await asyncio.sleep(1.5)
        assert not await is_served(api, "quiet")
        await publish_documents(resources, NAMES)
        await wait_until(lambda: is_served(api, "quiet"), seconds=1)


async def test_retired_document_is_not_served_from_memory(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, TOTAL)
    async with run_api(production_settings(settings, "required")) as api:
        for _ in range(3):
            response = await get_document(api, documentId=TOTAL_ID)
        assert response.headers["x-cache"] == "HIT-L1"
        await publishing.retire(resources, [TOTAL_ID])

        async def refuses() -> bool:
            return (await get_document(api, documentId=TOTAL_ID)).status_code == 404

        await wait_until(refuses, seconds=1)
        assert uncached_error(await get_document(api, documentId=TOTAL_ID)) == NOT_IN_LIST


async def test_failed_publication_has_no_effect(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, ("taken", TOTAL))
    async with run_api(production_settings(settings, "required")) as api:
        with pytest.raises(Exception, match="taken is published with another text"):
            await publish_documents(resources, NAMES, ("taken", NAMES))
        await asyncio.sleep(0.3)
        assert not await is_served(api, NAMES_ID)


async def test_concurrent_publications_of_one_id_conflict(resources: Resources) -> None:
    """One of them succeeds, the other fails."""
    for number in range(5):
        ids = [f"{number}-{each}" for each in range(20)]
        results = await asyncio.gather(
            publish_documents(resources, *((each, TOTAL) for each in ids)),
            publish_documents(resources, *((each, NAMES) for each in reversed(ids))),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == ["BadInput", "list"]
    async with resources.read() as session:
        assert len(await sql.active(session)) == 100


async def test_concurrent_writers_do_not_deadlock(resources: Resources) -> None:
    """The writers publish the same documents, and write usage, in any order."""
    ids = [f"{number:04}" for number in range(3_000)]
    now = datetime.now(UTC)

    async def write(order: list[str]) -> None:
        async with resources.write() as tx:
            await sql.publish(tx, [sql.Publication(each, TOTAL, "Total", "web") for each in order], "1")
        async with resources.write() as tx:
            await sql.record_usage(tx, {each: sql.DocumentUsage(1, now, now) for each in order})

    for _ in range(3):
        await asyncio.gather(write(ids), write(ids[::-1]), write(ids))
    assert await stored_hits(resources) == dict.fromkeys(ids, 9)


async def test_registry_without_database_is_unavailable(settings: Settings) -> None:
    """An unknown state differs from an unpublished document."""
    settings = production_settings(
        settings, "required", database_url=f"postgresql://nobody@127.0.0.1:{closed_port()}/none"
    )
    async with run_api(settings) as api:
        status, code, message = uncached_error(await post_document(api, documentId=TOTAL_ID))
        assert (status, code) == (503, "SERVICE_UNAVAILABLE")
        assert message == "Which documents are published is not known yet; try again in a moment."


async def test_first_request_finds_published_documents(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, TOTAL)
    for _ in range(3):
        async with run_api(production_settings(settings, "required")) as api:
            assert await is_served(api, TOTAL_ID)


async def test_document_is_parsed_once(resources: Resources) -> None:
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    with pytest.raises(Unavailable):
        documents.find(TOTAL_ID)
    await publish_documents(resources, TOTAL, NAMES)
    await documents.load()
    first = documents.find(TOTAL_ID)
    assert first is not None
    assert documents.find(TOTAL_ID) is first
    await publish_documents(resources, ("other", NAMES))
    await documents.load()
    assert documents.find(TOTAL_ID) is first, "another publication is none of its business"
    assert documents.find("CpuList") is documents.find(content_id(builtin_documents()["CpuList"]))
    given = documents.ad_hoc("{ __typename }")
    assert documents.ad_hoc("{ __typename }") is given


async def test_least_recently_used_registrations_are_evicted(
    resources: Resources, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A use at any process counts."""
    assert apq_store.MAX_APQ_ENTRIES == 5_000
    monkeypatch.setattr(apq_store, "MAX_APQ_ENTRIES", 4)
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    texts = [f"query Q{number} {{ __typename }}" for number in range(7)]
    digests = [hashlib.sha256(each.encode()).hexdigest() for each in texts]
    for digest, each in zip(digests[:4], texts[:4], strict=True):
        await documents.register(digest, each, "192.0.2.1")
    elsewhere = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    assert await elsewhere.find_registered(digests[0]) is not None
    for digest, each in zip(digests[4:], texts[4:], strict=True):
        await documents.register(digest, each, "192.0.2.1")
    fresh = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    found = [await fresh.find_registered(digest) is not None for digest in digests]
    assert found == [True, False, False, False, True, True, True]
    redis = Redis.from_url(redis_url)
    assert await redis.zcard("dealmark:apq") == 4
    assert len(await redis.keys("dealmark:apq:*")) == 4
    await redis.aclose()


async def test_registration_expires(resources: Resources, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apq_store, "APQ_TTL_SECONDS", 1)
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    await documents.register(TOTAL_HASH, TOTAL, "192.0.2.1")
    await asyncio.sleep(1.2)
    assert await DocumentRegistry(resources, GRAPHQL_SCHEMA).find_registered(TOTAL_HASH) is None
    redis = Redis.from_url(redis_url)
    assert await redis.keys("dealmark:apq*") == []
    await redis.aclose()


async def test_uses_are_counted_on_every_path(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paths are execution, the cache, the fast path, POST and mutations, for published and built-in documents."""
    monkeypatch.setattr(usage, "FLUSH_INTERVAL_SECONDS", 0.2)
    began = datetime.now(UTC)
    await publish_documents(resources, TOTAL, ("old", NAMES))
    statistics = content_id(builtin_documents()["Statistics"])
    recalculate = content_id(builtin_documents()["RecalculateMetrics"])
    async with run_api(production_settings(settings, "open")) as api:
        for _ in range(7):
            response = await get_document(api, documentId=TOTAL_ID)
        assert response.headers["x-cache"] == "HIT-L1"
        await post_document(api, documentId=TOTAL_ID)
        await post_document(api, extensions=apq_extension(TOTAL_HASH))
        await post_document(api, query=TOTAL)
        await get_document(api, "/graphql/Statistics")
        await post_document(api, documentId=recalculate)
        await post_document(api, query="{ __typename }")
        await wait_until(lambda: _hits(resources, {TOTAL_ID: 10, statistics: 1, recalculate: 1}), seconds=2)
        await get_document(api, documentId=TOTAL_ID)
        await wait_until(lambda: _hits(resources, {TOTAL_ID: 11, statistics: 1, recalculate: 1}), seconds=2)
    async with resources.read() as session:
        use = (await sql.usage(session))[TOTAL_ID]
    assert began <= use.first < use.last <= began + timedelta(seconds=10)
    found = {each.id: each.usage for each in await publishing.list_documents(resources, GRAPHQL_SCHEMA)}
    assert found[TOTAL_ID] == use
    assert found["old"] is None


async def _hits(resources: Resources, expected: dict[str, int]) -> bool:
    return await stored_hits(resources) == expected


async def test_uses_are_written_at_shutdown(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, TOTAL)
    async with (
        run_api(production_settings(settings, "required")) as one,
        run_api(production_settings(settings, "required")) as two,
    ):
        for _ in range(5):
            await get_document(one, documentId=TOTAL_ID)
            await get_document(two, documentId=TOTAL_ID)
        assert await stored_hits(resources) == {}
    assert await stored_hits(resources) == {TOTAL_ID: 10}


async def test_uses_are_kept_while_the_database_is_down(resources: Resources) -> None:
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    await publish_documents(resources, TOTAL)
    await documents.load()
    document = documents.find(TOTAL_ID)
    assert document is not None
    documents.usage.count_use(document.id, 3)
    async with resources.write() as tx:
        await tx.execute(text("ALTER TABLE document_use RENAME TO gone"))
    await documents.usage.flush()
    documents.count_use(document)
    async with resources.write() as tx:
        await tx.execute(text("ALTER TABLE gone RENAME TO document_use"))
    await documents.usage.flush()
    assert await stored_hits(resources) == {TOTAL_ID: 4}


async def test_count_use_runs_no_statement(resources: Resources) -> None:
    """Uses are counted in memory."""
    documents = DocumentRegistry(resources, GRAPHQL_SCHEMA)
    await documents.load()
    document = documents.find("Statistics")
    assert document is not None
    began = time.process_time()
    for _ in range(10_000):
        documents.count_use(document)
    assert time.process_time() - began < 1
