"""Code generation: Python expressions that build the results of objects."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson
from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLInt,
    GraphQLString,
    Undefined,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.types.field import StrawberryField

from app.engine.compiler.plan import (
    IS_SYNC_VALUE,
    IS_VALID_OUTPUT,
    VALID_OUTPUT_EXPRESSIONS,
    Field,
    Selection,
    UnexpectedValue,
)
from app.graphql.fields import ColumnField, ValueMapping
from app.graphql.strawberry_bridge import field_definition, resolver_of

# The test of a float column: it holds nothing but floats, but GraphQL has no NaN and no infinity.
FINITE_EXPRESSION = "{read} - {value} == 0.0"

# The variable that holds the object in generated functions.
SOURCE = "source"


class ExpressionGenerator:
    """Generates expressions that build the results of an object in the variable `source`.

    Objects that the expressions refer to are added to `names`, the globals of the generated code. `bound` has the names
    of objects that were added before, so that each is added once.

    `columns`, after generation: the columns of `source` that are read, and the variable of each if rows are unpacked
    (`is_unpacked`).
    """

    def __init__(self, names: dict[str, Any], bound: dict[Any, str], *, is_unpacked: bool = False) -> None:
        self.names, self.bound, self.is_unpacked = names, bound, is_unpacked
        self.columns: dict[str, str] = {}
        self._depth = 0

    def result(self, selection: Selection, source: str, indent: str) -> str:
        """Return a dict display with one line per field. Fields that are not inline are None in it."""
        if not selection.fields:
            return "{}"
        lines = [f"{indent}{field.key!r}: {self._value(field, source, indent)},\n" for field in selection.fields]
        return "{\n" + "".join(lines) + indent[:-4] + "}"

    def _value(self, field: Field, source: str, indent: str) -> str:
        """Return the expression for the completed value of a field."""
        if not field.is_inline:
            return "None"
        if field.name == "__typename":
            return repr(field.parent.name)
        nullable = not is_non_null_type(field.type)
        type_: Any = field.type if nullable else field.type.of_type  # type: ignore[union-attr]
        definition = field_definition(field.definition)
        if is_leaf_type(type_) and isinstance(definition, ColumnField) and (mapping := definition.mapping) is not None:
            key = (id(mapping), type_, nullable)
            name = self._bind(_preferred_name(field), key, lambda: _OutputMapping(mapping, type_, nullable))
            return f"{name}[{self._column(definition, source)}]"
        read = self._read(field, source)
        if is_list_type(type_):
            items_nullable = not is_non_null_type(type_.of_type)
            name = self._bind(
                "copy_strings", ("strings", nullable, items_nullable), lambda: _copy_strings(nullable, items_nullable)
            )
            return f"{name}({read})"
        if is_enum_type(type_):
            name = self._bind(f"names_{type_.name}", (type_, nullable), lambda: _enum_names(type_, nullable))
            return f"{name}[{read}]"
        if is_leaf_type(type_):
            return read if _is_always_valid(field, type_) else self._scalar(field, type_, read, nullable)
        return self._object(field, type_, read, source, indent, nullable)

    def _read(self, field: Field, source: str) -> str:
        """Return the expression for the value before completion."""
        definition: Any = field_definition(field.definition)
        resolver = resolver_of(definition)
        if resolver is not None:
            function = resolver.function
            return f"{self._bind(_preferred_name(field), function, lambda: function)}({source})"
        if isinstance(definition, ColumnField):
            if definition.column is None:
                return source
            read = self._column(definition, source)
            mapping = definition.mapping
            if mapping is None:
                return read
            return f"{self._bind(_preferred_name(field), id(mapping), lambda: mapping)}[{read}]"
        name = definition.python_name
        if type(definition) is StrawberryField and definition.default_resolver is getattr and _is_attribute_name(name):
            return f"{source}.{name}"
        name = self._bind(
            _preferred_name(field),
            definition,
            lambda: lambda source: definition.get_result(source, info=None, args=[], kwargs={}),
        )
        return f"{name}({source})"

    def _column(self, definition: ColumnField, source: str) -> str:
        """Return the expression for a column of the source: by name, or the variable that it is unpacked into."""
        column = definition.column
        assert column is not None
        if source == SOURCE and column.isidentifier():
            variable = self.columns.setdefault(column, f"_{column}")
            if self.is_unpacked:
                return variable
        return f"{source}[{column!r}]"

    def _scalar(self, field: Field, type_: Any, read: str, nullable: bool) -> str:
        """Return `read` with a test whether it is valid output, or with a call that coerces it."""
        is_float_column = type_ is GraphQLFloat and _is_unmapped_column(field)
        is_valid = FINITE_EXPRESSION if is_float_column else VALID_OUTPUT_EXPRESSIONS.get(type_)
        if is_valid is None:
            name = self._bind(f"coerce_{type_.name}", (type_, nullable), lambda: _coerce_scalar(type_, nullable))
            return f"{name}({read})"
        is_variable = read in self.columns.values()
        value, first_read = (read, read) if is_variable else ("value", f"(value := {read})")
        if nullable:
            return f"{value} if {first_read} is None or {is_valid.format(read=value, value=value)} else bail_out()"
        return f"{value} if {is_valid.format(read=first_read, value=value)} else bail_out()"

    def _object(self, field: Field, type_: Any, read: str, source: str, indent: str, nullable: bool) -> str:
        """Return a dict display for the object that `read` evaluates to."""
        selection = field.selections[type_.name]
        if read == source:  # an embedded object: other columns of the same row
            return self.result(selection, source, indent + "    ")
        self._depth += 1
        name = f"{SOURCE}_{self._depth}"
        result = self.result(selection, name, indent + "    ")
        self._depth -= 1
        if nullable:
            is_sync_value = f"is_sync_value[{name}.__class__]"
            return f"None if ({name} := {read}) is None else {result} if {is_sync_value} else bail_out()"
        return f"{result} if is_sync_value[({name} := {read}).__class__] else bail_out()"

    def _bind(self, preferred: str, key: Any, make: Callable[[], Any]) -> str:
        """Return the name of an object that generated code refers to. The object of each key is made once."""
        if key not in self.bound:
            name = next(name for name in numbered_names(preferred) if name not in self.names)
            self.names[name], self.bound[key] = make(), name
        return self.bound[key]


def _preferred_name(field: Field) -> str:
    """Return a readable name for an object that belongs to a field."""
    definition = field_definition(field.definition)
    assert definition is not None
    return f"{snake_case(field.parent.name)}_{definition.python_name}"


def _is_always_valid(field: Field, type_: Any) -> bool:
    """Return whether a column's SQL type excludes invalid values. Of a float it does not: see FINITE_EXPRESSION."""
    return type_ in (GraphQLString, GraphQLInt, GraphQLBoolean) and _is_unmapped_column(field)


def _is_unmapped_column(field: Field) -> bool:
    """Return whether values are those of a column (tests/graphql/test_column_types.py compares its SQL type)."""
    definition = field_definition(field.definition)
    return isinstance(definition, ColumnField) and definition.column is not None and definition.mapping is None


def numbered_names(name: str) -> Iterator[str]:
    """Yield the name, then `name_2`, `name_3` and so on."""
    yield name
    for number in count(2):
        yield f"{name}_{number}"


def _is_attribute_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def snake_case(name: str) -> str:
    """Convert `CPUConnection` to `cpu_connection`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class _OutputMapping(ValueMapping):
    """From the values of a column to the output values of its mapping: scalars, or names of enum values."""

    def __init__(self, mapping: ValueMapping, type_: Any, nullable: bool) -> None:
        if is_enum_type(type_):
            coerce: Callable[[Any], Any] = _enum_names(type_, nullable).__getitem__
        elif type_ in IS_VALID_OUTPUT:
            coerce = _require_valid(IS_VALID_OUTPUT[type_], nullable)
        else:
            coerce = _coerce_scalar(type_, nullable)
        super().__init__(lambda value: coerce(mapping[value]))
        self.nullable = nullable

    def __missing__(self, value: Any) -> Any:
        if value is None and not self.nullable:
            raise UnexpectedValue
        return super().__missing__(value)


def _enum_names(type_: Any, nullable: bool) -> dict[Any, str | None]:
    """Return the GraphQL names of an enum, by the members of the Python enum and by their values."""
    names: dict[Any, str | None] = {}
    for value in [enum_value.value for enum_value in type_.values.values()] + list(getattr(type_, "wrapped_cls", ())):
        try:
            names[value] = type_.coerce_output_value(value)
        except (TypeError, ValueError, GraphQLError):
            continue
    if nullable:
        names[None] = None
    return names


def _require_valid(is_valid_output: Callable[[Any], bool], nullable: bool) -> Callable[[Any], Any]:
    """Return a function that returns valid output unchanged and raises UnexpectedValue for anything else."""

    def require_valid(value: Any) -> Any:
        if (value is None and nullable) or is_valid_output(value):
            return value
        raise UnexpectedValue

    return require_valid


def _coerce_scalar(type_: Any, nullable: bool) -> Callable[[Any], Any]:
    """Return a function that coerces values of a custom scalar. It raises UnexpectedValue or what the scalar raises."""
    to_output = type_.coerce_output_value
    is_datetime = to_output is DateTimeDefinition.serialize

    def coerce(value: Any) -> Any:
        if is_datetime and value.__class__ is datetime and value.tzinfo is UTC:
            return orjson.dumps(value)[1:-1].decode()  # equals `isoformat()`, in a fifth of the time
        if value is None and nullable:
            return None
        if not IS_SYNC_VALUE[value.__class__]:
            raise UnexpectedValue
        coerced = to_output(value)
        if coerced is None or coerced is Undefined:
            raise UnexpectedValue
        return coerced

    return coerce


def _copy_strings(nullable: bool, items_nullable: bool) -> Callable[[Any], Any]:
    """Return a function that copies a list of strings. It raises UnexpectedValue for anything else."""
    item_classes = {str, type(None)} if items_nullable else {str}

    def copy_strings(value: Any) -> Any:
        if value is None and nullable:
            return None
        if value.__class__ is not list or not item_classes.issuperset(map(type, value)):
            raise UnexpectedValue
        return value[:]

    return copy_strings
