"""Data structures of compiled operations: fields and selections bound to the schema.

`compiler` creates them, `runtime` executes them, and `completion` handles the values that generated code rejects.
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
    get_nullable_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import is_awaitable

from app.graphql.fields import ROW_CLASSES

# By scalar: the Python expression that is true for a value that is already valid output and needs no coercion.
# `{read}` is the first use of the value (generated code may assign it there), `{value}` is its name after that.
VALID_OUTPUT_EXPRESSIONS = {
    GraphQLString: "{read}.__class__ is str",
    GraphQLID: "{read}.__class__ is str",
    GraphQLInt: "{read}.__class__ is int and -0x80000000 <= {value} <= 0x7FFFFFFF",
    GraphQLFloat: "{read}.__class__ is float and {value} - {value} == 0.0",
    GraphQLBoolean: "{read}.__class__ is bool",
}
# The same expressions as functions.
IS_VALID_OUTPUT: Mapping[Any, Callable[[Any], bool]] = {
    scalar: eval(f"lambda value: {test.format(read='value', value='value')}")  # noqa: S307 - the constants above
    for scalar, test in VALID_OUTPUT_EXPRESSIONS.items()
}


class UnexpectedValue(Exception):
    """Generated code met a value that it does not handle."""


def bail_out() -> Any:
    """Leave generated code, from within an expression. Raises UnexpectedValue."""
    raise UnexpectedValue


class _SyncValueClasses(dict[type, bool]):
    """By class: whether its instances are plain values, that is not null, not an error, and not awaitable."""

    def __missing__(self, cls: type) -> bool:
        is_special = issubclass(cls, (Exception, type(None), type(Undefined))) or hasattr(cls, "__await__")
        self[cls] = is_sync_value = not is_special and not hasattr(cls, "__aiter__")
        return is_sync_value


IS_SYNC_VALUE = _SyncValueClasses()


class _AwaitableClasses(dict[type, bool]):
    """By class: whether its instances must be awaited."""

    def __missing__(self, cls: type) -> bool:
        self[cls] = is_awaitable_class = hasattr(cls, "__await__")
        return is_awaitable_class


IS_AWAITABLE_CLASS = _AwaitableClasses()


def must_be_awaited(value: Any) -> TypeGuard[Awaitable[Any]]:
    """Return what graphql-core's `is_awaitable` returns, but faster: by a lookup of the class."""
    return IS_AWAITABLE_CLASS[value.__class__] or (value.__class__ is GeneratorType and is_awaitable(value))


@dataclass(eq=False)
class Field:
    """A field of one selection: one response key of one object type.

    `resolve` takes the source object, the ResolveInfo (None unless `needs_info`) and the coerced arguments.
    `coerce_arguments` returns the arguments for the variables of a request; it raises GraphQLError.
    `prefetch` returns the Prefetch that a field requests with these arguments, or None (see app/graphql/prefetch.py).
    `is_inline` fields are read within the generated expression, without a call of `resolve`.
    `selections`, by the name of an object type: the fields selected if the value has that type.
    """

    key: str
    nodes: list[FieldNode]
    definition: GraphQLField
    parent: GraphQLObjectType
    resolve: Callable[[Any, Any, Mapping[str, Any]], Any]
    coerce_arguments: Callable[[VariableValues], Mapping[str, Any]]
    needs_info: bool = True
    prefetch: Callable[[Mapping[str, Any]], Any] | None = None
    is_inline: bool = False
    selections: dict[str, Selection] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the field in the schema."""
        return self.nodes[0].name.value

    @property
    def type(self) -> GraphQLOutputType:
        """Declared type."""
        return self.definition.type

    @cached_property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return is_list_type(get_nullable_type(self.type))

    @cached_property
    def object_selection(self) -> Selection | None:
        """The selection of the object, or of the list's items, if these have one known object type; else None."""
        inner: Any = get_nullable_type(self.type)
        item = get_nullable_type(inner.of_type) if self.is_list else inner
        return self.selections[item.name] if is_object_type(item) else None

    @cached_property
    def is_valid_output(self) -> Callable[[Any], bool] | None:
        """The test whether a value can be sent unchanged; None for types that always need coercion."""
        return IS_VALID_OUTPUT.get(get_nullable_type(self.type))

    @cached_property
    def row_classes(self) -> tuple[Any, ...]:
        """The row classes that represent the object type; empty when other objects do."""
        return getattr(getattr(get_named_type(self.type), "is_type_of", None), ROW_CLASSES, ())


BuildResults = Callable[[Sequence[Any]], list[dict[str, Any]]]


class RowBuilder:
    """Builds results of database rows. Rows of one class are unpacked by position, which is faster than by name.

    All rows of a class have the same columns in the same order. `generate_unpacking` takes these columns and returns a
    function for them, or None if one that is needed is missing; then, and for rows of several classes at the same time,
    columns are looked up by name.
    """

    MAX_ROW_CLASSES = 16

    def __init__(
        self, build_by_name: BuildResults, generate_unpacking: Callable[[tuple[str, ...]], BuildResults | None]
    ) -> None:
        self.build_by_name, self.generate_unpacking = build_by_name, generate_unpacking
        self._by_row_class: dict[type, BuildResults] = {}

    def __call__(self, sources: Sequence[Any]) -> list[dict[str, Any]]:
        row_classes = set(map(type, sources))
        if len(row_classes) != 1:
            return self.build_by_name(sources)
        (row_class,) = row_classes
        build_results = self._by_row_class.get(row_class)
        return (build_results or self._add(row_class))(sources)

    def _add(self, row_class: type) -> BuildResults:
        columns = getattr(row_class, "columns", None)
        unpacking = self.generate_unpacking(columns) if columns.__class__ is tuple else None
        if len(self._by_row_class) >= self.MAX_ROW_CLASSES:
            self._by_row_class.clear()
        self._by_row_class[row_class] = build_results = unpacking or self.build_by_name
        return build_results


@dataclass(eq=False)
class Selection:
    """The fields selected of objects of one type, and the functions generated for them.

    `build_results` returns a result per object, with the inline fields filled in; it raises when a value is not as
    expected. `resolve_fields` resolves the other fields into these results. A selection that is generated inline, as a
    part of its parent's code, keeps the defaults; they are called only if the parent's code raised.
    """

    type: GraphQLObjectType
    fields: list[Field] = field(default_factory=list)
    build_results: BuildResults = field(default=lambda _: bail_out())
    resolve_fields: Callable[[Execution, Sequence[Any], list[dict[str, Any]]], None] = field(default=lambda *_: None)


# The source objects of one selection, and the targets of their results. A target is a container and a key in it: a dict
# and a response key, a list and an index, or a list and a slice, which takes as many results as it is long. A plain
# tuple, because one is created for each level of each execution.
ObjectBatch = tuple[list[Any], list[tuple[Any, Any]]]
# The objects of the next level, by their selection.
Children = dict[Selection, ObjectBatch]


class Execution(Protocol):
    """One execution of a compiled operation, as generated code, resolvers and `completion` see it."""

    compiled: CompiledOperation
    context: Any
    variables: VariableValues

    def resolve_field(self, field: Field, sources: Sequence[Any], results: list[dict[str, Any]]) -> None:
        """Resolve a field of these objects into their results."""

    def execute_children(self, children: Children) -> None:
        """Build the results of these objects and resolve their fields."""

    def when_ready(self, awaitable: Awaitable[Any], on_result: Callable[[Any], None]) -> None:
        """Call back with the result of an awaitable, or with the exception that it raised, at the end of the level."""

    def report_error(
        self, parent_result: dict[str, Any], field: Field, indices: tuple[int, ...], error: Exception
    ) -> None:
        """Record an error of a field, or of the item at these indices of its list."""

    def path_of(self, parent_result: dict[str, Any]) -> tuple[str | int, ...]:
        """Return the response path of a result."""


@dataclass(frozen=True)
class CompiledOperation:
    """An operation compiled for one combination of @skip and @include conditions.

    `is_serial`: root fields are executed one after another, as those of a mutation must be. `prefetching`: fields that
    can request a prefetch. `source`: the generated Python code. `field_count`: the number of fields in all selections.
    """

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    root: Selection
    is_serial: bool
    prefetching: list[Field]
    source: str
    field_count: int
