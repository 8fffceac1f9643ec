"""Error masking: clients get only the request id of an unexpected error."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import structlog
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    execute,
    parse,
)
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core import log_sampling
from app.core.log_sampling import LogSampler
from app.engine.compiler.compiler import compile_plan
from app.graphql import error_masking
from app.graphql.error_masking import mask_errors, to_client_error
from app.resources import Resources
from app.server.graphql_app import GraphQLApp
from app.server.request_id import RequestIdMiddleware
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.http_errors import only_error, post_graphql


async def test_unexpected_error_is_logged_with_the_request_id_sent_to_the_client(
    api: ApiClient, resources: Resources
) -> None:
    await add_cpu(resources, "CPU")
    async with resources.write() as tx:
        await tx.execute(text("DROP TABLE recalculation_failure, recalculation_watermark"))
        await tx.execute(text("ALTER TABLE listing RENAME TO a_secret_table"))
    for query in (
        "{ statistics { total } }",
        "{ cpus { nodes { listingsCount } } }",
        '{ cpu(slug: "cpu") { listingsCount } }',
    ):
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            response = await post_graphql(api, {"query": query})
        (error,) = response.json()["errors"]
        request_id = response.headers["x-request-id"]
        assert error["extensions"] == {"code": "INTERNAL"}
        assert error["message"] == f"Internal server error. Quote request ID {request_id} when reporting this."
        for secret in ("secret", "relation", "SELECT", "sqlalchemy", "Traceback", "asyncpg"):
            assert secret not in response.text
        (line,) = [line for line in logs if line["event"] == "request.failed"]
        assert line["request_id"] == request_id
        assert line["exc_info"] is not None


async def test_unexpected_error_outside_of_fields_is_masked(resources: Resources) -> None:
    broken: Any = None
    app = RequestIdMiddleware(GraphQLApp(resources, broken))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            response = await http.get("/graphql", params={"query": "{ __typename }"})
    error = only_error(response, 500)
    assert error["extensions"]["code"] == "INTERNAL"
    assert response.headers["x-request-id"] in error["message"]
    assert [line["request_id"] for line in logs] == [response.headers["x-request-id"]]


class Secret:
    """A value that no field expects; its text must not reach clients."""


OBJECT = GraphQLObjectType("Thing", {"name": GraphQLField(GraphQLString)}, is_type_of=lambda *_: False)
FLAGS = GraphQLEnumType("Flag", {"ON": 1})
FIELD_TYPES: dict[str, GraphQLOutputType] = {
    "thing": OBJECT,
    "things": GraphQLList(OBJECT),
    "number": GraphQLInt,
    "flag": FLAGS,
}
SECRET_SCHEMA = GraphQLSchema(
    GraphQLObjectType(
        "Query",
        {name: GraphQLField(type_, resolve=lambda *_: Secret()) for name, type_ in FIELD_TYPES.items()}
        | {
            "argument": GraphQLField(
                GraphQLInt, {"n": GraphQLArgument(GraphQLNonNull(GraphQLInt))}, resolve=lambda *_, n: n
            )
        },
    )
)


async def execute_both_ways(text: str, variables: dict[str, Any]) -> list[list[GraphQLError]]:
    """Return the errors of a compiled plan and of graphql-core, before masking."""
    document = parse(text)
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    compiled = await compile_plan(SECRET_SCHEMA, document, operation).execute(None, variables)
    interpreted: Any = execute(SECRET_SCHEMA, document, variable_values=variables)
    return [list(result.errors or []) for result in (compiled, interpreted)]


@pytest.mark.parametrize("query", ["{ thing { name } }", "{ things { name } }", "{ number }", "{ flag }"])
async def test_unexpected_value_is_logged_and_not_sent(query: str) -> None:
    for errors in await execute_both_ways(query, {}):
        assert len(errors) == 1
        with capture_logs() as logs:
            (masked,) = mask_errors(errors) or []
        assert masked.extensions == {"code": "INTERNAL"}
        assert masked.path == [re.findall(r"\w+", query)[0]]
        assert masked.message.startswith("Internal server error.")
        assert "secret" not in str(masked.formatted).lower()
        assert [entry["event"] for entry in logs] == ["request.failed"]


def test_flood_of_unexpected_errors_logs_each_request_id_and_few_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_masking, "_failed_log", LogSampler())
    monkeypatch.setattr(log_sampling, "MAX_SAMPLED_LINES", 2)
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        for number in range(5):
            with structlog.contextvars.bound_contextvars(request_id=f"r{number}"):
                to_client_error(ValueError("secret"))
    assert [line["request_id"] for line in logs] == ["r0", "r1", "r2", "r3", "r4"]
    assert [line["exc_info"] is not None for line in logs] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($n: Int = 1) { argument(n: $n) }", {"n": None}),
        ("query ($n: Int!) { argument(n: $n) }", {"n": "x"}),
        ("query ($n: Int!) { argument(n: $n) }", {}),
    ],
)
async def test_invalid_argument_or_variable_keeps_its_message(query: str, variables: dict[str, Any]) -> None:
    for errors in await execute_both_ways(query, variables):
        assert len(errors) == 1
        message = errors[0].message
        with capture_logs() as logs:
            (error,) = mask_errors(errors) or []
        assert (error.message, error.extensions) == (message, {"code": "GRAPHQL_VALIDATION_FAILED"})
        assert logs == []


async def test_request_id_header_is_validated_or_generated(api: ApiClient) -> None:
    async def answered(given: bytes | None, path: str = "/health") -> str:
        headers = {} if given is None else {b"x-request-id": given}
        return str((await api.http.get(path, headers=headers)).headers["x-request-id"])

    for path in ("/health", "/graphql", "/nothing", "/metrics"):
        assert re.fullmatch("[0-9a-f]{32}", await answered(None, path)), path
        assert await answered(b"my-Request_1.2", path) == "my-Request_1.2"
    assert await answered(b"a" * 64) == "a" * 64
    assert await answered(None) != await answered(None)
    for hostile in (
        b"a" * 65,
        b"",
        b"a b",
        b"<script>",
        b"a\tb",
        b"\xc3\xa9",
        b"a;b",
        b"../../x",
        b"$(reboot)",
        b"%0d%0a",
    ):
        assert re.fullmatch("[0-9a-f]{32}", await answered(hostile)), hostile
