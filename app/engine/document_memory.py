"""Estimate of the memory that a document takes, with the plans that are compiled for it."""

from __future__ import annotations

import sys

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    print_ast,
)

from app.engine.compiler.compiler import MAX_PLAN_FIELDS, MAX_VARIANT_FIELDS, MAX_VARIANTS

# Measured with tracemalloc: a document, an operation with its cached costs, a token with its nodes, a field of a plan.
DOCUMENT_BYTES = 40_000
OPERATION_BYTES = 20_000
TOKEN_BYTES = 520
PLAN_FIELD_BYTES = 1_400


def estimate_memory(text: str, ast: DocumentNode) -> int:
    """Return the memory of a document in bytes, assuming that all plans of its operations are compiled."""
    counter = _FieldCounter(ast)
    operations = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    return (
        DOCUMENT_BYTES
        + 2 * sys.getsizeof(text)  # tokens repeat it in parts, comments too
        + OPERATION_BYTES * len(operations)
        + TOKEN_BYTES * _token_count(ast)
        + PLAN_FIELD_BYTES * sum(map(counter.plan_fields, operations))
    )


def _token_count(ast: DocumentNode) -> int:
    number, token = 0, ast.loc.start_token if ast.loc else None
    while token is not None:
        number, token = number + 1, token.next
    return number


class _FieldCounter:
    """Counts the fields of plans. The fields of a fragment count wherever it is spread, as they do in a plan."""

    def __init__(self, ast: DocumentNode) -> None:
        fragments = (node for node in ast.definitions if isinstance(node, FragmentDefinitionNode))
        self._fragments = {node.name.value: node for node in fragments}
        self._counts: dict[str, int] = {}

    def plan_fields(self, operation: OperationDefinitionNode) -> int:
        """Return the number of fields in all variants of the plan. A Boolean variable may double the variants."""
        fields = min(self._count(operation.selection_set), MAX_PLAN_FIELDS)
        types = (definition.type for definition in operation.variable_definitions or ())
        conditions = sum(print_ast(type_).startswith("Boolean") for type_ in types)
        return max(fields, min(fields * min(1 << conditions, MAX_VARIANTS), MAX_VARIANT_FIELDS))

    def _count(self, selection_set: SelectionSetNode | None) -> int:
        return sum(map(self._count_selection, selection_set.selections)) if selection_set is not None else 0

    def _count_selection(self, selection: SelectionNode) -> int:
        if isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name not in self._counts:
                self._counts[name] = self._count(self._fragments[name].selection_set)
            return self._counts[name]
        assert isinstance(selection, (FieldNode, InlineFragmentNode))
        return int(isinstance(selection, FieldNode)) + self._count(selection.selection_set)
