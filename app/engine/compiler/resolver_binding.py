"""Bind fields to their resolvers: choose the fastest call that gives the same value as the schema's resolver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLID,
    GraphQLSchema,
    GraphQLString,
    Node,
    Undefined,
    VariableNode,
    Visitor,
    default_field_resolver,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    visit,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.field import StrawberryField

from app.engine.compiler.plan import Field
from app.graphql.prefetch import PREFETCH
from app.graphql.strawberry_bridge import (
    Resolver,
    argument_converter,
    calls_resolvers_directly,
    field_definition,
    info_factory,
    resolver_of,
)

NO_VARIABLES = VariableValues({}, {})
CoerceArguments = Callable[[VariableValues], Mapping[str, Any]]
Resolve = Callable[[Any, Any, Mapping[str, Any]], Any]


def bind_resolver(schema: GraphQLSchema, field: Field) -> None:
    """Set how a field is resolved. The fields below it must be bound already."""
    definition = field_definition(field.definition)
    if field.name == "__typename":
        type_name = field.parent.name
        field.resolve, field.needs_info, field.is_inline = (lambda *_: type_name), False, True
    elif definition is None or definition.extensions or not calls_resolvers_directly(schema):
        field.resolve = _schema_resolver(field)
    elif (resolver := resolver_of(definition)) is None:
        field.resolve, field.needs_info = _attribute_resolver(definition), False
        field.is_inline = _can_be_inline(field)
    else:
        field.prefetch = _prefetch(schema, definition)
        field.resolve, field.needs_info = _function_resolver(schema, definition, resolver)
        field.is_inline = _is_plain_method(definition, resolver) and _can_be_inline(field)


def bind_event(field: Field) -> None:
    """Resolve the root field of a subscription to the event. Its arguments were those of the source of the events."""
    field.resolve, field.needs_info = (lambda event, *_: event), False
    field.prefetch, field.coerce_arguments = None, lambda _: {}


def unbound(*_: Any) -> Any:
    """Fail: this stands in for the resolver of a field that is not bound yet."""
    raise AssertionError


def _schema_resolver(field: Field) -> Resolve:
    """Return the resolver of the schema, with everything that Strawberry wraps around it."""
    resolve: Any = field.definition.resolve or default_field_resolver
    return lambda source, info, arguments: resolve(source, info, **arguments)


def _attribute_resolver(definition: StrawberryField) -> Resolve:
    return lambda source, *_: definition.get_result(source, info=None, args=[], kwargs={})


def _function_resolver(schema: GraphQLSchema, definition: StrawberryField, resolver: Resolver) -> tuple[Resolve, bool]:
    """Return a call of the function that resolves the field, and whether it needs the resolve info."""
    function, takes_self, parent_names, info_name, _ = resolver
    make_info = info_factory(schema, definition)
    convert_arguments = argument_converter(schema, definition)
    needs_info = info_name is not None or convert_arguments is not None

    def resolve(source: Any, resolve_info: Any, arguments: Mapping[str, Any]) -> Any:
        parameters: dict[str, Any] = {}
        if needs_info:
            info = make_info(resolve_info)
            if convert_arguments is not None:
                parameters = convert_arguments(arguments, info)
            if info_name is not None:
                parameters[info_name] = info
        for name in parent_names:
            parameters[name] = source
        return function(source, **parameters) if takes_self else function(**parameters)

    return resolve, needs_info


def _prefetch(schema: GraphQLSchema, definition: StrawberryField) -> Callable[[Mapping[str, Any]], Any] | None:
    """Return the function from the field's arguments to its Prefetch; None if the field declares none."""
    make_prefetch = definition.metadata.get(PREFETCH)
    if make_prefetch is None:
        return None
    convert_arguments = argument_converter(schema, definition)
    assert convert_arguments is not None, "a field with a prefetch has arguments"
    return lambda arguments: make_prefetch(**convert_arguments(arguments, None))


def _is_plain_method(definition: StrawberryField, resolver: Resolver) -> bool:
    """Return whether the resolver is a synchronous function of the source object alone."""
    return (
        resolver.takes_self
        and not resolver.parent_names
        and resolver.info_name is None
        and not definition.arguments
        and not resolver.is_async
    )


def _can_be_inline(field: Field) -> bool:
    """Return whether generated code can build values of the field's type within an expression."""
    type_ = get_nullable_type(field.type)
    if is_leaf_type(type_):
        return True
    if is_list_type(type_):
        return get_nullable_type(type_.of_type) in (GraphQLString, GraphQLID)
    if not is_object_type(type_) or type_.is_type_of is not None:
        return False
    return all(below.is_inline for below in field.selections[type_.name].fields)


def bind_arguments(definition: GraphQLField, node: FieldNode) -> CoerceArguments:
    """Return a function from variables to the arguments of a field. Arguments without variables are coerced once."""
    if not definition.args:
        return lambda _: {}
    if not any(_has_variable(argument.value) for argument in node.arguments or ()):
        try:
            constant = get_argument_values(definition, node, NO_VARIABLES)
        except GraphQLError:
            pass  # raised again for each request
        else:
            if _is_immutable(constant):
                return lambda _: constant
    by_graphql_core = partial(get_argument_values, definition, node)
    return _bind_variable_arguments(definition, node, by_graphql_core) or by_graphql_core


def _bind_variable_arguments(
    definition: GraphQLField, node: FieldNode, by_graphql_core: CoerceArguments
) -> CoerceArguments | None:
    """Return a fast function for arguments that are omitted or whole variables; None if there are others."""
    value_nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
    bound: list[tuple[str, str, bool]] = []
    for name, argument in definition.args.items():
        value_node = value_nodes.get(name)
        if isinstance(value_node, VariableNode):
            bound.append((argument.out_name or name, value_node.name.value, is_non_null_type(argument.type)))
        elif value_node is not None:
            return None
    try:
        without_arguments = FieldNode(name=node.name, arguments=())
        defaults = get_argument_values(definition, without_arguments, NO_VARIABLES)
    except GraphQLError:
        return None
    if not _is_immutable(defaults):
        return None

    def coerce_arguments(variables: VariableValues) -> Mapping[str, Any]:
        arguments = dict(defaults)
        for name, variable, is_required in bound:
            value = variables.coerced.get(variable, Undefined)
            if value is None and is_required:
                return by_graphql_core(variables)  # raises the error, with the wording of graphql-core
            if value is not Undefined:
                arguments[name] = value
        return arguments

    return coerce_arguments


def _is_immutable(arguments: Mapping[str, Any]) -> bool:
    """Return whether executions can share these values, because no resolver can change them."""
    return all(isinstance(value, (str, int, float, bool, type(None))) for value in arguments.values())


def _has_variable(node: Node) -> bool:
    search = _VariableSearch()
    visit(node, search)
    return search.has_variable


class _VariableSearch(Visitor):
    has_variable = False

    def enter_variable(self, *_: Any) -> None:
        self.has_variable = True
