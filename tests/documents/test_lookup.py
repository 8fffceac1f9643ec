"""Lookup of documents: every form of request in each document mode."""

from __future__ import annotations

import hashlib

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.documents.registry import builtin_documents
from app.resources import Resources
from app.settings import DocumentMode, Settings
from tests.support.api_server import run_api, wait_for_notifications
from tests.support.document_requests import (
    NOT_IN_LIST,
    apq_extension,
    get_document,
    post_document,
    production_settings,
    uncached_error,
)
from tests.support.published_documents import NAMES, PRICES, TOTAL, TOTAL_HASH, TOTAL_ID, publish_documents

DATA = {"data": {"statistics": {"total": 0}}}
UNKNOWN = hashlib.sha256(b"nobody published this").hexdigest()
MODES: list[DocumentMode] = ["required", "apq", "open"]


NOT_FOUND = (200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
NOT_SUPPORTED = (200, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
MISMATCH = (400, "PERSISTED_QUERY_HASH_MISMATCH", "provided sha does not match query")
VERSION = (400, "PERSISTED_QUERY_VERSION", "Unsupported persisted query version")
ID_REQUIRED = (
    400,
    "PERSISTED_QUERY_ID_REQUIRED",
    "Only published documents are run here: send the id of one instead of a text.",
)


@pytest.mark.parametrize("documents", MODES)
async def test_published_document_is_found_by_every_request_form(
    settings: Settings, resources: Resources, documents: DocumentMode
) -> None:
    md5 = hashlib.md5(TOTAL.encode()).hexdigest()
    await publish_documents(resources, TOTAL, (md5, TOTAL), (TOTAL_HASH, TOTAL), ("x-ours:1", TOTAL))
    async with run_api(production_settings(settings, documents)) as api:
        for identifier in (TOTAL_ID, md5, TOTAL_HASH, "x-ours:1"):
            for name in ("documentId", "doc_id", "id"):
                assert (await post_document(api, **{name: identifier})).json() == DATA
            assert (await get_document(api, documentId=identifier, variables={})).json() == DATA
            assert (await get_document(api, f"/graphql/{identifier}")).json() == DATA
        assert (await post_document(api, extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await get_document(api, operationName="Total", extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await post_document(api, query=TOTAL)).json() == DATA, "a text that is published is no secret"


async def test_hash_of_the_text_finds_a_document_with_another_id(settings: Settings, resources: Resources) -> None:
    """Apollo Client finds a document that Relay published under its MD5."""
    await publish_documents(resources, ("0" * 32, TOTAL))
    async with run_api(production_settings(settings, "required")) as api:
        assert (await post_document(api, extensions=apq_extension(TOTAL_HASH))).json() == DATA


async def test_builtin_document_is_found_by_hash_and_name(settings: Settings) -> None:
    digest = hashlib.sha256(builtin_documents()["Statistics"].encode()).hexdigest()
    async with run_api(production_settings(settings, "required")) as api:
        answers = [(await get_document(api, f"/graphql/{each}")).json() for each in (f"sha256:{digest}", "Statistics")]
        assert answers[0] == answers[1]
        assert answers[0]["data"]["statistics"]["total"] == 0


@pytest.mark.parametrize(
    ("documents", "by_id", "by_hash"),
    [("required", NOT_IN_LIST, NOT_IN_LIST), ("apq", NOT_FOUND, NOT_FOUND), ("open", NOT_FOUND, NOT_FOUND)],
)
async def test_unknown_id_is_rejected_logged_and_counted(
    settings: Settings, documents: DocumentMode, by_id: object, by_hash: object
) -> None:
    before = REGISTRY.get_sample_value("dealmark_documents_unknown_total") or 0
    async with run_api(production_settings(settings, documents)) as api:
        with capture_logs() as logs:
            assert uncached_error(await post_document(api, documentId=f"sha256:{UNKNOWN}")) == by_id
            assert uncached_error(await get_document(api, f"/graphql/{UNKNOWN}")) == by_id
            assert uncached_error(await post_document(api, extensions=apq_extension(UNKNOWN))) == by_hash
    lines = [line["document"] for line in logs if line["event"] == "documents.unknown"]
    assert lines == [f"sha256:{UNKNOWN}", UNKNOWN, UNKNOWN]
    assert REGISTRY.get_sample_value("dealmark_documents_unknown_total") == before + 3


async def test_mode_required_rejects_texts(settings: Settings) -> None:
    async with run_api(production_settings(settings, "required")) as api:
        assert uncached_error(await post_document(api, query=TOTAL)) == ID_REQUIRED
        assert (
            uncached_error(await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH))) == NOT_SUPPORTED
        )
        assert uncached_error(await post_document(api, extensions=apq_extension(TOTAL_HASH))) == NOT_IN_LIST, (
            "and it was not registered"
        )
        assert uncached_error(await post_document(api, query="{ not even a document")) == ID_REQUIRED
        assert uncached_error(await post_document(api, query=" " + builtin_documents()["Statistics"])) == ID_REQUIRED, (
            "to the byte"
        )


@pytest.mark.parametrize("documents", ["apq", "open"])
async def test_apq_text_is_registered_and_found_by_hash(settings: Settings, documents: DocumentMode) -> None:
    async with run_api(production_settings(settings, documents)) as api:
        assert uncached_error(await post_document(api, extensions=apq_extension(TOTAL_HASH))) == NOT_FOUND
        assert (await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await post_document(api, extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await get_document(api, extensions=apq_extension(TOTAL_HASH), variables={})).json() == DATA
        # urql registers by GET
        digest = hashlib.sha256(NAMES.encode()).hexdigest()
        urql = {"persistedQuery": {"miss": True, "version": 1, "sha256Hash": digest}}
        assert (await get_document(api, query=NAMES, extensions=urql)).json() == {"data": {"cpus": {"nodes": []}}}


async def test_text_without_hash_is_run_outside_mode_required(settings: Settings) -> None:
    async with run_api(production_settings(settings, "required")) as api:
        assert uncached_error(await post_document(api, query=TOTAL)) == ID_REQUIRED
    for documents in ("apq", "open"):
        async with run_api(production_settings(settings, documents)) as api:
            assert (await post_document(api, query=TOTAL)).json() == DATA


@pytest.mark.parametrize("documents", ["apq", "open"])
async def test_invalid_registration_is_rejected(settings: Settings, documents: DocumentMode) -> None:
    other = hashlib.sha256(NAMES.encode()).hexdigest()
    wrong = "query Wrong { nothing }"
    wrong_hash = hashlib.sha256(wrong.encode()).hexdigest()
    large = TOTAL + " " * (33 * 1024)
    large_hash = hashlib.sha256(large.encode()).hexdigest()
    async with run_api(production_settings(settings, documents)) as api:
        assert uncached_error(await post_document(api, query=TOTAL, extensions=apq_extension(other))) == MISMATCH
        assert uncached_error(await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH.upper())))[
            :2
        ] == (400, "BAD_REQUEST")
        version = {"persistedQuery": {"version": 2, "sha256Hash": TOTAL_HASH}}
        assert uncached_error(await post_document(api, query=TOTAL, extensions=version)) == VERSION
        assert uncached_error(await post_document(api, query=large, extensions=apq_extension(large_hash)))[0] == 400
        assert uncached_error(await post_document(api, query=wrong, extensions=apq_extension(wrong_hash)))[:2] == (
            400,
            "GRAPHQL_VALIDATION_FAILED",
        )
        for digest in (other, TOTAL_HASH, large_hash, wrong_hash):
            assert uncached_error(await post_document(api, extensions=apq_extension(digest))) == NOT_FOUND, (
                "nothing of it was kept"
            )


async def test_published_hash_with_another_text_is_rejected(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, TOTAL)
    async with run_api(production_settings(settings, "required")) as api:
        assert uncached_error(await post_document(api, query=PRICES, extensions=apq_extension(TOTAL_HASH))) == MISMATCH


async def test_report_only_serves_and_logs_what_it_would_reject(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, NAMES)
    async with run_api(production_settings(settings, "required", documents_report_only=True)) as api:
        with capture_logs() as logs:
            assert (await post_document(api, query=TOTAL)).json() == DATA
            assert uncached_error(await post_document(api, extensions=apq_extension(UNKNOWN))) == NOT_FOUND
            assert (await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH))).json() == DATA
            assert (await post_document(api, extensions=apq_extension(TOTAL_HASH))).json() == DATA
            assert (await post_document(api, query=NAMES)).status_code == 200
            assert uncached_error(await post_document(api, documentId=f"sha256:{UNKNOWN}")) == NOT_IN_LIST
    told = [line["text"] for line in logs if line["event"] == "documents.rejected_report_only"]
    assert told == [TOTAL] * 3


async def test_document_with_several_operations_needs_a_name(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, ("two", f"{TOTAL} {PRICES}"))
    async with run_api(production_settings(settings, "required")) as api:
        assert (await post_document(api, documentId="two", operationName="Total")).json() == DATA
        assert "name one of Total, Prices" in uncached_error(await post_document(api, documentId="two"))[2]
        assert (
            'no operation "Other"'
            in uncached_error(await post_document(api, documentId="two", operationName="Other"))[2]
        )


async def test_outdated_document_is_rejected_with_the_reason(settings: Settings, resources: Resources) -> None:
    await publish_documents(resources, ("old", TOTAL))
    async with resources.write() as tx:
        await tx.connection.exec_driver_sql("UPDATE document SET text = 'query Old { gone { id } }'")
    async with run_api(production_settings(settings, "required")) as api:
        await wait_for_notifications(api)
        with capture_logs() as logs:
            answers = [uncached_error(await post_document(api, documentId="old")) for _ in range(3)]
        reason = "Cannot query field 'gone' on type 'Query'. Did you mean 'node'?"
        message = f"The document old was published for another schema: {reason}"
        assert answers == [(400, "GRAPHQL_VALIDATION_FAILED", message)] * 3
        assert len([line for line in logs if line["event"] == "documents.outdated"]) == 1, "it is read once"


async def test_without_redis_registrations_stay_in_the_process(settings: Settings) -> None:
    async with run_api(production_settings(settings, "apq", redis_url="redis://127.0.0.1:1/0")) as api:
        assert uncached_error(await post_document(api, extensions=apq_extension(TOTAL_HASH))) == NOT_FOUND
        assert (await post_document(api, query=TOTAL, extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await post_document(api, extensions=apq_extension(TOTAL_HASH))).json() == DATA


async def test_processes_share_registrations(settings: Settings, redis_url: str) -> None:
    async with (
        run_api(production_settings(settings, "apq")) as one,
        run_api(production_settings(settings, "apq")) as two,
    ):
        assert (await post_document(one, query=TOTAL, extensions=apq_extension(TOTAL_HASH))).json() == DATA
        assert (await post_document(two, extensions=apq_extension(TOTAL_HASH))).json() == DATA
    redis = Redis.from_url(redis_url)
    assert 0 < await redis.ttl(f"dealmark:apq:{TOTAL_HASH}") <= 7 * 24 * 3600
    assert 0 < await redis.ttl("dealmark:apq") <= 7 * 24 * 3600
    await redis.aclose()
