"""Which document a request means, and which it may run: every shape of WIRE, in each of the modes."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.documents.registry import shipped
from app.resources import Resources
from app.settings import DocumentMode, Settings
from tests.conftest import Api, listening, serving
from tests.documents.texts import NAMES, PRICES, TOTAL, TOTAL_HASH, TOTAL_ID, publish

DATA = {"data": {"statistics": {"total": 0}}}
UNKNOWN = hashlib.sha256(b"nobody published this").hexdigest()
MODES: list[DocumentMode] = ["required", "apq", "open"]
GRAPHQL = {"accept": "application/graphql-response+json"}


def mode(settings: Settings, documents: DocumentMode, **others: object) -> Settings:
    """Production, in this mode."""
    return settings.model_copy(update={"development": False, "documents": documents, **others})


def apq(digest: str, **others: Any) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": digest}, **others}


async def post(api: Api, **body: Any) -> httpx.Response:
    return await api.http.post("/graphql", json=body, headers=GRAPHQL)


async def get(api: Api, path: str = "/graphql", **params: Any) -> httpx.Response:
    texts = {name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in params.items()}
    return await api.http.get(path, params=texts, headers=GRAPHQL)


def refused(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message of an answer that is one error, which nobody may keep."""
    answer = response.json()
    assert list(answer) == ["errors"]
    (error,) = answer["errors"]
    assert "no-store" in response.headers["cache-control"]
    assert response.headers["content-type"].startswith(GRAPHQL["accept"])
    return response.status_code, error["extensions"]["code"], error["message"]


NOT_FOUND = (200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
NOT_SUPPORTED = (200, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
NOT_IN_LIST = (404, "PERSISTED_QUERY_NOT_IN_LIST", "PersistedQueryNotFound")
MISMATCH = (400, "PERSISTED_QUERY_HASH_MISMATCH", "provided sha does not match query")
VERSION = (400, "PERSISTED_QUERY_VERSION", "Unsupported persisted query version")
ID_REQUIRED = (
    400,
    "PERSISTED_QUERY_ID_REQUIRED",
    "Only published documents are run here: send the id of one instead of a text.",
)


@pytest.mark.parametrize("documents", MODES)
async def test_published_documents_run_by_every_shape(
    settings: Settings, resources: Resources, documents: DocumentMode
) -> None:
    md5 = hashlib.md5(TOTAL.encode()).hexdigest()
    await publish(resources, TOTAL, (md5, TOTAL), (TOTAL_HASH, TOTAL), ("x-ours:1", TOTAL))
    async with serving(mode(settings, documents)) as api:
        for identifier in (TOTAL_ID, md5, TOTAL_HASH, "x-ours:1"):
            for name in ("documentId", "doc_id", "id"):
                assert (await post(api, **{name: identifier})).json() == DATA
            assert (await get(api, documentId=identifier, variables={})).json() == DATA
            assert (await get(api, f"/graphql/{identifier}")).json() == DATA
        assert (await post(api, extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await get(api, operationName="Total", extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await post(api, query=TOTAL, extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await post(api, query=TOTAL)).json() == DATA, "a text that is published is no secret"


async def test_the_hash_of_a_text_finds_it_under_another_id(settings: Settings, resources: Resources) -> None:
    """A document that Relay published as MD5 is the one that Apollo names by its SHA-256."""
    await publish(resources, ("0" * 32, TOTAL))
    async with serving(mode(settings, "required")) as api:
        assert (await post(api, extensions=apq(TOTAL_HASH))).json() == DATA


async def test_shipped_documents_have_the_hash_of_their_text_and_their_name(settings: Settings) -> None:
    digest = hashlib.sha256(shipped()["Statistics"].encode()).hexdigest()
    async with serving(mode(settings, "required")) as api:
        answers = [(await get(api, f"/graphql/{each}")).json() for each in (f"sha256:{digest}", "Statistics")]
        assert answers[0] == answers[1]
        assert answers[0]["data"]["statistics"]["total"] == 0


@pytest.mark.parametrize(
    ("documents", "by_id", "by_hash"),
    [("required", NOT_IN_LIST, NOT_IN_LIST), ("apq", NOT_FOUND, NOT_FOUND), ("open", NOT_FOUND, NOT_FOUND)],
)
async def test_unknown_ids_are_told_logged_and_counted(
    settings: Settings, documents: DocumentMode, by_id: object, by_hash: object
) -> None:
    before = REGISTRY.get_sample_value("dealmark_documents_unknown_total") or 0
    async with serving(mode(settings, documents)) as api:
        with capture_logs() as logs:
            assert refused(await post(api, documentId=f"sha256:{UNKNOWN}")) == by_id
            assert refused(await get(api, f"/graphql/{UNKNOWN}")) == by_id
            assert refused(await post(api, extensions=apq(UNKNOWN))) == by_hash
    lines = [line["document"] for line in logs if line["event"] == "documents.unknown"]
    assert lines == [f"sha256:{UNKNOWN}", UNKNOWN, UNKNOWN]
    assert REGISTRY.get_sample_value("dealmark_documents_unknown_total") == before + 3


async def test_required_refuses_texts(settings: Settings) -> None:
    async with serving(mode(settings, "required")) as api:
        assert refused(await post(api, query=TOTAL)) == ID_REQUIRED
        assert refused(await post(api, query=TOTAL, extensions=apq(TOTAL_HASH))) == NOT_SUPPORTED
        assert refused(await post(api, extensions=apq(TOTAL_HASH))) == NOT_IN_LIST, "and it was not registered"
        assert refused(await post(api, query="{ not even a document")) == ID_REQUIRED
        assert refused(await post(api, query=" " + shipped()["Statistics"])) == ID_REQUIRED, "to the byte"


@pytest.mark.parametrize("documents", ["apq", "open"])
async def test_registering(settings: Settings, documents: DocumentMode) -> None:
    async with serving(mode(settings, documents)) as api:
        assert refused(await post(api, extensions=apq(TOTAL_HASH))) == NOT_FOUND
        assert (await post(api, query=TOTAL, extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await post(api, extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await get(api, extensions=apq(TOTAL_HASH), variables={})).json() == DATA
        # urql registers by GET
        digest = hashlib.sha256(NAMES.encode()).hexdigest()
        urql = {"persistedQuery": {"miss": True, "version": 1, "sha256Hash": digest}}
        assert (await get(api, query=NAMES, extensions=urql)).json() == {"data": {"cpus": {"nodes": []}}}


async def test_a_text_alone(settings: Settings) -> None:
    async with serving(mode(settings, "required")) as api:
        assert refused(await post(api, query=TOTAL)) == ID_REQUIRED
    for documents in ("apq", "open"):
        async with serving(mode(settings, documents)) as api:
            assert (await post(api, query=TOTAL)).json() == DATA


@pytest.mark.parametrize("documents", ["apq", "open"])
async def test_registrations_that_are_refused(settings: Settings, documents: DocumentMode) -> None:
    other = hashlib.sha256(NAMES.encode()).hexdigest()
    wrong = "query Wrong { nothing }"
    wrong_hash = hashlib.sha256(wrong.encode()).hexdigest()
    large = TOTAL + " " * (33 * 1024)
    large_hash = hashlib.sha256(large.encode()).hexdigest()
    async with serving(mode(settings, documents)) as api:
        assert refused(await post(api, query=TOTAL, extensions=apq(other))) == MISMATCH
        assert refused(await post(api, query=TOTAL, extensions=apq(TOTAL_HASH.upper())))[:2] == (400, "BAD_REQUEST")
        version = {"persistedQuery": {"version": 2, "sha256Hash": TOTAL_HASH}}
        assert refused(await post(api, query=TOTAL, extensions=version)) == VERSION
        assert refused(await post(api, query=large, extensions=apq(large_hash)))[0] == 400
        assert refused(await post(api, query=wrong, extensions=apq(wrong_hash)))[:2] == (
            400,
            "GRAPHQL_VALIDATION_FAILED",
        )
        for digest in (other, TOTAL_HASH, large_hash, wrong_hash):
            assert refused(await post(api, extensions=apq(digest))) == NOT_FOUND, "nothing of it was kept"


async def test_a_published_hash_does_not_vouch_for_another_text(settings: Settings, resources: Resources) -> None:
    await publish(resources, TOTAL)
    async with serving(mode(settings, "required")) as api:
        assert refused(await post(api, query=PRICES, extensions=apq(TOTAL_HASH))) == MISMATCH


async def test_report_only_answers_and_tells(settings: Settings, resources: Resources) -> None:
    await publish(resources, NAMES)
    async with serving(mode(settings, "required", documents_report_only=True)) as api:
        with capture_logs() as logs:
            assert (await post(api, query=TOTAL)).json() == DATA
            assert refused(await post(api, extensions=apq(UNKNOWN))) == NOT_FOUND
            assert (await post(api, query=TOTAL, extensions=apq(TOTAL_HASH))).json() == DATA
            assert (await post(api, extensions=apq(TOTAL_HASH))).json() == DATA
            assert (await post(api, query=NAMES)).status_code == 200
            assert refused(await post(api, documentId=f"sha256:{UNKNOWN}")) == NOT_IN_LIST
    told = [line["text"] for line in logs if line["event"] == "documents.would_refuse"]
    assert told == [TOTAL] * 3


async def test_several_operations(settings: Settings, resources: Resources) -> None:
    await publish(resources, ("two", f"{TOTAL} {PRICES}"))
    async with serving(mode(settings, "required")) as api:
        assert (await post(api, documentId="two", operationName="Total")).json() == DATA
        assert "name one of Total, Prices" in refused(await post(api, documentId="two"))[2]
        assert 'no operation "Other"' in refused(await post(api, documentId="two", operationName="Other"))[2]


async def test_a_document_of_an_older_schema_is_the_publishers_fault(settings: Settings, resources: Resources) -> None:
    await publish(resources, ("old", TOTAL))
    async with resources.write() as tx:
        await tx.connection.exec_driver_sql("UPDATE document SET text = 'query Old { gone { id } }'")
    async with serving(mode(settings, "required")) as api:
        await listening(api)
        with capture_logs() as logs:
            answers = [refused(await post(api, documentId="old")) for _ in range(3)]
        reason = "Cannot query field 'gone' on type 'Query'. Did you mean 'node'?"
        message = f"The document old was published for another schema: {reason}"
        assert answers == [(400, "GRAPHQL_VALIDATION_FAILED", message)] * 3
        assert len([line for line in logs if line["event"] == "documents.outdated"]) == 1, "it is read once"


async def test_without_redis_clients_register_with_the_process(settings: Settings) -> None:
    async with serving(mode(settings, "apq", redis_url="redis://127.0.0.1:1/0")) as api:
        assert refused(await post(api, extensions=apq(TOTAL_HASH))) == NOT_FOUND
        assert (await post(api, query=TOTAL, extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await post(api, extensions=apq(TOTAL_HASH))).json() == DATA


async def test_processes_share_registrations(settings: Settings, redis_url: str) -> None:
    async with serving(mode(settings, "apq")) as one, serving(mode(settings, "apq")) as two:
        assert (await post(one, query=TOTAL, extensions=apq(TOTAL_HASH))).json() == DATA
        assert (await post(two, extensions=apq(TOTAL_HASH))).json() == DATA
    redis = Redis.from_url(redis_url)
    assert 0 < await redis.ttl(f"dealmark:apq:{TOTAL_HASH}") <= 7 * 24 * 3600
    assert 0 < await redis.ttl("dealmark:apq") <= 7 * 24 * 3600
    await redis.aclose()
