"""The only uses of attributes of Strawberry that it does not document.

Other modules call these functions. tests/graphql/test_strawberry_bridge.py checks each attribute: when a Strawberry
release changes one, a test fails that names it, and only this module has to follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import strawberry
from graphql import GraphQLSchema
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryMaybe, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

FIELD_EXTENSION = "strawberry-definition"

ConvertArguments = Callable[[Mapping[str, Any], Any], dict[str, Any]]


def graphql_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return the graphql-core schema that Strawberry has built."""
    return schema._schema


def enum_definition(enum: Any) -> StrawberryEnumDefinition:
    """Return the definition of a class to which `strawberry.enum` was applied."""
    definition: StrawberryEnumDefinition = enum.__strawberry_definition__
    return definition


def field_definition(field: Any) -> StrawberryField | None:
    """Return the Strawberry field that a graphql-core field was made from; None if Strawberry did not make it."""
    definition = field.extensions.get(FIELD_EXTENSION)
    return definition if isinstance(definition, StrawberryField) else None


def input_metadata(definition: Any) -> Mapping[Any, Any]:
    """Return the metadata of an argument or input field of the graphql-core schema; empty if it has none."""
    metadata: Mapping[Any, Any] = getattr(definition.extensions.get(FIELD_EXTENSION), "metadata", {})
    return metadata


def calls_resolvers_directly(schema: GraphQLSchema) -> bool:
    """Return whether Strawberry built the schema and wraps no exception handlers around its resolvers."""
    strawberry_schema = _strawberry_schema(schema)
    return strawberry_schema is not None and not getattr(strawberry_schema, "exception_handlers", ())


def info_factory(schema: GraphQLSchema, field: StrawberryField) -> Callable[[Any], Any]:
    """Return a function from graphql-core's resolve info to the `info` argument of the field's resolver."""
    info_class = _strawberry_schema(schema).schema_converter.config.info_class
    return partial(info_class, _field=field)  # without a Python call of its own: it runs for every resolver call


class Resolver(NamedTuple):
    """A resolver function and the parameters that it takes besides the field's arguments.

    `takes_self`: the source object is its first positional argument. `parent_names`, `info_name`: names of the keyword
    arguments for the source object and the info.
    """

    function: Callable[..., Any]
    takes_self: bool
    parent_names: list[str]
    info_name: str | None
    is_async: bool


def resolver_of(field: StrawberryField) -> Resolver | None:
    """Return the resolver of a field; None if its value is an attribute of the source object."""
    base: Any = field.base_resolver
    if base is None:
        return None
    parents = [parameter.name for parameter in (base.parent_parameter, base.root_parameter) if parameter is not None]
    info_name = base.info_parameter.name if base.info_parameter is not None else None
    return Resolver(base.wrapped_func, base.self_parameter is not None, parents, info_name, base.is_async)


def argument_converter(schema: GraphQLSchema, field: StrawberryField) -> ConvertArguments | None:
    """Return a function from coerced arguments to the resolver's arguments, as Strawberry converts them.

    It also takes the `info`, which may be None. Numbers, strings and null are not converted. Return None for a field
    without arguments.
    """
    converter = _strawberry_schema(schema).schema_converter
    config, registry = converter.config, converter.scalar_registry
    parameters = [
        (
            config.name_converter.from_argument(argument),
            argument.python_name,
            argument.type,
            _is_converted(argument.type),
        )
        for argument in field.arguments
    ]
    if not parameters:
        return None

    def convert(arguments: Mapping[str, Any], info: Any) -> dict[str, Any]:
        converted: dict[str, Any] = {}
        for name, python_name, type_, is_converted in parameters:
            if name in arguments:
                value = arguments[name]
                if is_converted and (value is not None or isinstance(type_, StrawberryMaybe)):
                    value = convert_argument(value, type_, registry, config, info, path=(name,))
                converted[python_name] = value
        return converted

    return convert


def _is_converted(type_: Any) -> bool:
    """Return whether Strawberry may convert a value of this type that graphql-core has coerced."""
    if isinstance(type_, StrawberryOptional) and not isinstance(type_, StrawberryMaybe):
        type_ = type_.of_type
    return type_ not in (int, str, float, bool, strawberry.ID)


def _strawberry_schema(schema: GraphQLSchema) -> Any:
    """Return the Strawberry schema that belongs to a graphql-core schema; None if Strawberry did not build it."""
    return getattr(schema, "_strawberry_schema", None)
