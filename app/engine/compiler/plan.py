"""What a plan is made of: fields and selections, bound to the schema, and what goes with them at run time.

`compiler` makes plans, `running` executes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import GeneratorType
from typing import Any, Protocol, TypeGuard

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import is_awaitable

from app.graphql.fields import RECORDS

# Whether a value needs no coercion. `{read}` is where it is first looked at, `{v}` what it is called from then on.
EXACT = {
    GraphQLString: "{read}.__class__ is str",
    GraphQLID: "{read}.__class__ is str",
    GraphQLInt: "{read}.__class__ is int and -0x80000000 <= {v} <= 0x7FFFFFFF",
    GraphQLFloat: "{read}.__class__ is float and {v} - {v} == 0.0",
    GraphQLBoolean: "{read}.__class__ is bool",
}
# The same as functions.
IS_EXACT: Mapping[Any, Callable[[Any], bool]] = {
    type_: eval(f"lambda v: {test.format(read='v', v='v')}")  # noqa: S307 - of the constants above
    for type_, test in EXACT.items()
}


class Deviation(Exception):
    """A value is not as generated code takes it to be."""


def deviate() -> Any:
    """Leaves generated code."""
    raise Deviation


class _Plain(dict[type, bool]):
    """Whether values of a class are just values: neither null nor an error, and nothing that must be awaited."""

    def __missing__(self, kind: type) -> bool:
        special = issubclass(kind, (Exception, type(None), type(Undefined))) or hasattr(kind, "__await__")
        self[kind] = found = not special and not hasattr(kind, "__aiter__")
        return found


PLAIN = _Plain()


class _Awaited(dict[type, bool]):
    """Whether values of a class must be awaited."""

    def __missing__(self, kind: type) -> bool:
        self[kind] = found = hasattr(kind, "__await__")
        return found


AWAITED = _Awaited()


def must_be_awaited(value: Any) -> TypeGuard[Awaitable[Any]]:
    """Like graphql-core's `is_awaitable`, which takes longer, because it looks at each value and not at its class."""
    return AWAITED[value.__class__] or (value.__class__ is GeneratorType and is_awaitable(value))


@dataclass(eq=False)
class Field:
    """A field as selected for one object type. `resolve` takes the object, an Info and the arguments."""

    key: str
    nodes: list[FieldNode]
    definition: GraphQLField
    parent: GraphQLObjectType
    resolve: Callable[[Any, Any, Mapping[str, Any]], Any]
    arguments: Callable[[VariableValues], Mapping[str, Any]]
    needs_info: bool = True
    # What it will ask a loader for, of every object, given its arguments; None: nothing that can be told.
    ahead: Callable[[Mapping[str, Any]], Any] | None = None
    # Whether it is read off its object in generated code, without a call.
    inline: bool = False
    # By the type that an object turns out to have.
    selections: dict[str, Selection] = field(default_factory=dict)

    @property
    def type(self) -> GraphQLOutputType:
        """Declared type."""
        return self.definition.type

    @cached_property
    def is_list(self) -> bool:
        """Whether its value is a list."""
        return is_list_type(nullable(self.type))

    @cached_property
    def objects(self) -> Selection | None:
        """What is selected of its object, or of its items, where all are of one type; None where there are none."""
        inner = nullable(self.type)
        item = nullable(inner.of_type) if self.is_list else inner
        return self.selections[item.name] if is_object_type(item) else None

    @cached_property
    def is_exact(self) -> Callable[[Any], bool] | None:
        """Whether a value is sent as it is, where that can be told of scalars."""
        return IS_EXACT.get(nullable(self.type))

    @cached_property
    def records(self) -> tuple[Any, ...]:
        """The classes of its objects, where they are rows and are told by them."""
        return getattr(getattr(get_named_type(self.type), "is_type_of", None), RECORDS, ())


Build = Callable[[Sequence[Any]], list[dict[str, Any]]]


class RowBuild:
    """Builds the results of objects, whose columns are looked up by name; or faster where all are rows of one class.

    These have the same columns in the same order, so they are unpacked, by a function that `unpacking` generates when
    such rows are first met; it gives None for rows that lack a column.
    """

    MOST = 16  # classes of rows whose functions are kept

    def __init__(self, by_name: Build, unpacking: Callable[[tuple[str, ...]], Build | None]) -> None:
        self.by_name, self.unpacking = by_name, unpacking
        self._made: dict[type, Build] = {}

    def __call__(self, sources: Sequence[Any]) -> list[dict[str, Any]]:
        kinds = set(map(type, sources))
        if len(kinds) != 1:
            return self.by_name(sources)
        (kind,) = kinds
        build = self._made.get(kind)
        return (build or self._make(kind))(sources)

    def _make(self, kind: type) -> Build:
        columns = getattr(kind, "columns", None)
        made = self.unpacking(columns) if columns.__class__ is tuple else None
        if len(self._made) >= self.MOST:
            self._made.clear()
        self._made[kind] = build = made or self.by_name
        return build


@dataclass(eq=False)
class Selection:
    """What is selected of objects of one type.

    `build`, generated, raises where a value is not as expected. Of objects that are built as a part of others it is
    missing: they are only ever looked at alone when those others were not as expected.
    """

    type: GraphQLObjectType
    fields: list[Field] = field(default_factory=list)
    build: Build = field(default=lambda _: deviate())
    resolve: Callable[[Execution, Sequence[Any], list[dict[str, Any]]], None] = field(default=lambda *_: None)


class Execution(Protocol):
    """One execution of a compiled operation, as generated code and resolvers see it."""

    frame: Frame
    context: Any
    variables: VariableValues

    def call(self, field: Field, sources: Sequence[Any], outs: list[dict[str, Any]]) -> None:
        """Resolve a field of these objects into their results."""

    def path_of(self, holder: dict[str, Any]) -> tuple[str | int, ...]:
        """Return the response path of a result."""


@dataclass(frozen=True)
class Frame:
    """What all executions of a plan have in common."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    root: Selection
    serial: bool
    # Fields that say ahead what they will ask for.
    ahead: list[Field]


def nullable(type_: Any) -> Any:
    """The type without the promise that it is not null."""
    return type_.of_type if is_non_null_type(type_) else type_
