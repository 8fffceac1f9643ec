"""Execution of operations without HTTP, on the resources of a test."""

from __future__ import annotations

from typing import Any

from graphql import ExecutionResult, GraphQLError

from app.core.errors import BadInput
from app.engine.document import prepare_document
from app.engine.executor import execute_operation
from app.graphql.context import Context
from app.graphql.strawberry_bridge import graphql_schema
from app.graphql.viewer import Viewer
from app.resources import Resources
from app.schema.build import build_schema

SCHEMA = build_schema()
GRAPHQL_SCHEMA = graphql_schema(SCHEMA)


async def execute_query(
    resources: Resources, query: str, viewer: Viewer | None = None, **variables: Any
) -> ExecutionResult:
    """Execute an operation in a new context, as the server does for a request."""
    async with Context(resources, viewer or Viewer()) as context:
        return await execute_in_context(context, query, **variables)


async def execute_in_context(context: Context, query: str, **variables: Any) -> ExecutionResult:
    """Execute an operation in an existing context."""
    document = prepare_document(GRAPHQL_SCHEMA, "test", query)
    (operation,) = document.operations.values()
    try:
        operation.variable_limits.check(variables)  # as `Admission` does
    except BadInput as error:
        return ExecutionResult(None, [GraphQLError(error.message, extensions={"code": error.code})])
    return await execute_operation(GRAPHQL_SCHEMA, document, operation, variables, context)


async def query_data(resources: Resources, query: str, **variables: Any) -> dict[str, Any]:
    """Execute an operation and return its data; it must have no errors."""
    result = await execute_query(resources, query, **variables)
    assert not result.errors, result.errors
    assert result.data is not None
    return result.data


async def query_error(resources: Resources, query: str, **variables: Any) -> tuple[str, str]:
    """Execute an operation and return code and message of its only error."""
    result = await execute_query(resources, query, **variables)
    assert result.errors is not None, f"no error with {variables}"
    (only,) = result.errors
    assert only.extensions is not None
    return only.extensions["code"], only.message
