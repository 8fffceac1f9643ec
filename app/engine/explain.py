"""What a document runs: its generated code, and the statements that it sends, found by running it once."""

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

WIDTH = 120


def code_of(operation: Operation) -> str:
    """The generated Python, or why there is none."""
    return operation.plan.source if isinstance(operation.plan, Plan) else f"# interpreted: {operation.not_compiled}\n"


async def statements_of(
    resources: Resources, schema: GraphQLSchema, document: Document, operation: Operation, variables: Mapping[str, Any]
) -> list[str]:
    """The SQL that the operation sends when it runs with these variables. Raises BadInput when it cannot.

    Only queries are run: to see the statements of a mutation would be to carry it out.
    """
    if operation.kind is not OperationType.QUERY:
        raise BadInput(f"the statements of a {operation.kind.value} are not shown, because it would have to be run")
    required = [name for name in _required(operation) if name not in variables]
    if required:
        example = ", ".join(f'"{name}": ...' for name in required)
        raise BadInput(f"give --variables '{{{example}}}' to see the statements")
    seen: list[str] = []
    resources.reading.observer = seen.append
    try:
        async with Context(resources, Viewer("command line", Role.ADMIN), columns=operation.columns) as context:
            result = await execute_operation(schema, document, operation, variables, context)
    finally:
        resources.reading.observer = None
    if result.errors:
        raise BadInput(f"with these variables it fails: {result.errors[0].message}")
    return [readable(each) for each in seen]


def readable(sql: str) -> str:
    """A statement in lines that fit a screen."""
    lines = textwrap.dedent(sql).strip().splitlines()
    wrapped = [textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_long_words=False) for line in lines]
    return "\n".join(line for each in wrapped for line in each)


def _required(operation: Operation) -> list[str]:
    """Variables that must be given."""
    definitions = operation.node.variable_definitions or ()
    required = [each for each in definitions if isinstance(each.type, NonNullTypeNode) and each.default_value is None]
    return [each.variable.name.value for each in required]
