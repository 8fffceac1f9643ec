"""Errors of requests, HTTP profiles, CSRF, and the ways to name a document."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from app.documents.registry import builtin_documents
from app.graphql.viewer import Role
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.http_errors import GRAPHQL_JSON, UTF8

JSON = "application/json"
TEXT = "query Total { statistics { total } }"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
NOBODY = "0" * 64
SHIPPED = "sha256:" + hashlib.sha256(builtin_documents()["Statistics"].encode()).hexdigest()
RECALCULATE = "sha256:" + hashlib.sha256(builtin_documents()["RecalculateMetrics"].encode()).hexdigest()
MODES = ("required", "apq", "open")


def apq(digest: str, version: object = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": digest}}


@dataclass(frozen=True)
class Row:
    """A request and its expected response in these document modes."""

    ask: dict[str, Any]
    code: str
    status: int
    message: str | None = None
    modes: tuple[str, ...] = MODES
    headers: dict[str, str] = field(default_factory=dict)
    methods: tuple[str, ...] = ("POST", "GET")


REFUSED = "Only published documents are run here: send the id of one instead of a text."
MISMATCH = "provided sha does not match query"
ROWS = [
    Row({"extensions": apq(NOBODY)}, "PERSISTED_QUERY_NOT_FOUND", 200, "PersistedQueryNotFound", ("apq", "open")),
    Row(
        {"query": TEXT, "extensions": apq(DIGEST)},
        *("PERSISTED_QUERY_NOT_SUPPORTED", 200, "PersistedQueryNotSupported", ("required",)),
    ),
    Row({"query": TEXT, "extensions": apq(NOBODY)}, "PERSISTED_QUERY_HASH_MISMATCH", 400, MISMATCH, ("apq", "open")),
    *(
        Row({"extensions": apq(NOBODY, v)}, "PERSISTED_QUERY_VERSION", 400, "Unsupported persisted query version")
        for v in (2, 0, "1", None)
    ),
    *(
        Row(ask, "PERSISTED_QUERY_NOT_IN_LIST", 404, "PersistedQueryNotFound", ("required",))
        for ask in (
            {"documentId": f"sha256:{NOBODY}"},
            {"doc_id": "0" * 32},
            {"id": "0" * 40},
            {"documentId": "x-mine:none"},
            {"extensions": apq(NOBODY)},
        )
    ),
    Row({"query": TEXT}, "PERSISTED_QUERY_ID_REQUIRED", 400, REFUSED, ("required",)),
    Row(
        {"query": "{ cpus(first: 200) { nodes { listings(first: 200) { nodes { id } } } } }"},
        *(
            "COST_LIMIT_EXCEEDED",
            400,
            "The operation costs up to 40450; at most 25000 is allowed. Ask for fewer items.",
        ),
        *(("open",),),
    ),
    Row({"documentId": RECALCULATE}, "METHOD_NOT_ALLOWED", 405, "Mutations are sent by POST.", methods=("GET",)),
    Row({"documentId": SHIPPED}, "UNAUTHENTICATED", 401, None, headers={"authorization": "Bearer x"}),
]


@asynccontextmanager
async def run_api_in_mode(settings: Settings, mode: str, **values: object) -> AsyncIterator[ApiClient]:
    """Run a production server in this document mode."""
    async with run_api(settings.model_copy(update={"development": False, "documents": mode, **values})) as api:
        yield api


async def send(api: ApiClient, method: str, ask: dict[str, Any], **headers: str) -> httpx.Response:
    """Send a request by POST, or by GET with the same names as parameters."""
    given = {"graphql-require-preflight": "1", **headers}
    if method == "POST":
        return await api.http.post("/graphql", json=ask, headers=given)
    parameters = {k: v if isinstance(v, str) else orjson.dumps(v).decode() for k, v in ask.items()}
    return await api.http.get("/graphql", params=parameters, headers=given)


def check(response: httpx.Response, row: Row, media: str) -> None:
    assert response.status_code == row.status, response.text
    assert response.headers["content-type"] == media + UTF8
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "accept"
    assert "etag" not in response.headers
    answer = response.json()
    assert set(answer) == {"errors"}
    (error,) = answer["errors"]
    assert error["extensions"] == {"code": row.code}
    assert row.message in (None, error["message"])
    assert (response.headers.get("allow") == "POST") == (row.status == 405)


@pytest.mark.parametrize("profile", ["audit", "2026-09"])
@pytest.mark.parametrize("mode", MODES)
async def test_error_has_the_code_and_status_of_the_table(settings: Settings, mode: str, profile: str) -> None:
    async with run_api_in_mode(settings, mode, http_profile=profile) as api:
        for row in ROWS:
            for method in row.methods if mode in row.modes else ():
                for media in (JSON, GRAPHQL_JSON):
                    check(await send(api, method, row.ask, accept=media, **row.headers), row, media)


@pytest.mark.parametrize("profile", ["audit", "2026-09"])
async def test_forbidden_field_gives_a_partial_response(settings: Settings, profile: str) -> None:
    """`data` is null, and the error has the reason; the newer profile calls this a partial response."""
    async with run_api_in_mode(settings, "required", http_profile=profile) as api:
        for headers, code in (({}, "UNAUTHENTICATED"), (api.token(Role.VIEWER), "FORBIDDEN")):
            for media in (JSON, GRAPHQL_JSON):
                response = await send(api, "POST", {"documentId": RECALCULATE}, accept=media, **headers)
                assert response.status_code == (200 if profile == "audit" else 294)
                answer = response.json()
                assert answer["data"] is None
                assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
                assert response.headers["cache-control"] == "private, no-store"


VARIABLE = "query q($n: Int!) { cpus(first: $n) { totalCount } }"
PARTIAL = '{ cpu(slug: "amd-one") { name } other: cpu { name } }'
# Request, status in profile 2026-09, and statuses in profile `audit` as JSON and as the newer media type.
VECTORS: list[tuple[object, int, int, int]] = [
    ({"query": "{ __typename }"}, 200, 200, 200),
    ({"query": "{"}, 422, 200, 400),
    ({"query": "{ nothing }"}, 422, 200, 400),
    ({"query": "fragment f on Query { __typename }"}, 422, 200, 400),
    ({"query": VARIABLE}, 422, 200, 400),
    ({"query": VARIABLE, "variables": {"n": "x"}}, 422, 200, 400),
    ({"query": VARIABLE, "variables": {"n": None}}, 422, 200, 400),
    ({"query": VARIABLE, "variables": {"n": 1}}, 200, 200, 200),
    ({"query": VARIABLE, "variables": {"n": 0}}, 294, 200, 200),
    ({"query": PARTIAL}, 294, 200, 200),
    ({"query": 1}, 422, 400, 400),
    ({"qeury": "{ __typename }"}, 422, 400, 400),
    ({"query": "{ __typename }", "variables": [7]}, 422, 400, 400),
    ({"query": "{ __typename }", "operationName": "x"}, 422, 400, 400),
    ({"query": "query a { __typename } query b { __typename }"}, 422, 400, 400),
    ([{"query": "{ __typename }"}], 422, 400, 400),
    ({"query": "{ __typename }", "documentId": SHIPPED}, 422, 400, 400),
]


async def test_status_follows_the_http_profile(settings: Settings) -> None:
    for profile in ("audit", "2026-09"):
        async with run_api_in_mode(settings, "open", http_profile=profile) as api:
            for ask, newer, as_json, as_graphql in VECTORS:
                for media, audited in ((JSON, as_json), (GRAPHQL_JSON, as_graphql)):
                    response = await api.http.post("/graphql", json=ask, headers={"accept": media})
                    expected = newer if profile == "2026-09" else audited
                    assert response.status_code == expected, (profile, media, ask, response.text)
                    assert response.headers["content-type"] == media + UTF8


async def test_partial_response_has_data_and_errors(settings: Settings) -> None:
    async with run_api_in_mode(settings, "open", http_profile="2026-09") as api:
        answer = (await api.http.post("/graphql", json={"query": PARTIAL})).json()
        assert answer["data"] == {"cpu": None, "other": None}
        assert [error["path"] for error in answer["errors"]] == [["other"]]


@pytest.mark.parametrize("mode", MODES)
async def test_published_document_is_found_by_every_parameter(settings: Settings, mode: str) -> None:
    digest = SHIPPED.removeprefix("sha256:")
    async with run_api_in_mode(settings, mode) as api:
        answers = [
            *[await api.http.get("/graphql", params={name: SHIPPED}) for name in ("documentId", "doc_id", "id")],
            *[await api.http.post("/graphql", json={name: SHIPPED}) for name in ("documentId", "doc_id", "id")],
            await api.http.get(f"/graphql/{SHIPPED}"),
            await api.http.get(f"/graphql/{SHIPPED.replace(':', '%3A')}"),
            await api.http.get(f"/graphql/{SHIPPED}", params={"variables": "{}", "extensions": "{}"}),
            await api.http.get(f"/graphql/{SHIPPED}", params={"documentId": SHIPPED}),
            await api.http.post(f"/graphql/{SHIPPED}", json={}),
            await api.http.get("/graphql", params={"extensions": orjson.dumps(apq(digest)).decode()}),
            await api.http.post(
                "/graphql", json={"extensions": apq(digest), "query": builtin_documents()["Statistics"]}
            ),
        ]
        for response in answers:
            assert (response.status_code, "data" in response.json()) == (200, True), response.request.url
        assert len({response.content for response in answers}) == 1
        assert (await api.http.get(f"/graphql/{SHIPPED}", params={"documentId": "other"})).status_code == 400
        for unknown in (f"{SHIPPED}/more", "sha256:%25", "%00", "a" * 5_000):
            response = await api.http.get(f"/graphql/{unknown}")
            assert response.status_code == (404 if mode == "required" else 200), unknown
            assert response.json()["errors"][0]["message"] == "PersistedQueryNotFound"


async def test_apq_registration_is_shared_between_processes(settings: Settings, resources: Any) -> None:
    await add_cpu(resources, "AMD One")
    async with run_api_in_mode(settings, "apq") as api, run_api_in_mode(settings, "apq") as other:
        missing = {"extensions": orjson.dumps(apq(DIGEST)).decode()}
        assert (await api.http.get("/graphql", params=missing)).json()["errors"][0][
            "message"
        ] == "PersistedQueryNotFound"
        registered = await api.http.get("/graphql", params={**missing, "query": TEXT})
        assert registered.json() == {"data": {"statistics": {"total": 1}}}
        for each in (api, other):
            assert (await each.http.get("/graphql", params=missing)).json() == registered.json()


FORM = "application/x-www-form-urlencoded"
CROSS: list[tuple[str, dict[str, str], bool]] = [
    ("GET", {}, False),
    ("GET", {"content-type": "text/plain"}, False),
    ("GET", {"content-type": FORM}, False),
    ("GET", {"content-type": "multipart/form-data; boundary=x"}, False),
    ("GET", {"content-type": "Text/Plain ; charset=utf-8"}, False),
    ("GET", {"content-type": "application/json"}, True),
    ("GET", {"apollo-require-preflight": "true"}, True),
    ("GET", {"x-apollo-operation-name": "q"}, True),
    ("GET", {"graphql-require-preflight": "1"}, True),
    ("POST", {"content-type": "application/json"}, True),
]


async def test_cross_site_request_may_only_query_persisted_documents(settings: Settings) -> None:
    async with run_api_in_mode(settings, "open") as api:
        for method, headers, allowed in CROSS:
            body: dict[str, Any] = {"params": {"query": "{ __typename }"}}
            if method == "POST":
                body = {"content": b'{"query": "{ __typename }"}'}
            response = await api.http.request(method, "/graphql", headers=headers, **body)
            assert (response.status_code == 200) == allowed, (headers, response.text)
            if not allowed:
                assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
            response = await api.http.get("/graphql", params={"documentId": SHIPPED}, headers=headers)
            assert response.status_code == 200, "urql sends none of these"
        for content_type in ("text/plain", FORM, "multipart/mixed; boundary=x"):
            for headers in ({}, {"graphql-require-preflight": "1"}):
                mutation = orjson.dumps({"documentId": RECALCULATE})
                sent = {"content-type": content_type, **api.token(Role.ADMIN), **headers}
                response = await api.http.post("/graphql", content=mutation, headers=sent)
                assert response.status_code == 415
