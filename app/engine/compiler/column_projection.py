"""Column projection: which columns of which rows an operation needs, so that statements select no others."""

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

from app.graphql.fields import REQUIRED_COLUMNS, ColumnField
from app.graphql.strawberry_bridge import field_definition

# By the name of a GraphQL type: the columns needed of its rows; None means all columns.
ColumnsByType = Mapping[str, frozenset[str] | None]


def project_columns(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> ColumnsByType:
    """Return the columns that an operation needs of the rows of each type, whether @skip omits a field or not.

    A type needs all columns if one of its selected resolvers does not declare the columns that it reads. For a type
    that is missing no column is read.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    collector = ColumnCollector(schema, fragments)
    root = schema.get_root_type(operation.operation)
    assert root is not None
    collector.collect(operation.selection_set, root, root.name)
    return {
        name: None if name in collector.complete_types else frozenset(columns)
        for name, columns in collector.columns.items()
    }


class ColumnCollector:
    """Collects the columns of one operation's fields. `complete_types`: the types that need all columns."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.schema, self.fragments = schema, fragments
        self.columns: dict[str, set[str]] = {}
        self.complete_types: set[str] = set()
        # A fragment is visited once per type, even if it is spread several times.
        self._visited: set[tuple[int, str, str]] = set()

    def collect(self, selection_set: SelectionSetNode | None, parent: GraphQLObjectType, row_type: str) -> None:
        """Collect the columns of a selection of `parent`. They belong to the rows of `row_type`."""
        key = (id(selection_set), parent.name, row_type)
        if selection_set is None or key in self._visited:
            return
        self._visited.add(key)
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                self._collect_field(selection, parent, row_type)
            else:
                self._collect_fragment(selection, parent, row_type)

    def _collect_fragment(self, node: Any, parent: GraphQLObjectType, row_type: str) -> None:
        fragment = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        assert isinstance(fragment, (FragmentDefinitionNode, InlineFragmentNode))
        condition = fragment.type_condition
        if condition is None or parent in self._possible_types(self.schema.type_map[condition.name.value]):
            self.collect(fragment.selection_set, parent, row_type)

    def _collect_field(self, node: FieldNode, parent: GraphQLObjectType, row_type: str) -> None:
        field = parent.fields.get(node.name.value)
        if field is None:  # __typename, or introspection
            return
        definition = field_definition(field)
        is_embedded = isinstance(definition, ColumnField) and definition.column is None
        if not is_embedded:
            self._collect_columns(definition, parent, row_type)
        for type_ in self._possible_types(get_named_type(field.type)):
            self.collect(node.selection_set, type_, row_type if is_embedded else type_.name)

    def _collect_columns(self, definition: Any, parent: GraphQLObjectType, row_type: str) -> None:
        columns = self.columns.setdefault(row_type, set())
        if isinstance(definition, ColumnField):
            assert definition.column is not None
            columns.add(definition.column)
        elif definition is not None and REQUIRED_COLUMNS in definition.metadata:
            columns.update(definition.metadata[REQUIRED_COLUMNS])
        elif any(isinstance(field_definition(field), ColumnField) for field in parent.fields.values()):
            self.complete_types.add(row_type)

    def _possible_types(self, type_: Any) -> Iterable[GraphQLObjectType]:
        if is_abstract_type(type_):
            return self.schema.get_possible_types(type_)
        return [type_] if is_object_type(type_) else []
