"""Static cost analysis: an upper bound of an operation's cost, by the GraphQL Cost Directives specification draft.

The cost of a field is its `@cost` weight (by default 1 for an object, 0 for a leaf) plus the cost of its selection,
times its size. The size of a list is the greatest of its slicing arguments, or the assumed size of `@listSize`. If
`@listSize` has `sizedFields`, that size applies to these fields below (`edges`, `nodes`) and not to the field itself.

The sum is built once per document; only sizes that depend on variables are computed per request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Union

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
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from app.graphql.directives import CostWeight, ListSize
from app.graphql.strawberry_bridge import field_definition

# From the variables of a request to the cost.
Cost = Callable[[Mapping[str, Any]], int]
# A number, or a function of the variables.
Size = int | Cost
# The cost of a selection: a number, or a sum that depends on variables. A fragment that is spread several times is one
# object, so that fragments that spread each other twice are evaluated in linear time.
SelectionCost = Union[int, "_Sum"]

DEFAULT_LIST_SIZE = 10
MAX_INT = 2**31 - 1
# Sizes in the combinations whose costs are cached, for each operation. Clients use few.
MAX_CACHED_SIZES = 64


@dataclass(eq=False, slots=True)
class _Sum:
    """A sum of a constant and of terms that depend on variables: each a size times the cost of what it repeats."""

    constant: int
    terms: list[tuple[Size, SelectionCost]]

    def evaluate(self, variables: Mapping[str, Any], evaluated: dict[_Sum, int]) -> int:
        """Return the value for these variables. `evaluated` holds the sums that have been evaluated for them."""
        if self not in evaluated:
            evaluated[self] = self.constant + sum(
                _evaluate_size(size, variables)
                * (cost if isinstance(cost, int) else cost.evaluate(variables, evaluated))
                for size, cost in self.terms
            )
        return evaluated[self]


@dataclass(frozen=True)
class _CostAnalysis:
    """Builds the cost of an operation's selections.

    `defaults`: the sizes that the defaults of variables stand for. `size_variables`: the variables that the cost
    depends on, found during the analysis.
    """

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    defaults: Mapping[str, int]
    size_variables: set[str] = field(default_factory=set)
    _analyzed: dict[Any, SelectionCost] = field(default_factory=dict)

    def selection_cost(
        self, selection_set: SelectionSetNode | None, parent: Any, sizes: Mapping[str, Size]
    ) -> SelectionCost:
        """Return the cost of a selection set. `sizes`: by field name, those that the parent gives to its fields.

        Fields with @skip and @include are counted, because the cost is an upper bound.
        """
        if selection_set is None:
            return 0
        key = (
            id(selection_set),
            parent.name,
            *((name, size if isinstance(size, int) else id(size)) for name, size in sizes.items()),
        )
        if key not in self._analyzed:
            constant, variable_terms = 0, []
            for selection in selection_set.selections:
                for size, cost in self._terms(selection, parent, sizes):
                    if isinstance(size, int) and isinstance(cost, int):
                        constant += size * cost
                    else:
                        variable_terms.append((size, cost))
            self._analyzed[key] = _Sum(constant, variable_terms) if variable_terms else constant
        return self._analyzed[key]

    def _terms(self, selection: Any, parent: Any, sizes: Mapping[str, Size]) -> Iterable[tuple[Size, SelectionCost]]:
        if isinstance(selection, FieldNode):
            definition = getattr(parent, "fields", {}).get(selection.name.value)
            if definition is not None:
                yield self._field_term(selection, definition, sizes)
            return
        if isinstance(selection, FragmentSpreadNode):
            fragment: Any = self.fragments[selection.name.value]
        else:
            assert isinstance(selection, InlineFragmentNode)
            fragment = selection
        condition = fragment.type_condition
        type_ = parent if condition is None else self.schema.type_map[condition.name.value]
        yield 1, self.selection_cost(fragment.selection_set, type_, sizes)

    def _field_term(
        self, node: FieldNode, definition: GraphQLField, sizes: Mapping[str, Size]
    ) -> tuple[Size, SelectionCost]:
        """Return the size of a field and the cost of one item."""
        named_type = get_named_type(definition.type)
        directive = _find_directive(definition, CostWeight)
        weight = directive.weight if directive is not None else int(is_composite_type(named_type))
        size, sizes_below = self._sizes(node, definition, sizes)
        below = self.selection_cost(node.selection_set, named_type, sizes_below)
        return size, weight + below if isinstance(below, int) else _Sum(weight, [(1, below)])

    def _sizes(
        self, node: FieldNode, definition: GraphQLField, sizes: Mapping[str, Size]
    ) -> tuple[Size, Mapping[str, Size]]:
        """Return the size of a field, and the sizes that it gives to fields below."""
        inherited = sizes.get(node.name.value)
        directive = _find_directive(definition, ListSize)
        if directive is None:
            is_list = is_list_type(get_nullable_type(definition.type))
            return (DEFAULT_LIST_SIZE if is_list else 1) if inherited is None else inherited, {}
        size = self._slice_size(node, directive)
        if isinstance(directive.sized_fields, list):
            return 1 if inherited is None else inherited, dict.fromkeys(directive.sized_fields, size)
        return size, {}

    def _slice_size(self, node: FieldNode, directive: ListSize) -> Size:
        """Return the size of a list from its slicing arguments."""
        slicing_arguments = directive.slicing_arguments if isinstance(directive.slicing_arguments, list) else []
        values = [argument.value for argument in node.arguments or () if argument.name.value in slicing_arguments]
        literals = [size for value in values if (size := _literal_size(value)) is not None]
        variable_names = [value.name.value for value in values if isinstance(value, VariableNode)]
        assumed_size, defaults = directive.assumed_size, self.defaults

        def slice_size(variables: Mapping[str, Any]) -> int:
            values = [variables.get(name, defaults.get(name)) for name in variable_names]
            sizes = [size for value in values if (size := _variable_size(value)) is not None]
            return max([*literals, *sizes], default=assumed_size)

        self.size_variables.update(variable_names)
        return slice_size if variable_names else slice_size({})


def cost_function(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
    """Return the cost of an operation as a function of its variables."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    defaults = {
        definition.variable.name.value: size
        for definition in operation.variable_definitions or ()
        if (size := _literal_size(definition.default_value)) is not None
    }
    analysis = _CostAnalysis(schema, fragments, defaults)
    root_type = schema.get_root_type(operation.operation)
    total = analysis.selection_cost(operation.selection_set, root_type, {})
    if isinstance(total, int):
        return lambda _: total
    names = sorted(analysis.size_variables)

    @lru_cache(maxsize=MAX_CACHED_SIZES // len(names))
    def cost_of_sizes(*sizes: int | None) -> int:
        return total.evaluate(dict(zip(names, sizes, strict=True)), {})

    def cost(variables: Mapping[str, Any]) -> int:
        return cost_of_sizes(*[_variable_size(variables.get(name, defaults.get(name))) for name in names])

    return cost


def _evaluate_size(size: Size, variables: Mapping[str, Any]) -> int:
    return size if isinstance(size, int) else size(variables)


def _literal_size(value: Any) -> int | None:
    """Return the size that an argument's literal stands for: an integer, or the length of a list."""
    if isinstance(value, ListValueNode):
        return len(value.values)
    # A negative size would reduce the cost of other fields.
    return max(int(value.value), 0) if isinstance(value, IntValueNode) else None


def _variable_size(value: Any) -> int | None:
    """Return the size that a variable stands for. None for a wrong type, which coercion rejects later."""
    if isinstance(value, list):
        return len(value)
    # GraphQL accepts 200.0 as an integer.
    is_integer = type(value) is int or (isinstance(value, float) and value.is_integer())
    return min(max(int(value), 0), MAX_INT) if is_integer else None


def _find_directive(field: GraphQLField, directive_class: type) -> Any:
    definition = field_definition(field)
    directives = () if definition is None else definition.directives
    return next((directive for directive in directives if isinstance(directive, directive_class)), None)
