"""The undocumented attributes of Strawberry that `app.graphql.strawberry_bridge` relies on.

A failure here means that a new release of Strawberry has changed one of them: adapt the function of the bridge.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from graphql import GraphQLObjectType, GraphQLSchema, build_schema
from strawberry.types.field import StrawberryField

from app.graphql import strawberry_bridge as bridge


@strawberry.enum
class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@strawberry.input
class Range:
    low: int
    high: int | None = None


@strawberry.type
class Problem:
    message: str


@strawberry.type
class Query:
    plain: int = 1

    @strawberry.field
    def own(self) -> int:
        return 2

    @strawberry.field
    async def later(self, info: strawberry.Info) -> str:
        return info.field_name

    @strawberry.field
    @staticmethod
    def of_parent(parent: strawberry.Parent[Any]) -> str:
        return str(parent)

    @strawberry.field
    def with_arguments(
        self,
        info: strawberry.Info,
        number: int,
        some_range: Range | None = None,
        color: Color | None = None,
        maybe_range: strawberry.Maybe[Range | None] = None,
    ) -> str:
        return f"{number} {some_range} {color} {maybe_range}"


STRAWBERRY_SCHEMA = strawberry.Schema(query=Query)
SCHEMA = bridge.graphql_schema(STRAWBERRY_SCHEMA)


def field_named(name: str) -> Any:
    assert isinstance(SCHEMA.query_type, GraphQLObjectType)
    return SCHEMA.query_type.fields[name]


def definition_of(name: str) -> StrawberryField:
    definition = bridge.field_definition(field_named(name))
    assert definition is not None
    return definition


def test_graphql_schema_returns_the_graphql_core_schema() -> None:
    assert isinstance(SCHEMA, GraphQLSchema)
    assert set(SCHEMA.type_map) >= {"Query", "Color", "Range"}


def test_enum_definition_has_the_values_by_name() -> None:
    values = bridge.enum_definition(Color).values
    assert [value.name for value in values] == ["RED", "BLUE"]
    assert all(hasattr(value, "description") for value in values)


def test_field_definition_returns_the_strawberry_field() -> None:
    definition = definition_of("withArguments")
    assert definition.python_name == "with_arguments"
    assert definition.metadata == {}
    assert (definition.permission_classes, definition.directives, definition.extensions) == ([], [], [])


def test_field_definition_of_another_schema_is_none() -> None:
    other = build_schema("type Query { a: Int }")
    assert other.query_type is not None
    assert bridge.field_definition(other.query_type.fields["a"]) is None


def test_attribute_field_has_no_resolver_and_reads_the_attribute() -> None:
    definition = definition_of("plain")
    assert bridge.resolver_of(definition) is None
    assert definition.default_resolver is getattr
    assert definition.get_result(Query(plain=3), info=None, args=[], kwargs={}) == 3


@pytest.mark.parametrize(
    ("name", "takes_self", "parent_names", "info_name", "is_async"),
    [
        ("own", True, [], None, False),
        ("later", True, [], "info", True),
        ("ofParent", False, ["parent"], None, False),
        ("withArguments", True, [], "info", False),
    ],
)
def test_resolver_of_describes_the_parameters(
    name: str, takes_self: bool, parent_names: list[str], info_name: str | None, is_async: bool
) -> None:
    resolver = bridge.resolver_of(definition_of(name))
    assert resolver is not None
    assert resolver[1:] == (takes_self, parent_names, info_name, is_async)
    assert resolver.function.__name__ == definition_of(name).python_name


def test_calls_resolvers_directly_only_if_strawberry_adds_nothing() -> None:
    assert bridge.calls_resolvers_directly(SCHEMA)
    assert not bridge.calls_resolvers_directly(build_schema("type Query { a: Int }"))


def test_exception_handlers_are_not_called_directly() -> None:
    class Handler(strawberry.ExceptionHandler[ValueError, Problem]):
        def handle(self, exception: ValueError, *, field: Any, info: Any) -> Problem | None:
            return None

    schema = strawberry.Schema(query=Query, exception_handlers=[Handler()])
    assert not bridge.calls_resolvers_directly(bridge.graphql_schema(schema))


def test_info_factory_passes_on_the_resolve_info() -> None:
    definition = definition_of("later")
    resolve_info = SimpleNamespace(field_name="later", context={"a": 1})
    info = bridge.info_factory(SCHEMA, definition)(resolve_info)
    assert (info.field_name, info.context, info._field) == ("later", {"a": 1}, definition)


def test_argument_converter_converts_as_strawberry_does() -> None:
    convert = bridge.argument_converter(SCHEMA, definition_of("withArguments"))
    assert convert is not None
    assert convert({"number": 1}, None) == {"number": 1}
    assert convert({"number": 1, "someRange": None}, None) == {"number": 1, "some_range": None}
    converted = convert({"someRange": {"low": 1, "high": 2}, "color": Color.RED, "maybeRange": None}, None)
    assert converted["some_range"] == Range(low=1, high=2)
    assert converted["color"] is Color.RED
    assert converted["maybe_range"] == strawberry.Some(None)


def test_argument_converter_of_a_field_without_arguments_is_none() -> None:
    assert bridge.argument_converter(SCHEMA, definition_of("own")) is None
