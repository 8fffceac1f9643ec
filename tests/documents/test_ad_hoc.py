"""Ad hoc documents: their memory is bounded, and failures are remembered."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from graphql import GraphQLError

from app.core.circuit_breaker import CircuitBreaker
from app.documents import ad_hoc, apq_store
from app.documents.ad_hoc import AdHocDocuments
from app.documents.apq_store import ApqStore
from app.engine.document import Document, InvalidDocument, content_id, prepare_document
from app.resources import Resources
from app.settings import Settings
from tests.support.document_requests import apq_extension, get_document, post_document
from tests.support.http_errors import only_error
from tests.support.response_cache import register_query, run_api_on
from tests.support.schema_execution import GRAPHQL_SCHEMA


def texts(number: int) -> list[str]:
    return [f"query Q{index} {{ statistics {{ total }} }}" for index in range(number)]


def count_preparations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the texts that are parsed."""
    prepared: list[str] = []

    def recorded(schema: Any, document_id: str, text: str, **options: Any) -> Document:
        prepared.append(text)
        return prepare_document(schema, document_id, text, **options)

    monkeypatch.setattr(ad_hoc, "prepare_document", recorded)
    return prepared


def test_ad_hoc_documents_are_bounded_by_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    one = AdHocDocuments(GRAPHQL_SCHEMA, False).find_or_prepare(texts(1)[0])
    monkeypatch.setattr(ad_hoc, "MAX_AD_HOC_BYTES", 3 * one.memory_bytes + 1_000)
    documents = AdHocDocuments(GRAPHQL_SCHEMA, False)
    kept = [documents.find_or_prepare(text) for text in texts(10)]
    assert [documents.find(document.id) is document for document in kept] == [False] * 7 + [True] * 3


def test_invalid_text_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = count_preparations(monkeypatch)
    documents = AdHocDocuments(GRAPHQL_SCHEMA, False)
    answers = []
    for text in ("query { nothing { id } }", "{ not a document", "query { nothing { id } }", "{ not a document"):
        with pytest.raises(InvalidDocument) as failure:
            documents.find_or_prepare(text)
        answers.append([error.formatted for error in failure.value.errors])
    assert len(prepared) == 2
    assert answers[:2] == answers[2:]
    assert answers[0][0]["locations"] == [{"line": 1, "column": 9}]


def test_failures_keep_neither_texts_nor_syntax_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message quotes names of the text, which may have any length."""
    monkeypatch.setattr(ad_hoc, "MAX_FAILURE_BYTES", 10 * (ad_hoc.FAILURE_BYTES + ad_hoc.ERROR_BYTES))
    documents = AdHocDocuments(GRAPHQL_SCHEMA, False)
    for number in range(100):
        with pytest.raises(InvalidDocument) as failure:
            documents.find_or_prepare(f"query {{ nothing{number}{'x' * 100_000} }}")
        (error,) = failure.value.errors
        assert (error.nodes, error.source, len(error.message) < 600) == (None, None, True)
    assert len(documents._failures) == 10


def test_invalid_document_has_locations_of_syntax_errors() -> None:
    error = GraphQLError("x" * 10_000)
    assert InvalidDocument([error]).errors[0].message == "x" * 500 + "..."


async def test_fast_path_does_not_keep_evicted_documents(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ad_hoc, "MAX_AD_HOC_BYTES", 2**18)
    production = settings.model_copy(update={"documents": "apq"})
    async with Resources.open(production) as resources, run_api_on(resources) as (api, app):
        documents: list[weakref.ref[Document]] = []
        for text in texts(40):
            await register_query(api, text)
            document = app.registry.ad_hoc(text)
            documents.append(weakref.ref(document))
            extensions = apq_extension(document.id.removeprefix("sha256:"))
            del document
            for _ in range(2):
                assert (await get_document(api, extensions=extensions)).status_code == 200
        assert len(app.fast_path._entries) == 40
        gc.collect()
        assert 0 < sum(reference() is not None for reference in documents) < 5


async def test_clients_displace_their_own_registrations(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apq_store, "MAX_APQ_ENTRIES_PER_CLIENT", 3)
    redis = resources.broker.redis
    store = ApqStore(redis, CircuitBreaker("redis", redis.ping))
    entries = {content_id(text).removeprefix("sha256:"): text for text in texts(12)}
    digests = list(entries)
    for digest in digests[:2]:
        await store.put(digest, entries[digest], "192.0.2.1")
    for digest in digests:  # the first two belong to another client
        await store.put(digest, entries[digest], "192.0.2.2")
    stored = [digest for digest in digests if await store.get(digest) is not None]
    assert stored == digests[:2] + digests[-3:]
    assert await redis.zcard(apq_store.APQ_INDEX) == 5
    assert await redis.ttl(f"{apq_store.APQ_CLIENT_PREFIX}192.0.2.2") > 0


async def test_damaged_or_exchanged_registration_is_not_found_and_can_be_replaced(settings: Settings) -> None:
    one, two = texts(2)
    digest, other = (content_id(text).removeprefix("sha256:") for text in (one, two))
    production = settings.model_copy(update={"documents": "apq"})
    async with Resources.open(production) as resources:
        for damaged in (two.encode(), one.encode()[:-1], b"\xff", b""):
            async with run_api_on(resources) as (api, _):
                assert (await post_document(api, query=one, extensions=apq_extension(digest))).status_code == 200
            await resources.broker.redis.set(apq_store.APQ_PREFIX + digest, damaged)
            async with run_api_on(resources) as (api, _):
                response = await post_document(api, extensions=apq_extension(digest))
                assert only_error(response, 200)["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
                assert (await post_document(api, query=one, extensions=apq_extension(digest))).status_code == 200
        assert await resources.broker.redis.get(apq_store.APQ_PREFIX + digest) == one.encode()
        assert await resources.broker.redis.get(apq_store.APQ_PREFIX + other) is None
