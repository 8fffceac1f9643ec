"""Files of URLs over HTTP: the form of the GraphQL multipart request, and what is in the file."""

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
    """The API; URLs of this machine may be asked for."""
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
    """A form as browsers send it."""
    if operations is None:
        operations = {"query": BULK, "variables": {"file": None, **variables}}
    return await api.http.post(
        "/graphql",
        headers={**headers, **({} if role is None else api.token(role))},
        data={"operations": orjson.dumps(operations).decode(), "map": orjson.dumps(places).decode()},
        files={"0": (name, content)},
    )


async def session(api: ApiClient, content: bytes, name: str = "offers.csv", **variables: Any) -> dict[str, Any]:
    """The session that a file became."""
    answer = (await send(api, content, name=name, **variables)).json()
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["ingestBulk"]["session"]
    return found


async def refusal(response: httpx.Response) -> tuple[str, str]:
    """Code and message of the one error."""
    (error,) = response.json()["errors"]
    return error["extensions"]["code"], error["message"]


async def test_a_file_becomes_a_session(api: ApiClient, resources: Resources) -> None:
    content = b"title;url\nx;http://127.0.0.1:1/a\ny;http://127.0.0.1:1/b\n"
    found = await session(api, content, priority="HIGH")
    rows = found.pop("rows")
    assert found == {
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
    nothing = {"status": "QUEUED", "attempts": 0, "errorCode": None, "error": None, "listings": []}
    assert rows["nodes"] == [
        {"position": 1, "url": "http://127.0.0.1:1/a", **nothing},
        {"position": 2, "url": "http://127.0.0.1:1/b", **nothing},
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


async def test_files_as_they_occur(api: ApiClient) -> None:
    for content, urls in READABLE:
        found = await session(api, content)
        assert (found["total"], found["failed"]) == (urls, 0)
        assert found["source"] == ("JSON" if b"[" in content else "CSV")


async def test_a_file_in_an_encoding_that_is_told(api: ApiClient) -> None:
    content = "url,note\nhttp://127.0.0.1/a,caf\u00e9\n".encode("cp1252")
    code, message = await refusal(await send(api, content))
    assert (code, "line 2, is not valid utf-8" in message) == ("BAD_USER_INPUT", True)
    assert (await session(api, content, encoding="cp1252"))["total"] == 1
    code, message = await refusal(await send(api, content, encoding="cp\0"))
    assert (code, "is not a known encoding" in message) == ("BAD_USER_INPUT", True)


async def test_rows_that_are_no_urls_fail_alone(api: ApiClient) -> None:
    content = (
        b"url,note\nhttp://127.0.0.1/a,1\nftp://127.0.0.1/b,2\n,3\nnothing,4\nhttp://10.0.0.1/,5\n"
        b"http://127.0.0.1/a,6\nhttp://127.0.0.1/c,7,8\n"
    )
    found = await session(api, content)
    assert (found["status"], found["total"], found["failed"], found["done"]) == ("QUEUED", 7, 5, 5)
    codes = [(row["status"], row["errorCode"]) for row in found["rows"]["nodes"]]
    refused, broken, queued = ("FAILED", "URL_REFUSED"), ("FAILED", "ROW_REFUSED"), ("QUEUED", None)
    assert codes == [queued, refused, broken, refused, refused, queued, broken]
    assert found["rows"]["nodes"][6]["error"] == "The row cannot be read: the row has 3 cells, the header 2."
    found = await session(api, b'[{"url": 1}, {"link": "http://127.0.0.1/"}, "http://127.0.0.1/", null, {"url": ""}]')
    assert (found["status"], found["failed"]) == ("FAILED", 5)
    assert {row["error"] for row in found["rows"]["nodes"]} == {"The row is not an object with a string `url`."}
    found = await session(api, b'[{"url": "http://127.0.0.1/a"}, ' + b"[" * 400 + b"]" * 401)
    assert (found["total"], found["failed"]) == (2, 1), "however deep it is nested"


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


async def test_files_that_are_refused_whole(api: ApiClient, resources: Resources) -> None:
    for content, message in UNREADABLE:
        code, told = await refusal(await send(api, content))
        assert (code, told[: len(message)]) == ("BAD_USER_INPUT", message)
    assert await session_rows(resources, 1) == []


async def test_as_many_rows_as_there_may_be(api: ApiClient) -> None:
    content = b"url\n" + b"".join(b"http://127.0.0.1/%d\n" % number for number in range(1000))
    assert (await session(api, content))["total"] == 1000


async def test_operators_alone(api: ApiClient) -> None:
    assert (await refusal(await send(api, role=None)))[0] == "UNAUTHENTICATED"
    assert (await refusal(await send(api, role=Role.VIEWER)))[0] == "FORBIDDEN"


async def test_a_page_of_another_site_cannot_send_a_form(api: ApiClient) -> None:
    response = await send(api, headers={})
    assert (response.status_code, (await refusal(response))[0]) == (400, "BAD_REQUEST")
    assert "another site" in response.text


WRONG: list[tuple[dict[str, Any], str]] = [
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


async def test_forms_that_are_refused(api: ApiClient) -> None:
    for form, message in WRONG:
        response = await send(api, **form)
        assert (response.status_code, message in (await refusal(response))[1]) == (400, True), (form, response.text)


DOUBLE = (
    b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"a":1,"a":2}\r\n'
    b'--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n{}\r\n--x--'
)
RAW: list[tuple[str, bytes, str]] = [
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
        DOUBLE,
        '`operations` has the name "a" twice',
    ),
]


async def test_bodies_that_are_no_forms(api: ApiClient) -> None:
    for content_type, body, message in RAW:
        headers = {**PREFLIGHT, "content-type": content_type}
        response = await api.http.post("/graphql", content=body, headers=headers)
        assert (response.status_code, message in (await refusal(response))[1]) == (400, True), (body, response.text)


async def test_a_form_over_the_limit_is_refused(api: ApiClient) -> None:
    response = await send(api, b"url\n" + b"x" * 2048 * 1024)
    assert (response.status_code, await refusal(response)) == (
        413,
        ("BODY_TOO_LARGE", "The body is larger than 2048 KiB."),
    )


async def test_a_file_that_is_none(api: ApiClient) -> None:
    for value in ("http://127.0.0.1/", None, {"name": "x"}):
        answer = await api.ask(BULK, Role.OPERATOR, file=value)
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert "Upload" in error["message"]
    code, message = await api.error('mutation { ingestBulk(file: "x") { session { id } } }', Role.OPERATOR)
    assert (code, "Upload must be a file" in message) == ("GRAPHQL_VALIDATION_FAILED", True)
