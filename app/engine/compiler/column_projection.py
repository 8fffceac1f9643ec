"""Which columns an operation needs of which rows: found once per document, so that statements select no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_object_type,
)

from app.graphql.fields import NEEDS, Column

# By the name of a GraphQL type; None: all columns.
Columns = Mapping[str, frozenset[str] | None]


def columns_of(schema: GraphQLSchema, ast: DocumentNode, operation: OperationDefinitionNode) -> Columns:
    """What the operation needs of the rows of each type: the union over all its selections, whatever @skip says.

    A resolver of a row that does not say what it needs gets all columns. Types that are not named have no column read.
    """
    fragments = {node.name.value: node for node in ast.definitions if isinstance(node, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    walk.selections(operation.selection_set, root, root.name)
    return {name: None if name in walk.whole else frozenset(needed) for name, needed in walk.needed.items()}


class _Walk:
    """Goes through the selections of one operation."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.schema, self.fragments = schema, fragments
        self.needed: dict[str, set[str]] = {}
        self.whole: set[str] = set()
        # The same selections of the same type need the same: a fragment is gone through once, however often spread.
        self._seen: set[tuple[int, str, str]] = set()

    def selections(self, selected: SelectionSetNode | None, parent: GraphQLObjectType, row: str) -> None:
        """Selections of an object type; its columns belong to the rows of the type `row`."""
        key = (id(selected), parent.name, row)
        if selected is None or key in self._seen:
            return
        self._seen.add(key)
        for each in selected.selections:
            if isinstance(each, FieldNode):
                self._field(each, parent, row)
            else:
                self._fragment(each, parent, row)

    def _fragment(self, spread: Any, parent: GraphQLObjectType, row: str) -> None:
        fragment = self.fragments[spread.name.value] if isinstance(spread, FragmentSpreadNode) else spread
        assert isinstance(fragment, (FragmentDefinitionNode, InlineFragmentNode))
        condition = fragment.type_condition
        if condition is None or parent in self._possible(self.schema.type_map[condition.name.value]):
            self.selections(fragment.selection_set, parent, row)

    def _field(self, node: FieldNode, parent: GraphQLObjectType, row: str) -> None:
        definition = parent.fields.get(node.name.value)
        if definition is None:  # __typename, or introspection
            return
        declared: Any = definition.extensions.get("strawberry-definition")
        same_row = isinstance(declared, Column) and declared.column is None
        if not same_row:
            self._needs(declared, parent, row)
        kind = get_named_type(definition.type)
        for possible in self._possible(kind):
            self.selections(node.selection_set, possible, row if same_row else possible.name)

    def _needs(self, declared: Any, parent: GraphQLObjectType, row: str) -> None:
        needed = self.needed.setdefault(row, set())
        if isinstance(declared, Column):
            assert declared.column is not None
            needed.add(declared.column)
        elif declared is not None and NEEDS in declared.metadata:
            needed.update(declared.metadata[NEEDS])
        elif any(isinstance(field.extensions.get("strawberry-definition"), Column) for field in parent.fields.values()):
            self.whole.add(row)

    def _possible(self, kind: Any) -> Iterable[GraphQLObjectType]:
        if is_abstract_type(kind):
            return self.schema.get_possible_types(kind)
        return [kind] if is_object_type(kind) else []
