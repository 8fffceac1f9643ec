"""What a document may cost at most: the static analysis of the GraphQL Cost Directives specification draft.

A field costs its `@cost` weight (1 for objects, 0 for leaves unless told otherwise) and what is selected below it; a
list that many times as it has items: the greatest of its slicing arguments, else the assumed size of `@listSize`. With
`sizedFields` it is not the field itself but those fields below it (`edges`, `nodes`) that have that size. The shape of
the sum is found once per document; only sizes that come from variables are looked up per request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from app.directives import CostWeight, ListSize

Cost = Callable[[Mapping[str, Any]], int]
Size = Callable[[Mapping[str, Any]], int]

DEFAULT_LIST = 10
GREATEST_INT = 2**31 - 1


@dataclass(frozen=True)
class _Measure:
    """The cost of selections of one operation."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    defaults: Mapping[str, int]

    def selections(self, selected: SelectionSetNode | None, parent: Any, sized: Mapping[str, Size]) -> Cost:
        """The sum over a selection set. Conditions (@skip) are not looked at: the cost is an upper bound."""
        if selected is None:
            return _nothing
        terms = [cost for each in selected.selections for cost in self._selection(each, parent, sized)]
        return lambda variables: sum(term(variables) for term in terms)

    def _selection(self, selection: Any, parent: Any, sized: Mapping[str, Size]) -> Iterable[Cost]:
        if isinstance(selection, FieldNode):
            definition = getattr(parent, "fields", {}).get(selection.name.value)
            if definition is not None:
                yield self._field(selection, definition, sized)
            return
        if isinstance(selection, FragmentSpreadNode):
            fragment: Any = self.fragments[selection.name.value]
        else:
            assert isinstance(selection, InlineFragmentNode)
            fragment = selection
        condition = fragment.type_condition
        target = parent if condition is None else self.schema.type_map[condition.name.value]
        yield self.selections(fragment.selection_set, target, sized)

    def _field(self, node: FieldNode, definition: GraphQLField, sized: Mapping[str, Size]) -> Cost:
        named = get_named_type(definition.type)
        own = _directive(definition, CostWeight)
        weight = own.weight if own is not None else int(is_composite_type(named))
        size, passed_on = self._sizes(node, definition, sized)
        below = self.selections(node.selection_set, named, passed_on)
        return lambda variables: size(variables) * (weight + below(variables))

    def _sizes(
        self, node: FieldNode, definition: GraphQLField, sized: Mapping[str, Size]
    ) -> tuple[Size, Mapping[str, Size]]:
        """How often the field counts, and the sizes of fields below it."""
        inherited = sized.get(node.name.value)
        rule = _directive(definition, ListSize)
        if rule is None:
            return inherited or (_assumed(DEFAULT_LIST) if _is_list(definition.type) else _once), {}
        size = self._slice(node, rule)
        if isinstance(rule.sized_fields, list):
            return inherited or _once, dict.fromkeys(rule.sized_fields, size)
        return size, {}

    def _slice(self, node: FieldNode, rule: ListSize) -> Size:
        slicing = rule.slicing_arguments if isinstance(rule.slicing_arguments, list) else []
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        values = [given[name] for name in slicing if name in given]
        literal = [found for value in values if (found := _literal(value)) is not None]
        named = [value.name.value for value in values if isinstance(value, VariableNode)]
        assumed, defaults = rule.assumed_size, self.defaults

        def size(variables: Mapping[str, Any]) -> int:
            asked = [s for name in named if (s := _number(variables.get(name, defaults.get(name)))) is not None]
            return max([*literal, *asked], default=assumed)

        return size if named else _assumed(size({}))


def measure(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
    """The cost of an operation as a function of its variables."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    defaults = {
        d.variable.name.value: size
        for d in operation.variable_definitions or ()
        if (size := _literal(d.default_value)) is not None
    }
    root = schema.get_root_type(operation.operation)
    return _Measure(schema, fragments, defaults).selections(operation.selection_set, root, {})


def _literal(value: Any) -> int | None:
    """The size that an argument in the text gives: an integer, or the length of a list."""
    if isinstance(value, ListValueNode):
        return len(value.values)
    # Never below zero: it would pay for what stands beside it.
    return max(int(value.value), 0) if isinstance(value, IntValueNode) else None


def _number(value: Any) -> int | None:
    """The size that a variable gives. A wrong type is refused later, when variables are coerced."""
    if isinstance(value, list):
        return len(value)
    # GraphQL takes 200.0 for the integer that it is.
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    return min(max(int(value), 0), GREATEST_INT) if whole else None


def _directive(definition: GraphQLField, kind: type) -> Any:
    field = definition.extensions.get("strawberry-definition")
    return next((d for d in getattr(field, "directives", ()) if isinstance(d, kind)), None)


def _is_list(of: Any) -> bool:
    return is_list_type(of.of_type if is_non_null_type(of) else of)


def _assumed(size: int) -> Size:
    return lambda _variables: size


def _once(_variables: Mapping[str, Any]) -> int:
    return 1


def _nothing(_variables: Mapping[str, Any]) -> int:
    return 0
