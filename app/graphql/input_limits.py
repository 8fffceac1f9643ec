"""Limits of arguments and input fields: the number of values of a list, and the length of a text.

They are declared next to the description, in the metadata, and added to it in the printed schema. The engine enforces
them before it coerces a value (app/engine/input_limits.py), so resolvers do not check them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_list_type,
)

from app.graphql.strawberry_bridge import input_metadata

# Key of the metadata of an argument or input field.
INPUT_LIMIT = "input_limit"
# Characters of a name, such as a slug or a manufacturer.
MAX_NAME_LENGTH = 200
# Characters of a text that is not a String: an ID, a time, or the name of an enum value. None needs half as many.
MAX_TOKEN_LENGTH = 100


@dataclass(frozen=True)
class InputLimit:
    """The greatest number of values of a list and the greatest length of a text, in characters; None for no limit."""

    max_values: int | None = None
    max_length: int | None = None


def at_most(*, values: int | None = None, length: int | None = None) -> dict[str, Any]:
    """Return the metadata of an argument or input field with a limit.

    A list of enum values needs no declaration: its limit is the number of values that the enum has.
    """
    return {INPUT_LIMIT: InputLimit(values, length)}


def input_limit(definition: Any) -> InputLimit:
    """Return the limit of an argument or input field of the graphql-core schema."""
    declared: InputLimit = input_metadata(definition).get(INPUT_LIMIT, InputLimit())
    named_type = get_named_type(definition.type)
    max_values, max_length = declared.max_values, declared.max_length
    if max_values is None and is_enum_type(named_type) and is_list_type(get_nullable_type(definition.type)):
        max_values = len(named_type.values)
    if max_length is None and named_type is not GraphQLString:
        max_length = MAX_TOKEN_LENGTH
    return InputLimit(max_values, max_length)


def input_definitions(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """Yield all arguments and input fields of a schema with their coordinates, such as `Query.node(id:)`."""
    for type_ in schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        if isinstance(type_, GraphQLInputObjectType):
            yield from ((f"{type_.name}.{name}", field) for name, field in type_.fields.items())
        elif isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)):
            for field_name, field in type_.fields.items():
                yield from ((f"{type_.name}.{field_name}({name}:)", each) for name, each in field.args.items())


def describe_limits(schema: GraphQLSchema) -> None:
    """Add the limits of lists and of String texts to the descriptions of arguments and input fields."""
    for _, definition in input_definitions(schema):
        limit = input_limit(definition)
        length = f"{limit.max_length:,} characters" if get_named_type(definition.type) is GraphQLString else None
        values = None if limit.max_values is None else f"{limit.max_values:,} values"
        if parts := " of ".join(part for part in (values, length) if part):
            definition.description = f"{definition.description} At most {parts}."
