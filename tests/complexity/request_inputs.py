"""Shapes of JSON, URLs, headers and forms that a client can send, with the functions that read them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from graphql import ExecutionResult

from app.core.errors import AppError
from app.engine.compiler.variable_coercion import VariableCoercer
from app.engine.document import prepare_document
from app.engine.executor import encode_response
from app.graphql.error_masking import mask_errors
from app.server.authentication import Authenticator
from app.server.cache_headers import etag_matches
from app.server.client_address import TrustedProxies
from app.server.content_negotiation import negotiate_media_type
from app.server.graphql_http import _headers_by_name
from app.server.request_id import _client_request_id
from app.server.request_parsing import (
    MAX_BODY_BYTES,
    canonical_variables,
    parse_body,
    parse_payload,
    parse_query_string,
)
from app.server.static_files import _accepted_encodings
from app.server.strict_json import parse_json
from app.server.websocket import GraphQLWebSocketApp, _invalid_message_reason
from tests.complexity.growth import ClientInput
from tests.complexity.shapes import numbered, repeat, text_inputs
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.settings import make_settings

BODY = MAX_BODY_BYTES
HEADERS = 256 * 1024  # bytes; servers in front of this one, or its protocol class, admit fewer
UPLOAD = 1024 * 1024

# JSON: bodies, `variables` and `extensions` in URLs, WebSocket messages, `operations` and `map` of forms.
JSON_SHAPES: dict[str, Callable[[int], str]] = {
    "names": lambda n: numbered('"n#":1', n, "{", "}", ","),
    "a repeated name at the end": lambda n: numbered('"n#":1', n, "{", f',"n{n - 1}":1}}', ","),
    "each name twice": lambda n: numbered('"n#":1,"n#":1', n, "{", "}", ","),
    "objects with a repeated name": lambda n: repeat('{"a":1,"a":2},', n, "[", "0]"),
    "nested lists": lambda n: repeat("[", n),
    "nested objects": lambda n: repeat('{"a":', n),
    "closed nested lists": lambda n: "[" * n + "]" * n,
    "digits": lambda n: repeat("1", n),
    "decimals": lambda n: repeat("1", n, "0."),
    "long numbers": lambda n: repeat("123456789" * 30 + ",", n, "[", "0]"),
    "exponents": lambda n: repeat("1e308,", n, "[", "0]"),
    "escapes": lambda n: repeat("\\u00e9", n, '"', '"'),
    "surrogates": lambda n: repeat("\\ud83d\\ude00", n, '"', '"'),
    "lone surrogates": lambda n: repeat("\\ud83d", n, '"', '"'),
    "spaces": lambda n: repeat(" ", n, "[", "1]"),
    "lines and an error": lambda n: repeat("\n", n, "[", "?"),
    "strings": lambda n: repeat('"abc" ,', n, "[", "0]"),
    "backslashes": lambda n: repeat("\\\\", n, '"'),
}
VARIABLES_DOCUMENT = prepare_document(
    GRAPHQL_SCHEMA, "variables", "query($f: CPUFilter, $n: Int) { cpus(filter: $f, first: $n) { nodes { id } } }"
)
VARIABLE_SHAPES: dict[str, Callable[[int], str]] = {
    "values of an unknown enum": lambda n: repeat('"X",', n, '{"f":{"rating":[', '"X"]}}'),
    "values of an enum": lambda n: repeat('"GOOD",', n, '{"f":{"rating":[', '"GOOD"]}}'),
    "numbers for strings": lambda n: repeat("1,", n, '{"f":{"manufacturer":[', "1]}}"),
    "strings": lambda n: repeat('"a",', n, '{"f":{"manufacturer":[', '"a"]}}'),
    "unknown names": lambda n: numbered('"n#":1', n, '{"f":{', "}}", ","),
    "long unknown names": lambda n: numbered(f'"{"x" * 1000}#":1', n, '{"f":{', "}}", ","),
    "a long number": lambda n: repeat("1", n, '{"n":', "}"),
    "a long string for a number": lambda n: repeat("1", n, '{"n":"', '"}'),
    "objects in a list": lambda n: repeat("{},", n, '{"f":[', "{}]}"),
    "nested lists": lambda n: '{"f":{"rating":' + "[" * n + "]" * n + "}}",
    "undeclared variables": lambda n: numbered('"n#":1', n, "{", "}", ","),
}


def _read_json(text: str) -> object:
    return parse_json(text.encode(), "The body")


def _read_body(text: str) -> object:
    return parse_body("application/json", f'{{"documentId": "x", "variables": {text}}}'.encode(), None)


def _read_variables(text: str) -> object:
    """Read the variables of a request, check them as admission does, and coerce them."""
    request = parse_body("application/json", f'{{"documentId": "x", "variables": {text}}}'.encode(), None)
    operation = VARIABLES_DOCUMENT.select_operation(None)
    canonical_variables(request.variables, operation.variables)
    operation.cost(request.variables)
    with suppress(AppError):
        operation.variable_limits.check(request.variables)
    coerced = VariableCoercer(GRAPHQL_SCHEMA, operation.node).coerce(request.variables)
    return encode_response(ExecutionResult(None, mask_errors(coerced) if isinstance(coerced, list) else None))


def _read_message(text: str) -> object:
    message: Any = GraphQLWebSocketApp.decode_json(cast("Any", None), text)
    if _invalid_message_reason(message) is None:
        return parse_payload(message.get("payload") or {})
    return None


JSON_INPUTS = [
    *text_inputs("JSON", _read_json, BODY, JSON_SHAPES),
    *text_inputs("body", _read_body, BODY, {name: JSON_SHAPES[name] for name in ("names", "nested objects")}),
    *text_inputs("variables", _read_variables, BODY, VARIABLE_SHAPES),
    *text_inputs(
        "message",
        _read_message,
        UPLOAD,
        {
            "a repeated name": JSON_SHAPES["a repeated name at the end"],
            "a long id": lambda n: repeat("x", n, '{"type":"subscribe","id":"', '","payload":{"query":"{a}"}}'),
            "a long type": lambda n: repeat("x", n, '{"type":"', '"}'),
            "names": lambda n: numbered('"n#":1', n, '{"type":"subscribe","id":"1","payload":{', "}}", ","),
        },
    ),
]

URL_INPUTS = text_inputs(
    "query string",
    lambda text: parse_query_string(text.encode(), "x"),
    HEADERS,
    {
        "parameters": lambda n: numbered("n#=1&", n),
        "empty parameters": lambda n: repeat("&", n),
        "escapes": lambda n: repeat("%C3%A9", n, "a="),
        "invalid escapes": lambda n: repeat("%", n, "a="),
        "plus signs": lambda n: repeat("+", n, "a="),
        "equals signs": lambda n: repeat("=", n, "a="),
        "variables": lambda n: numbered("%22n#%22:1", n, "variables={", "}", ","),
        "a repeated name in variables": lambda n: numbered("%22n#%22:1,%22n#%22:1", n, "variables={", "}", ","),
    },
)


def _authenticate(token: str) -> object:
    return asyncio.run(Authenticator(make_settings()).authenticate(f"Bearer {token}"))


def _part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


_PROXIES = TrustedProxies(["10.0.0.0/8", "192.168.0.0/16"])

HEADER_INPUTS = [
    *text_inputs(
        "Accept",
        negotiate_media_type,
        HEADERS,
        {
            "types": lambda n: numbered("a/b#,", n),
            "parameters": lambda n: repeat("a/b" + ";a=b" * 2, n),
            "semicolons": lambda n: repeat(";", n),
            "qualities": lambda n: repeat("*/*;q=0.1,", n),
            "a long quality": lambda n: repeat("1", n, "*/*;q=0."),
        },
    ),
    *text_inputs(
        "If-None-Match",
        lambda text: etag_matches(text.encode(), b'"0123"'),
        HEADERS,
        {
            "validators": lambda n: repeat('W/"a",', n),
            "commas": lambda n: repeat(",", n),
            "spaces": lambda n: repeat(" ", n, end="*"),
        },
    ),
    *text_inputs(
        "X-Forwarded-For",
        lambda text: _PROXIES.client_address("10.0.0.1", text),
        HEADERS,
        {
            "proxies": lambda n: repeat("10.1.2.3, ", n, end="10.0.0.1"),
            "digits": lambda n: repeat("1", n),
            "dots": lambda n: repeat("1.", n),
            "colons": lambda n: repeat("1:", n),
        },
    ),
    *text_inputs(
        "Authorization",
        _authenticate,
        HEADERS,
        {
            "dots": lambda n: repeat(".", n),
            "a long part": lambda n: repeat("a", n),
            "a nested header": lambda n: _part('{"alg":"HS256","x":' + "[" * n) + ".e30.e30",
            "names in the header": lambda n: _part(numbered('"n#":1', n, "{", "}", ",")) + ".e30.e30",
        },
    ),
    *text_inputs("Accept-Encoding", _accepted_encodings, HEADERS, {"encodings": lambda n: repeat("gzip;q=0,", n)}),
    *[
        ClientInput(f"headers: {name}", _headers_by_name, create, 20_000)
        for name, create in {
            "cookies": lambda n: [(b"cookie", b"name=value")] * n,
            "repeated lines": lambda n: [(b"accept", b"application/json")] * n,
            "names": lambda n: [(b"x-%d" % number, b"") for number in range(n)],
        }.items()
    ],
    ClientInput(
        "X-Request-Id", lambda value: _client_request_id([(b"x-request-id", value)]), lambda n: b"a" * n, HEADERS
    ),
    *text_inputs(
        "Content-Type",
        lambda text: parse_body(text, b"{}", None),
        HEADERS,
        {
            "parameters": lambda n: repeat(";a=b", n, "application/json"),
            "charsets": lambda n: repeat(";charset=utf-8", n, "application/json"),
            "another type": lambda n: repeat("a", n),
            "parameters of a form": lambda n: repeat(";a=b", n, "multipart/form-data"),
            "semicolons of a form": lambda n: repeat(";", n, "multipart/form-data"),
            "semicolons in quotes of a form": lambda n: repeat(";", n, 'multipart/form-data; a="'),
            "quotes of a form": lambda n: repeat('"', n, "multipart/form-data; boundary="),
            "continued parameters of a form": lambda n: numbered(";a*#=b", n, "multipart/form-data"),
        },
    ),
]

# Forms.
_PART = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'


def _read_form(body: str) -> object:
    return parse_body("multipart/form-data; boundary=b", body.encode(), "x")


def _form(operations: str = "{}", file_map: str = '{"0":["variables.f"]}', content: str = "") -> str:
    file_part = _PART.format('0"; filename="a')
    parts = _PART.format("operations"), operations, "\r\n", _PART.format("map"), file_map, "\r\n", file_part, content
    return "".join((*parts, "\r\n--b--\r\n"))


FORM_INPUTS = text_inputs(
    "form",
    _read_form,
    UPLOAD,
    {
        "a file": lambda n: _form('{"variables":{"f":null}}', content="a" * n),
        "beginnings of a boundary": lambda n: _form(content="\r\n--" * n),
        "line ends": lambda n: _form(content="\r\n" * n),
        "hyphens": lambda n: _form(content="-" * n),
        "parts": lambda n: numbered('--b\r\nContent-Disposition: form-data; name="#"\r\n\r\n\r\n', n, end="--b--\r\n"),
        "headers of a part": lambda n: "--b\r\n" + "X: y\r\n" * n + "\r\n\r\n--b--\r\n",
        "a long header": lambda n: "--b\r\nX: " + "y" * n + "\r\n\r\n\r\n--b--\r\n",
        "a long header name": lambda n: "--b\r\n" + "y" * n + ": 1\r\n\r\n\r\n--b--\r\n",
        "a long file name": lambda n: (
            "--b\r\n" + f'Content-Disposition: form-data; name="a"; filename="{"a" * n}"\r\n\r\n\r\n--b--\r\n'
        ),
        "parameters of a part": lambda n: (
            "--b\r\nContent-Disposition: form-data" + ";a=b" * n + "\r\n\r\n\r\n--b--\r\n"
        ),
        "text before the form": lambda n: "a" * n + _form(),
        "a repeated name": lambda n: _form(JSON_SHAPES["a repeated name at the end"](n)),
        "a map with many files": lambda n: _form(file_map=numbered('"#":["variables.f"]', n, "{", "}", ",")),
        "a map with a long path": lambda n: _form('{"variables":{"f":[]}}', '{"0":["variables' + ".f" * n + '"]}'),
        "a map with many paths": lambda n: _form(file_map='{"0":[' + '"variables.f",' * n + '"variables.f"]}'),
    },
)


REQUEST_INPUTS = [*JSON_INPUTS, *URL_INPUTS, *HEADER_INPUTS, *FORM_INPUTS]
