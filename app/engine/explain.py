"""Explain an operation: its generated code, and the SQL statements that it executes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from graphql import GraphQLSchema, NonNullTypeNode, OperationType

from app.core.errors import BadInput
from app.engine.compiler.compiler import Plan
from app.engine.document import Document, Operation
from app.engine.executor import execute_operation
from app.graphql.context import Context
from app.graphql.viewer import Role, Viewer
from app.resources import Resources

MAX_LINE_LENGTH = 120


def generated_code(operation: Operation) -> str:
    """Return the generated Python code, or a comment with the reason why there is none."""
    plan = operation.plan
    return plan.source if isinstance(plan, Plan) else f"# interpreted: {operation.not_compiled_reason}\n"


async def executed_statements(
    resources: Resources, schema: GraphQLSchema, document: Document, operation: Operation, variables: Mapping[str, Any]
) -> list[str]:
    """Execute a query with these variables and return the SQL statements that it executed.

    Raises BadInput if a required variable is missing, if the query fails, and for mutations and subscriptions.
    """
    if operation.kind is not OperationType.QUERY:
        raise BadInput(f"the statements of a {operation.kind.value} are not shown, because it would be executed")
    required = [name for name in _required_variables(operation) if name not in variables]
    if required:
        example = ", ".join(f'"{name}": ...' for name in required)
        raise BadInput(f"pass --variables '{{{example}}}' to see the statements")
    statements: list[str] = []
    resources.read_pool.statement_observer = statements.append
    try:
        async with Context(resources, Viewer("command line", Role.ADMIN), columns=operation.columns) as context:
            result = await execute_operation(schema, document, operation, variables, context)
    finally:
        resources.read_pool.statement_observer = None
    if result.errors:
        raise BadInput(f"with these variables the query fails: {result.errors[0].message}")
    return [wrap_sql(statement) for statement in statements]


def wrap_sql(sql: str) -> str:
    """Wrap the lines of a statement at MAX_LINE_LENGTH characters."""
    lines = textwrap.dedent(sql).strip().splitlines()
    wrapped = [textwrap.wrap(line, MAX_LINE_LENGTH, subsequent_indent="    ", break_long_words=False) for line in lines]
    return "\n".join(line for parts in wrapped for line in parts)


def _required_variables(operation: Operation) -> list[str]:
    return [
        definition.variable.name.value
        for definition in operation.node.variable_definitions or ()
        if isinstance(definition.type, NonNullTypeNode) and definition.default_value is None
    ]
