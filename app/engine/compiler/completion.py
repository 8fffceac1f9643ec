"""Field-by-field completion: the slow path for values that generated code does not expect.

Implements CompleteValue() of the GraphQL specification, with the error messages of graphql-core.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
    default_type_resolver,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.pyutils import inspect, is_iterable

from app.engine.compiler.awaitables import collect_async
from app.engine.compiler.plan import Children, Execution, Field, must_be_awaited
from app.engine.compiler.resolve_info import ResolveInfo


class ValueSlot(NamedTuple):
    """The place of one value in the response: `container[key]`.

    The container is `parent_result`, the result that has the field, or a list below it at `indices`.
    """

    field: Field
    type: GraphQLOutputType
    parent_result: dict[str, Any]
    container: Any
    key: Any
    indices: tuple[int, ...]


def complete_value(execution: Execution, field: Field, result: dict[str, Any], value: Any, children: Children) -> None:
    """Complete the value of a field and put it into the result.

    Objects are added to `children`. A value that must be awaited is completed at the end of the level. An error leaves
    null in the result and is reported to the execution.
    """
    slot = ValueSlot(field, field.type, result, result, field.key, ())
    _Completion(execution, children).complete(slot, value)


class _Completion:
    """Completes values, and collects the objects among them."""

    def __init__(self, execution: Execution, children: Children) -> None:
        self.execution, self.children = execution, children

    def complete(self, slot: ValueSlot, value: Any) -> None:
        """Complete a value of the slot's type. Errors are reported to the execution."""
        try:
            self._complete_as(slot, slot.type, value)
        except Exception as error:
            self._fail(slot, error)

    def _complete_as(self, slot: ValueSlot, type_: Any, value: Any) -> None:
        if isinstance(value, Exception):
            raise value
        if must_be_awaited(value):
            self._complete_when_ready(slot, value)
            return
        is_null = value is None or value is Undefined
        if is_non_null_type(type_):
            type_ = type_.of_type
            if is_null:
                raise TypeError(f"Cannot return null for non-nullable field {_qualified_name(slot.field)}.")
        slot.container[slot.key] = None
        if is_null:
            return
        if is_list_type(type_):
            self._complete_list(slot, type_, value)
        elif is_leaf_type(type_):
            slot.container[slot.key] = _coerce_leaf(type_, value)
        elif is_abstract_type(type_):
            self._complete_abstract(slot, type_, value)
        else:
            self._complete_object(slot, type_, value)

    def _complete_list(self, slot: ValueSlot, type_: Any, value: Any) -> None:
        if hasattr(value, "__aiter__"):
            self._complete_when_ready(slot, collect_async(value))
            return
        if not is_iterable(value):
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{_qualified_name(slot.field)}'.")
        items = list(value)
        results = slot.container[slot.key] = [None] * len(items)
        for index, item in enumerate(items):
            item_slot = slot._replace(type=type_.of_type, container=results, key=index, indices=(*slot.indices, index))
            self.complete(item_slot, item)

    def _complete_abstract(self, slot: ValueSlot, type_: Any, value: Any) -> None:
        """Complete an object of an interface or union."""
        info: Any = ResolveInfo(self.execution, slot.field, slot.parent_result)
        type_name = (type_.resolve_type or default_type_resolver)(value, info, type_)

        def complete(completion: _Completion, type_name: Any) -> None:
            object_type = _checked_object_type(self.execution, slot.field, type_, value, type_name)
            completion._complete_object(slot, object_type, value)

        if must_be_awaited(type_name):
            self._continue_when_ready(slot, type_name, complete)
        else:
            complete(self, type_name)

    def _complete_object(self, slot: ValueSlot, type_: GraphQLObjectType, value: Any) -> None:
        info: Any = ResolveInfo(self.execution, slot.field, slot.parent_result)
        is_type = True if type_.is_type_of is None else type_.is_type_of(value, info)

        def collect(completion: _Completion, is_type: Any) -> None:
            completion._collect(slot, type_, value, is_type)

        if must_be_awaited(is_type):
            self._continue_when_ready(slot, is_type, collect)
        else:
            collect(self, is_type)

    def _collect(self, slot: ValueSlot, type_: GraphQLObjectType, value: Any, is_type: Any) -> None:
        """Add an object to the children. Raises GraphQLError unless `is_type`, the result of `is_type_of`, is true."""
        if not is_type:
            raise GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", slot.field.nodes)
        sources, targets = self.children.setdefault(slot.field.selections[type_.name], ([], []))
        sources.append(value)
        targets.append((slot.container, slot.key))

    def _complete_when_ready(self, slot: ValueSlot, awaitable: Awaitable[Any]) -> None:
        """Complete the result of an awaitable."""
        self._continue_when_ready(slot, awaitable, lambda completion, value: completion.complete(slot, value))

    def _continue_when_ready(
        self, slot: ValueSlot, awaitable: Awaitable[Any], resume: Callable[[_Completion, Any], None]
    ) -> None:
        """Call `resume` with the result of an awaitable, and a completion for the objects that are found then."""

        def on_result(result: Any) -> None:
            completion = _Completion(self.execution, {})
            try:
                if isinstance(result, Exception):
                    raise result
                resume(completion, result)
            except Exception as error:
                self._fail(slot, error)
            self.execution.execute_children(completion.children)

        self.execution.when_ready(awaitable, on_result)

    def _fail(self, slot: ValueSlot, error: Exception) -> None:
        slot.container[slot.key] = None
        self.execution.report_error(slot.parent_result, slot.field, slot.indices, error)


def _checked_object_type(
    execution: Execution, field: Field, abstract_type: Any, value: Any, type_name: Any
) -> GraphQLObjectType:
    """Return the object type that an abstract type was resolved to. Raises GraphQLError if it is not a valid one."""
    field_name = f"'{_qualified_name(field)}'"
    schema = execution.compiled.schema
    if type_name is None:
        raise GraphQLError(
            f"Abstract type '{abstract_type}' must resolve to an Object type at runtime for field {field_name}."
            f" Either the '{abstract_type}' type should provide a 'resolve_type' function or each possible type should"
            " provide an 'is_type_of' function.",
            field.nodes,
        )
    if not isinstance(type_name, str):
        raise GraphQLError(
            f"Abstract type '{abstract_type}' must resolve to an Object type at runtime for field {field_name} with"
            f" value {inspect(value)}, received '{inspect(type_name)}', which is not a valid Object type name.",
            field.nodes,
        )
    type_ = schema.get_type(type_name)
    if type_ is None:
        raise GraphQLError(
            f"Abstract type '{abstract_type}' was resolved to a type '{type_name}' that does not exist inside the"
            " schema.",
            field.nodes,
        )
    if not is_object_type(type_):
        raise GraphQLError(
            f"Abstract type '{abstract_type}' was resolved to a non-object type '{type_name}'.", field.nodes
        )
    if not schema.is_sub_type(abstract_type, type_):
        raise GraphQLError(f"Runtime Object type '{type_}' is not a possible type for '{abstract_type}'.", field.nodes)
    return type_


def _coerce_leaf(type_: Any, value: Any) -> Any:
    """Return the output value of a scalar or enum."""
    coerced = type_.coerce_output_value(value)
    if coerced is Undefined or coerced is None:
        raise TypeError(
            f"Expected `{inspect(type_)}.coerce_output_value({inspect(value)})` to return non-nullable value, returned:"
            f" {inspect(coerced)}"
        )
    return coerced


def _qualified_name(field: Field) -> str:
    return f"{field.parent}.{field.name}"
