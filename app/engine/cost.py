"""What a document may cost at most: the static analysis of the GraphQL Cost Directives specification draft.

A field costs its `@cost` weight (1 for objects, 0 for leaves unless told otherwise) and what is selected below it; a
list that many times as it has items: the greatest of its slicing arguments, else the assumed size of `@listSize`. With
`sizedFields` it is not the field itself but those fields below it (`edges`, `nodes`) that have that size. The shape of
the sum is found once per document; only sizes that come from variables are looked up per request.
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
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from app.graphql.directives import CostWeight, ListSize

Cost = Callable[[Mapping[str, Any]], int]
# A size, or the cost of a part: known, or still to be found from variables. A part that occurs again and again (a
# fragment that is spread twice in one that is spread twice ...) is one object, measured once and summed once.
Size = int | Cost
Part = Union[int, "_Sum"]

DEFAULT_LIST = 10
GREATEST_INT = 2**31 - 1


@dataclass(eq=False, slots=True)
class _Sum:
    """A sum of which terms depend on variables: each a size times what is below."""

    known: int
    terms: list[tuple[Size, Part]]

    def of(self, variables: Mapping[str, Any], summed: dict[_Sum, int]) -> int:
        """The value; `summed` holds what was worked out for these variables."""
        if self not in summed:
            summed[self] = self.known + sum(
                _size(size, variables) * (below if isinstance(below, int) else below.of(variables, summed))
                for size, below in self.terms
            )
        return summed[self]


@dataclass(frozen=True)
class _Measure:
    """The cost of selections of one operation."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    defaults: Mapping[str, int]
    measured: dict[Any, Part] = field(default_factory=dict)
    # The variables that the cost depends on.
    deciding: set[str] = field(default_factory=set)

    def selections(self, selected: SelectionSetNode | None, parent: Any, sized: Mapping[str, Size]) -> Part:
        """The sum over a selection set. Conditions (@skip) are not looked at: the cost is an upper bound."""
        if selected is None:
            return 0
        key = (
            id(selected),
            parent.name,
            *((name, size if isinstance(size, int) else id(size)) for name, size in sized.items()),
        )
        if key not in self.measured:
            terms = [term for each in selected.selections for term in self._selection(each, parent, sized)]
            known = sum(size * below for size, below in terms if isinstance(size, int) and isinstance(below, int))
            open_terms = [each for each in terms if not (isinstance(each[0], int) and isinstance(each[1], int))]
            self.measured[key] = _Sum(known, open_terms) if open_terms else known
        return self.measured[key]

    def _selection(self, selection: Any, parent: Any, sized: Mapping[str, Size]) -> Iterable[tuple[Size, Part]]:
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
        yield 1, self.selections(fragment.selection_set, target, sized)

    def _field(self, node: FieldNode, definition: GraphQLField, sized: Mapping[str, Size]) -> tuple[Size, Part]:
        named = get_named_type(definition.type)
        own = _directive(definition, CostWeight)
        weight = own.weight if own is not None else int(is_composite_type(named))
        size, passed_on = self._sizes(node, definition, sized)
        below = self.selections(node.selection_set, named, passed_on)
        return size, weight + below if isinstance(below, int) else _Sum(weight, [(1, below)])

    def _sizes(
        self, node: FieldNode, definition: GraphQLField, sized: Mapping[str, Size]
    ) -> tuple[Size, Mapping[str, Size]]:
        """How often the field counts, and the sizes of fields below it."""
        inherited = sized.get(node.name.value)
        rule = _directive(definition, ListSize)
        if rule is None:
            return (DEFAULT_LIST if _is_list(definition.type) else 1) if inherited is None else inherited, {}
        size = self._slice(node, rule)
        if isinstance(rule.sized_fields, list):
            return 1 if inherited is None else inherited, dict.fromkeys(rule.sized_fields, size)
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

        self.deciding.update(named)
        return size if named else size({})


def measure(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Cost:
    """The cost of an operation as a function of its variables."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    defaults = {
        d.variable.name.value: size
        for d in operation.variable_definitions or ()
        if (size := _literal(d.default_value)) is not None
    }
    root = schema.get_root_type(operation.operation)
    measuring = _Measure(schema, fragments, defaults)
    whole = measuring.selections(operation.selection_set, root, {})
    if isinstance(whole, int):
        return lambda _: whole
    names = sorted(measuring.deciding)

    @lru_cache(maxsize=1_000)
    def of_sizes(*sizes: int | None) -> int:
        # Clients ask for few sizes, and ask for them often.
        return whole.of(dict(zip(names, sizes, strict=True)), {})

    return lambda variables: of_sizes(*[_number(variables.get(name, defaults.get(name))) for name in names])


def _size(size: Size, variables: Mapping[str, Any]) -> int:
    return size if isinstance(size, int) else size(variables)


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
