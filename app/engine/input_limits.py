"""Enforcement of the limits of arguments and input fields, which app/graphql/input_limits.py declares.

Literals are checked when a document is validated. Variables are checked before anything else uses them, and a list that
is too long is rejected without a look at its values. Compiled and interpreted operations and subscriptions are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValidationRule,
    VariableNode,
    get_named_type,
)

from app.core.errors import BadInput
from app.graphql.input_limits import InputLimit, input_limit


class InputTooLarge(BadInput):
    """A list has too many values, or a text too many characters."""


class _Input(NamedTuple):
    """An argument or input field. `name` includes the argument that contains it, such as `filter.rating`."""

    name: str
    limit: InputLimit
    type: Any

    def field(self, name: str) -> _Input | None:
        """Return a field of an input object; None if there is no such field."""
        field = _fields(self.type).get(name) if isinstance(self.type, GraphQLInputObjectType) else None
        return None if field is None else field._replace(name=f"{self.name}.{name}")

    def check_values(self, count: int) -> None:
        """Check the number of values of a list. Raises InputTooLarge."""
        limit = self.limit.max_values
        if limit is not None and count > limit:
            raise InputTooLarge(
                f"`{self.name}` takes at most {limit:,} values, not {count:,}: "
                "send each value once, and split the request if they are still too many."
            )

    def check_length(self, text: str) -> None:
        """Check the length of a text. Raises InputTooLarge."""
        limit = self.limit.max_length
        if limit is not None and len(text) > limit:
            raise InputTooLarge(f"`{self.name}` takes at most {limit:,} characters, not {len(text):,}: shorten it.")


@lru_cache(maxsize=100)
def _fields(type_: GraphQLInputObjectType) -> Mapping[str, _Input]:
    return {name: _input(name, field) for name, field in type_.fields.items()}


def _input(name: str, definition: Any) -> _Input:
    return _Input(name, input_limit(definition), get_named_type(definition.type))


class VariableLimits:
    """The limits of an operation's variables: those of all arguments and input fields that a variable is passed to."""

    def __init__(self, uses: Mapping[str, list[_Input]]) -> None:
        self._uses = [(name, used_for) for name, inputs in uses.items() for used_for in dict.fromkeys(inputs)]

    def check(self, variables: Mapping[str, Any]) -> None:
        """Check the values, which have not been coerced yet. Raises InputTooLarge."""
        for name, used_for in self._uses:
            _check_value(variables.get(name), used_for)


def _check_value(value: Any, used_for: _Input) -> None:
    if isinstance(value, list):
        used_for.check_values(len(value))
        for item in value:
            if not isinstance(item, list):  # coercion rejects lists of lists
                _check_value(item, used_for)
    elif isinstance(value, str):
        used_for.check_length(value)
    elif isinstance(value, dict) and isinstance(used_for.type, GraphQLInputObjectType):
        for name in _fields(used_for.type).keys() & value.keys():
            field = used_for.field(name)
            assert field is not None
            _check_value(value[name], field)


class InputScan:
    """Scan of an operation's arguments: `errors` of literals, and the limits of the variables in `uses`.

    `scanned`: the selections that another scan has seen, which this one skips.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        scanned: set[tuple[int, str]] | None = None,
    ) -> None:
        self.schema = schema
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.errors: list[GraphQLError] = []
        self.uses: dict[str, list[_Input]] = {}
        # A fragment is scanned once per type, even if it is spread several times.
        self._scanned = set[tuple[int, str]]() if scanned is None else scanned
        root = schema.get_root_type(operation.operation)
        if root is not None:
            self._scan(operation.selection_set, root)
        for definition in operation.variable_definitions or ():
            for used_for in self.uses.get(definition.variable.name.value, ()):
                self._check_literal(definition.default_value, used_for)

    def _scan(self, selection_set: SelectionSetNode | None, parent: Any) -> None:
        key = (id(selection_set), parent.name)
        if selection_set is None or key in self._scanned:
            return
        self._scanned.add(key)
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                self._scan_field(selection, parent)
                continue
            fragment: Any = selection
            if isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments.get(selection.name.value)
            if fragment is not None:
                condition = fragment.type_condition
                type_ = parent if condition is None else self.schema.type_map.get(condition.name.value)
                if type_ is not None:
                    self._scan(fragment.selection_set, type_)

    def _scan_field(self, node: FieldNode, parent: Any) -> None:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        if definition is None:
            return
        for argument in node.arguments or ():
            if (declared := definition.args.get(argument.name.value)) is not None:
                self._check_literal(argument.value, _input(argument.name.value, declared))
        self._scan(node.selection_set, get_named_type(definition.type))

    def _check_literal(self, node: Node | None, used_for: _Input) -> None:
        if isinstance(node, VariableNode):
            self.uses.setdefault(node.name.value, []).append(used_for)
        elif isinstance(node, ListValueNode):
            self._report(node, used_for.check_values, len(node.values))
            for item in node.values:
                self._check_literal(item, used_for)
        elif isinstance(node, (StringValueNode, IntValueNode, FloatValueNode)):
            self._report(node, used_for.check_length, node.value)
        elif isinstance(node, ObjectValueNode):
            for field_node in node.fields:
                if (field := used_for.field(field_node.name.value)) is not None:
                    self._check_literal(field_node.value, field)

    def _report(self, node: Node, check: Callable[[Any], None], value: Any) -> None:
        try:
            check(value)
        except InputTooLarge as error:
            self.errors.append(GraphQLError(error.message, node, extensions={"code": error.code}))


class InputLimitsRule(ValidationRule):
    """Limits the number of values of list literals and the length of text literals."""

    def enter_document(self, node: DocumentNode, *_: Any) -> None:
        """Check the literals of all operations. A literal of a fragment that several of them spread is one error."""
        errors: dict[Node, GraphQLError] = {}
        scanned = set[tuple[int, str]]()
        for operation in node.definitions:
            if isinstance(operation, OperationDefinitionNode):
                # Only the check of defaults needs the uses of variables in fragments of other operations.
                has_defaults = any(definition.default_value for definition in operation.variable_definitions or ())
                found = InputScan(self.context.schema, node, operation, None if has_defaults else scanned).errors
                errors.update((error.nodes[0], error) for error in found if error.nodes)
        for error in errors.values():
            self.report_error(error)
