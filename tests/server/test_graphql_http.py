"""HTTP requests to `/graphql`, valid and malformed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import orjson
import pytest

from app.graphql.viewer import Role
from app.resources import Resources
from app.server.request_parsing import MAX_BODY_BYTES
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.catalog_rows import add_cpu
from tests.support.http_errors import GRAPHQL_JSON, UTF8, only_error, post_graphql
from tests.support.raw_http import open_raw

HELLO = {"data": {"__typename": "Query"}}
TWO = "query a { __typename } query b { statistics { total } }"
MUTATION = "mutation { recalculateMetrics { job { id } } }"
SUBSCRIPTION = 'subscription { jobProgress(id: "Sm9iOjE=") { id } }'


async def test_post_with_any_valid_body_is_answered(api: ApiClient) -> None:
    for body in (
        {"query": "{ __typename }"},
        {"query": "{ __typename }", "variables": None, "operationName": None, "extensions": None},
        {"query": "{ __typename }", "variables": {}, "operationName": "", "extensions": {"x": [1]}, "other": 1},
        {"query": "query q($a: Int) { __typename @skip(if: false) cpus(first: $a) { totalCount } }"},
        {"query": TWO, "operationName": "a"},
        b'  \n{"query": "{ __typename }"}  ',
    ):
        response = await post_graphql(api, body)
        assert response.status_code == 200, body
        assert response.json()["data"]["__typename"] == "Query", body
    for content_type in ("application/json; charset=utf-8", 'Application/JSON;Charset="UTF-8"', "application/json;x=y"):
        assert (await post_graphql(api, {"query": "{ __typename }"}, content_type)).json() == HELLO


async def test_get_with_any_valid_query_string_is_answered(api: ApiClient) -> None:
    query = "query q($n: Int) { __typename cpus(first: $n) { totalCount } }"
    for parameters in (
        {"query": "{ __typename }"},
        {"query": query, "variables": '{"n": 3}', "operationName": "q", "extensions": "{}"},
        {"query": query, "variables": "", "operationName": ""},
        {"query": query, "variables": "null"},
    ):
        response = await api.http.get("/graphql", params=parameters)
        assert response.json()["data"]["__typename"] == "Query", parameters


async def test_post_with_another_content_type_is_rejected(api: ApiClient) -> None:
    for content_type in (
        *("", "text/plain", "application/graphql", "application/x-www-form-urlencoded", "multipart/mixed"),
        *(
            "application/jsonp",
            "json",
            "application/json; charset=latin-1",
            "application/json;charset=utf-16",
            ";",
        ),
    ):
        response = await post_graphql(api, {"query": "{ __typename }"}, content_type)
        assert only_error(response, 415)["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE", content_type


async def test_body_over_the_limit_is_rejected(api: ApiClient) -> None:
    padding = MAX_BODY_BYTES - len(b'{"query": "{ __typename }"}')
    assert (await post_graphql(api, b'{"query": "{ __typename }"}' + b" " * padding)).json() == HELLO
    error = only_error(await post_graphql(api, b'{"query": "{ __typename }"}' + b" " * (padding + 1)), 413)
    assert error == {"message": "The body is larger than 256 KiB.", "extensions": {"code": "BODY_TOO_LARGE"}}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 10_000

    response = await api.http.post("/graphql", content=endless(), headers={"content-type": "application/json"})
    only_error(response, 413)


async def test_declared_length_above_the_limit_is_refused_before_the_client_sends_the_body(api: ApiClient) -> None:
    lines = ["POST /graphql HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 262145"]
    request = "\r\n".join([*lines, "Expect: 100-continue", "", ""]).encode()
    async with open_raw(api, request) as connection:
        response = await connection.response()
        assert (response.status, response.code) == (413, "BODY_TOO_LARGE")
        assert await connection.rest() == b""


# Malformed values for a document text, an object, an operation name, a document id, APQ and its hash.
NON_TEXTS: list[object] = [None, "", 1, True, [], {}, ["{ __typename }"]]
NON_OBJECTS: list[object] = [1, "{}", [], [1], True, ""]
NON_NAMES: list[object] = [1, [], {}, False]
NON_IDS: list[object] = [1, [], {}, True]
NON_APQ_EXTENSIONS: list[object] = [1, "", [], {"version": 1}]
NON_HASHES: list[object] = [None, 1, "", "a" * 257]
MALFORMED: list[object] = [
    *(b"", b" ", b"{", b"}", b"null", b"1", b'"text"', b"true", b"[]", b'[{"query": "{ __typename }"}]', b"NaN"),
    *(b"\xff\xfe\x00", b'{"query": "\xff"}', b'\xef\xbb\xbf{"query": "{ __typename }"}', b'{"query": "\\ud800"}'),
    *(b"[" * 100_000, b"{" * 100_000, b'{"a":' * 5_000, b'{"variables": ' + b"[" * 2_000 + b"]" * 2_000 + b"}"),
    *(b"{'query': '{ __typename }'}", b'{"query": "{ __typename }",}', b"\0", "{ __typename }".encode("utf-16")),
    {},
    *({"query": value} for value in NON_TEXTS),
    *({"query": "{ __typename }", "variables": value} for value in NON_OBJECTS),
    *({"query": "{ __typename }", "operationName": value} for value in NON_NAMES),
    *({"query": "{ __typename }", "extensions": value} for value in NON_OBJECTS),
    {"query": TWO, "operationName": "c"},
    {"query": TWO},
    {"query": SUBSCRIPTION},
    {"query": "{ __typename }", "documentId": "sha256:0"},
    {"query": "{ __typename }", "id": "1"},
    {"documentId": "1", "doc_id": "2"},
    *({name: value} for name in ("documentId", "doc_id", "id") for value in NON_IDS),
    *({"extensions": {"persistedQuery": value}} for value in NON_APQ_EXTENSIONS),
    *({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": value}}} for value in NON_HASHES),
    b'{"query": "{ nothing }", "query": "{ __typename }"}',
    b'{"query": "{ __typename }", "variables": {"a": 1, "a": 1}}',
    b'{"query": "{ __typename }", "extensions": {"a": [{"b": {"c": 1, "c": 2}}]}}',
    *(b'{"query": "{ __typename }", "variables": {"a": %s}}' % n for n in (b"NaN", b"-Infinity", b"1e999", b"9" * 400)),
    b'{"query": "{ __typename }", "variables": {"a": "\\udc00"}}',
]


async def test_malformed_body_gives_one_error(api: ApiClient) -> None:
    for body in MALFORMED:
        for accept in ("*/*", GRAPHQL_JSON):
            error = only_error(await post_graphql(api, body, accept=accept), 400)
            assert error["extensions"]["code"] == "BAD_REQUEST", body


async def test_malformed_query_string_gives_one_error(api: ApiClient) -> None:
    for parameters in (
        *({}, {"query": ""}, {"variables": "{}"}, {"query": SUBSCRIPTION}),
        *({"query": "{ __typename }", "variables": value} for value in ("{", "1", "[]", '"x"', "[" * 3_000, "'{}'")),
        *({"query": "{ __typename }", "extensions": value} for value in ("{", "1", "[]")),
        {"query": TWO, "operationName": "c"},
    ):
        error = only_error(await api.http.get("/graphql", params=parameters), 400)
        assert error["extensions"]["code"] == "BAD_REQUEST", parameters


async def test_body_that_does_not_arrive_gives_408(settings: Settings) -> None:
    async with run_api(settings.model_copy(update={"request_timeout_seconds": 0.2})) as api:
        host, port = api.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert orjson.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "errors": [{"message": "The body did not arrive within 0.2 s.", "extensions": {"code": "BODY_TOO_SLOW"}}]
    }


async def test_error_message_says_what_to_do(api: ApiClient) -> None:
    for body, message in (
        (b"", "The body is not JSON: Expecting value (line 1, column 1)."),
        (
            b'{"query":\n "{ __typename }",}',
            "The body is not JSON: Expecting property name enclosed in double quotes (line 2, column 19).",
        ),
        (b'{"query": "{\n}"}', "The body is not JSON: Invalid control character (line 1, column 13)."),
        (b'{"query": "\\x"}', "The body is not JSON: Invalid \\escape (line 1, column 12)."),
        (b'{"query": "{ __typename }"} x', "The body is not JSON: Extra data (line 1, column 29)."),
        (b'{"a": NaN}', "The body has a number that is not valid (NaN, Infinity) or too large."),
        (b"[]", "Batches are not accepted: send one operation per request."),
        ({}, "Name a document by `documentId`, or give its text in `query`."),
        ({"query": TWO, "operationName": "c"}, 'The document has no operation "c"; it has a, b.'),
        ({"query": TWO}, "The document has several operations: name one of a, b in `operationName`."),
        (b'{"a": 1, "a": 2}', 'The body has the name "a" twice in one object.'),
        (b'"\xff"', "The body is not valid UTF-8."),
        (
            {"query": "a", "id": "a"},
            "Name the document once: by `documentId` (or `doc_id`, `id`, the URL), or by `query`.",
        ),
        ({"query": SUBSCRIPTION}, "Subscriptions are sent with `Accept: text/event-stream`, or by WebSocket."),
    ):
        assert only_error(await post_graphql(api, body), 400)["message"] == message


INVALID = [
    *("{", "}", "x", "{ nothing }", "{ cpus { totalCount }", "{ __typename", "{ cpu }", "\0", "💥", "#", "{ a: }"),
    *("{" * 100_000, "{ node(id: " + "[" * 10_000, "{" + " __typename" * 2_000 + "}", '{ node(id: "' + "x" * 100_000),
    *('{ node(id: "\\ud800") { id } }', "query q($a: Nothing) { __typename }", "query q($a: Int!) { __typename }"),
    *("{ cpus(first: 99999999999) { totalCount } }", "{ cpus(first: null, first: 1) { totalCount } }"),
    "{ ...f } fragment f on Query { ...f }",
]


async def test_invalid_document_has_the_status_of_its_media_type(api: ApiClient) -> None:
    """It is 400 in the media type with request errors, and 200 in the older one, as clients expect."""
    for query in INVALID:
        for accept, status in ((GRAPHQL_JSON, 400), ("application/json", 200)):
            response = await post_graphql(api, {"query": query}, accept=accept)
            assert response.status_code == status, query[:50]
            answer = response.json()
            assert set(answer) == {"errors"}
            codes = {error["extensions"]["code"] for error in answer["errors"]}
            assert codes == {"GRAPHQL_VALIDATION_FAILED"}, (query[:50], answer)


async def test_media_type_is_negotiated_by_accept(api: ApiClient) -> None:
    for accept, media_type in (
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=1, */*;q=0.1", "application/json"),
        ("application/*", "application/json"),
        (f"{GRAPHQL_JSON};q=0.5, application/json", "application/json"),
        (f"{GRAPHQL_JSON};q=0, */*", "application/json"),
        ("", "application/json"),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, application/json;q=0.9", GRAPHQL_JSON),
        (f"application/json, {GRAPHQL_JSON.upper()}", GRAPHQL_JSON),
    ):
        for body, statuses in (
            ({"query": "{ __typename }"}, {200}),
            ({"query": "{ cpu { id } }"}, {200}),
            (b"", {400}),
        ):
            response = await post_graphql(api, body, accept=accept)
            assert response.headers["content-type"] == media_type + UTF8, accept
            assert response.headers["vary"] == "accept"
            assert response.status_code in statuses
    for accept in ("text/html", "image/*", "application/json;q=0", f"{GRAPHQL_JSON};q=x", "*/*;q=0"):
        response = await post_graphql(api, {"query": "{ __typename }"}, accept=accept)
        assert only_error(response, 406)["extensions"]["code"] == "NOT_ACCEPTABLE", accept


async def test_field_error_gives_a_partial_response(api: ApiClient) -> None:
    response = await post_graphql(api, {"query": "{ cpu { id } cpus(first: 0) { totalCount } }"}, accept=GRAPHQL_JSON)
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {"BAD_USER_INPUT"}


async def test_other_methods_are_rejected(api: ApiClient) -> None:
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        response = await api.http.request(method, "/graphql")
        assert only_error(response, 405)["extensions"]["code"] == "METHOD_NOT_ALLOWED"
        assert response.headers["allow"] == "GET, POST"
    response = await api.http.get("/graphql", params={"query": MUTATION}, headers=api.token(Role.ADMIN))
    assert only_error(response, 405)["message"] == "Mutations are sent by POST."
    assert response.headers["allow"] == "POST"
    assert (await api.http.head("/graphql")).status_code == 405
    assert (await api.http.get("/nothing")).status_code == 404


async def test_graphiql_and_introspection_are_on_in_development_only(settings: Settings) -> None:
    page = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    schema = "{ __schema { types { name } } }"
    async with run_api(settings) as api:
        assert "GraphiQL" in (await api.http.get("/graphql", headers=page)).text
        assert (await api.http.get("/graphql", params={"query": "{ __typename }"}, headers=page)).json() == HELLO
        assert (await api.ask(schema))["data"]["__schema"]["types"]
    async with run_api(settings.model_copy(update={"development": False, "documents": "open"})) as api:
        only_error(await api.http.get("/graphql", headers=page), 400)
        answer = await api.ask(schema)
        assert "data" not in answer
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}
        assert await api.ask("{ __typename }") == HELLO


async def test_numbers_and_times_are_encoded_as_plain_json(api: ApiClient, resources: Resources) -> None:
    await add_cpu(resources, "CPU", ["0.10", "9999999999.99"])
    response = await post_graphql(
        api, {"query": "{ cpus { nodes { listings { nodes { adjustedPrice createdAt } } } } }"}
    )
    offers = json.loads(response.text)["data"]["cpus"]["nodes"][0]["listings"]["nodes"]
    assert [offer["adjustedPrice"] for offer in offers] == [0.1, 9999999999.99]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", offer["createdAt"]) for offer in offers)


@pytest.mark.parametrize("path", ["/graphql", "/graphql?query=%7B__typename%7D"])
async def test_incomplete_request_does_not_affect_other_clients(api: ApiClient, path: str) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    writer.write(head.encode() + b'{"query"')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await api.ask("{ __typename }") == HELLO
