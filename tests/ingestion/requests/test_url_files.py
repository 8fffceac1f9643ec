"""Upload of URL files by GraphQL multipart requests: the form and the contents of the file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import orjson
import pytest

from app.graphql.viewer import Role
from app.resources import Resources
from app.settings import Settings
from tests.support.api_server import ApiClient, run_api
from tests.support.url_imports import quick_settings, session_rows

BULK = """
    mutation ($file: Upload!, $priority: ImportPriority! = NORMAL, $encoding: String) {
      ingestBulk(file: $file, priority: $priority, encoding: $encoding) {
        session {
          status source name priority requestedBy total done complete partial failed
          rows { totalCount nodes { position url status attempts errorCode error listings { id } } }
        }
      }
    }
"""
PREFLIGHT = {"graphql-require-preflight": "1"}
MAP = {"0": ["variables.file"]}
GOOD = b"url\nhttp://127.0.0.1:1/a\n"


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[ApiClient]:
    """Run the API; it may fetch from localhost."""
    async with run_api(quick_settings(settings, max_upload_kib=2048)) as running:
        yield running


async def send(
    api: ApiClient,
    content: bytes = GOOD,
    *,
    name: str = "offers.csv",
    role: Role | None = Role.OPERATOR,
    operations: Any = None,
    places: Any = MAP,
    headers: Mapping[str, str] = PREFLIGHT,
    **variables: Any,
) -> httpx.Response:
    """Send a form like a browser."""
    if operations is None:
        operations = {"query": BULK, "variables": {"file": None, **variables}}
    return await api.http.post(
        "/graphql",
        headers={**headers, **({} if role is None else api.token(role))},
        data={"operations": orjson.dumps(operations).decode(), "map": orjson.dumps(places).decode()},
        files={"0": (name, content)},
    )


async def upload_session(api: ApiClient, content: bytes, name: str = "offers.csv", **variables: Any) -> dict[str, Any]:
    """Upload a file and return its session."""
    response = (await send(api, content, name=name, **variables)).json()
    assert "errors" not in response, response
    session: dict[str, Any] = response["data"]["ingestBulk"]["session"]
    return session


async def response_error(response: httpx.Response) -> tuple[str, str]:
    """Return the code and the message of the only error."""
    (error,) = response.json()["errors"]
    return error["extensions"]["code"], error["message"]


async def test_upload_of_url_file_creates_session(api: ApiClient, resources: Resources) -> None:
    content = b"title;url\nx;http://127.0.0.1:1/a\ny;http://127.0.0.1:1/b\n"
    session = await upload_session(api, content, priority="HIGH")
    rows = session.pop("rows")
    assert session == {
        "status": "QUEUED",
        "source": "CSV",
        "name": "offers.csv",
        "priority": "HIGH",
        "requestedBy": "tester",
        "total": 2,
        "done": 0,
        "complete": 0,
        "partial": 0,
        "failed": 0,
    }
    assert rows["totalCount"] == 2
    no_result = {"status": "QUEUED", "attempts": 0, "errorCode": None, "error": None, "listings": []}
    assert rows["nodes"] == [
        {"position": 1, "url": "http://127.0.0.1:1/a", **no_result},
        {"position": 2, "url": "http://127.0.0.1:1/b", **no_result},
    ]
    assert [row.priority for row in await session_rows(resources, 1)] == [2, 2]


READABLE: list[tuple[bytes, int]] = [
    (b"URL\r\nhttp://127.0.0.1/a\r\n\r\nhttp://127.0.0.1/b\r\n", 2),
    (b"\xef\xbb\xbfurl,note\nhttp://127.0.0.1/a,x\n", 1),
    ("url\thint\nhttp://127.0.0.1/a\t\u00fc\n".encode("utf-16"), 1),
    (b'url\n"http://127.0.0.1/a?x=1,2"\nhttp://127.0.0.1/a?x=1,3\n', 2),
    (b'[{"url": "http://127.0.0.1/a"}, {"url": " http://127.0.0.1/b ", "more": 1}]', 2),
    (b'\xef\xbb\xbf\n [{"url": "http://127.0.0.1/a"}]', 1),
]


async def test_upload_of_common_file_formats_reads_all_urls(api: ApiClient) -> None:
    for content, urls in READABLE:
        session = await upload_session(api, content)
        assert (session["total"], session["failed"]) == (urls, 0)
        assert session["source"] == ("JSON" if b"[" in content else "CSV")


async def test_upload_with_encoding_decodes_file(api: ApiClient) -> None:
    content = "url,note\nhttp://127.0.0.1/a,caf\u00e9\n".encode("cp1252")
    code, message = await response_error(await send(api, content))
    assert (code, "line 2, is not valid utf-8" in message) == ("BAD_USER_INPUT", True)
    assert (await upload_session(api, content, encoding="cp1252"))["total"] == 1
    code, message = await response_error(await send(api, content, encoding="cp\0"))
    assert (code, "is not a known encoding" in message) == ("BAD_USER_INPUT", True)


async def test_upload_with_invalid_rows_fails_only_those_rows(api: ApiClient) -> None:
    content = (
        b"url,note\nhttp://127.0.0.1/a,1\nftp://127.0.0.1/b,2\n,3\nnothing,4\nhttp://10.0.0.1/,5\n"
        b"http://127.0.0.1/a,6\nhttp://127.0.0.1/c,7,8\n"
    )
    session = await upload_session(api, content)
    assert (session["status"], session["total"], session["failed"], session["done"]) == ("QUEUED", 7, 5, 5)
    codes = [(row["status"], row["errorCode"]) for row in session["rows"]["nodes"]]
    rejected, unreadable, queued = ("FAILED", "URL_REFUSED"), ("FAILED", "ROW_REFUSED"), ("QUEUED", None)
    assert codes == [queued, rejected, unreadable, rejected, rejected, queued, unreadable]
    assert session["rows"]["nodes"][6]["error"] == "The row cannot be read: the row has 3 cells, the header 2."
    session = await upload_session(
        api, b'[{"url": 1}, {"link": "http://127.0.0.1/"}, "http://127.0.0.1/", null, {"url": ""}]'
    )
    assert (session["status"], session["failed"]) == ("FAILED", 5)
    assert {row["error"] for row in session["rows"]["nodes"]} == {"The row is not an object with a string `url`."}
    session = await upload_session(api, b'[{"url": "http://127.0.0.1/a"}, ' + b"[" * 400 + b"]" * 401)
    assert (session["total"], session["failed"]) == (2, 1), "deep nesting fails only its row"


UNREADABLE: list[tuple[bytes, str]] = [
    (b"", "offers.csv is empty."),
    (b" \n ", "offers.csv is empty."),
    (b"url\n", "offers.csv has no rows."),
    (b"[]", "offers.csv has no rows."),
    (b"link\nhttp://127.0.0.1/\n", 'offers.csv has no column "url"; the header (line 1) has "link".'),
    (b"url,URL\na,b\n", 'offers.csv has more than one column "url".'),
    (b'{"url": "http://127.0.0.1/"}', 'offers.csv must be a JSON list of objects: [{"url": "https://..."}].'),
    (b"[{", "offers.csv is not JSON: "),
    (b"[" * 100_000, "offers.csv is not JSON: "),
    (b"url\n" + b"http://127.0.0.1/\n" * 1001, "offers.csv has more than 1,000 rows: import it in parts."),
    (orjson.dumps([{}] * 1001), "offers.csv has more than 1,000 rows: import it in parts."),
]


async def test_upload_of_invalid_file_is_rejected(api: ApiClient, resources: Resources) -> None:
    for content, message in UNREADABLE:
        code, error_message = await response_error(await send(api, content))
        assert (code, error_message[: len(message)]) == ("BAD_USER_INPUT", message)
    assert await session_rows(resources, 1) == []


async def test_upload_of_maximum_number_of_rows_is_accepted(api: ApiClient) -> None:
    content = b"url\n" + b"".join(b"http://127.0.0.1/%d\n" % number for number in range(1000))
    assert (await upload_session(api, content))["total"] == 1000


async def test_upload_without_operator_role_is_rejected(api: ApiClient) -> None:
    assert (await response_error(await send(api, role=None)))[0] == "UNAUTHENTICATED"
    assert (await response_error(await send(api, role=Role.VIEWER)))[0] == "FORBIDDEN"


async def test_form_without_preflight_header_is_rejected(api: ApiClient) -> None:
    response = await send(api, headers={})
    assert (response.status_code, (await response_error(response))[0]) == (400, "BAD_REQUEST")
    assert "another site" in response.text


INVALID_FORMS: list[tuple[dict[str, Any], str]] = [
    ({"places": {}}, "`map` must be a JSON object"),
    ({"places": []}, "`map` must be a JSON object"),
    ({"places": {"0": ["variables.file"], "1": ["variables.x"]}}, "`map` names the file `1`"),
    ({"places": {"1": ["variables.file"]}}, "`map` does not say where the file `0` belongs."),
    ({"places": {"0": "variables.file"}}, "`map` must give one place for `0`"),
    ({"places": {"0": []}}, "`map` must give one place for `0`"),
    ({"places": {"0": [["variables", "file"]]}}, "`map` must give one place for `0`"),
    ({"places": {"0": ["variables.nothing"]}}, "`map` names the place `variables.nothing`"),
    ({"places": {"0": ["query"]}}, "`map` names the place `query`"),
    ({"places": {"0": ["variables"]}}, "`map` names the place `variables`"),
    ({"places": {"0": ["variables.file.0"]}}, "`map` names the place `variables.file.0`"),
    ({"places": {"0": ["variables.__class__"]}}, "`map` names the place `variables.__class__`"),
    ({"places": {"operations": ["variables.file"]}}, "`map` does not say where the file `0` belongs."),
    ({"operations": [{"query": BULK}]}, "`operations` must be a JSON object"),
    ({"operations": {"query": BULK, "variables": {"file": 1}}}, "`map` names the place `variables.file`"),
    ({"operations": {"variables": {"file": None}}}, "Name a document"),
    ({"operations": {"query": "{ __typename }", "variables": {"file": None}}}, "Files are sent with mutations only."),
]


async def test_invalid_multipart_request_is_rejected(api: ApiClient) -> None:
    for form, message in INVALID_FORMS:
        response = await send(api, **form)
        assert (response.status_code, message in (await response_error(response))[1]) == (400, True), (
            form,
            response.text,
        )


DUPLICATE_KEY = (
    b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"a":1,"a":2}\r\n'
    b'--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n{}\r\n--x--'
)
MALFORMED_BODIES: list[tuple[str, bytes, str]] = [
    ("multipart/form-data", b"", "needs a `boundary`"),
    ("multipart/form-data; boundary=" + "x" * 71, b"", "needs a `boundary`"),
    ("multipart/form-data; boundary=x", b"", "begin and end with its boundary"),
    ("multipart/form-data; boundary=x", b"--x", "begin and end with its boundary"),
    ("multipart/form-data; boundary=x", b"hello\r\n--x--\r\n", "begin and end with its boundary"),
    ("multipart/form-data; boundary=x", b"--x--\r\n", "has no field `operations`"),
    ("multipart/form-data; boundary=x", b"--x\r\nA: b\r\n\r\n\r\n--x--\r\n", "has no name"),
    ("multipart/form-data; boundary=x", b"--x\r\nhello\r\n--x--\r\n", "no proper headers"),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 2 + b"--x--",
        "the field `a` twice",
    ),
    (
        "multipart/form-data; boundary=x",
        b"".join(b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\n1\r\n' % n for n in range(30)) + b"--x--",
        "too many fields",
    ),
    (
        "multipart/form-data; boundary=x",
        DUPLICATE_KEY,
        '`operations` has the name "a" twice',
    ),
]


async def test_malformed_multipart_body_is_rejected(api: ApiClient) -> None:
    for content_type, body, message in MALFORMED_BODIES:
        headers = {**PREFLIGHT, "content-type": content_type}
        response = await api.http.post("/graphql", content=body, headers=headers)
        assert (response.status_code, message in (await response_error(response))[1]) == (400, True), (
            body,
            response.text,
        )


async def test_form_over_size_limit_is_rejected(api: ApiClient) -> None:
    response = await send(api, b"url\n" + b"x" * 2048 * 1024)
    assert (response.status_code, await response_error(response)) == (
        413,
        ("BODY_TOO_LARGE", "The body is larger than 2048 KiB."),
    )


async def test_upload_variable_that_is_not_a_file_is_rejected(api: ApiClient) -> None:
    for value in ("http://127.0.0.1/", None, {"name": "x"}):
        response = await api.ask(BULK, Role.OPERATOR, file=value)
        (error,) = response["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert "Upload" in error["message"]
    code, message = await api.error('mutation { ingestBulk(file: "x") { session { id } } }', Role.OPERATOR)
    assert (code, "Upload must be a file" in message) == ("GRAPHQL_VALIDATION_FAILED", True)
