"""Expressions of generated code that build results where they stand."""

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

from app.engine.compiler.plan import EXACT, IS_EXACT, PLAIN, Deviation, Field, Selection
from app.graphql.fields import Column, Meanings

# Whether a float of a column needs no coercion: NaN and infinity are none to GraphQL.
FINITE = "{read} - {v} == 0.0"


# What generated functions call the object at hand.
ROW = "s"


class Shape:
    """Expressions that build results of objects `s`. `names` takes what they refer to.

    `columns`, in the end: the columns of `s` that are read, and the variables that hold them if `s` is `unpacked`.
    """

    def __init__(self, names: dict[str, Any], bound: dict[Any, str], *, unpacked: bool = False) -> None:
        self.names, self.bound, self.unpacked = names, bound, unpacked
        self.columns: dict[str, str] = {}
        self.depth = 0

    def result(self, selection: Selection, source: str, indent: str) -> str:
        """A dict display with a line per field. Those that are resolved by call are null until then."""
        if not selection.fields:
            return "{}"
        lines = [f"{indent}{each.key!r}: {self._value(each, source, indent)},\n" for each in selection.fields]
        return "{\n" + "".join(lines) + indent[:-4] + "}"

    def _value(self, each: Field, source: str, indent: str) -> str:
        if not each.inline:
            return "None"
        if each.nodes[0].name.value == "__typename":
            return repr(each.parent.name)
        nullable = not is_non_null_type(each.type)
        type_: Any = each.type if nullable else each.type.of_type  # type: ignore[union-attr]
        declared = each.definition.extensions["strawberry-definition"]
        if is_leaf_type(type_) and isinstance(declared, Column) and (mapping := declared.mapping) is not None:
            key = (id(mapping), type_, nullable)
            name = self._name(_wish(each), key, lambda: _Completed(mapping, type_, nullable))
            return f"{name}[{self._column(declared, source)}]"
        read = self._read(each, source)
        if is_list_type(type_):
            empty = not is_non_null_type(type_.of_type)
            name = self._name("strings", ("strings", nullable, empty), lambda: _strings(nullable, empty))
            return f"{name}({read})"
        if is_enum_type(type_):
            name = self._name(f"names_{type_.name}", (type_, nullable), lambda: _enum_names(type_, nullable))
            return f"{name}[{read}]"
        if is_leaf_type(type_):
            return read if _is_trusted(each, type_) else self._scalar(each, type_, read, nullable)
        return self._object(each, type_, read, source, indent, nullable)

    def _read(self, each: Field, source: str) -> str:
        """The expression for the value before it is completed."""
        declared: Any = each.definition.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            function = declared.base_resolver.wrapped_func
            return f"{self._name(_wish(each), function, lambda: function)}({source})"
        if isinstance(declared, Column):
            if declared.column is None:
                return source
            read = self._column(declared, source)
            if declared.mapping is None:
                return read
            meaning = declared.mapping
            return f"{self._name(_wish(each), id(meaning), lambda: meaning)}[{read}]"
        name = declared.python_name
        if type(declared) is StrawberryField and declared.default_resolver is getattr and _is_attribute(name):
            return f"{source}.{name}"
        function = self._name(
            _wish(each), declared, lambda: lambda s: declared.get_result(s, info=None, args=[], kwargs={})
        )
        return f"{function}({source})"

    def _column(self, declared: Column, source: str) -> str:
        column = declared.column
        assert column is not None
        if source == ROW and column.isidentifier():
            variable = self.columns.setdefault(column, f"_{column}")
            if self.unpacked:
                return variable
        return f"{source}[{column!r}]"

    def _scalar(self, each: Field, type_: Any, read: str, nullable: bool) -> str:
        exact = FINITE if type_ is GraphQLFloat and _is_plain_column(each) else EXACT.get(type_)
        if exact is None:
            name = self._name(f"coerce_{type_.name}", (type_, nullable), lambda: _coerce(type_, nullable))
            return f"{name}({read})"
        v, first = (read, read) if read in self.columns.values() else ("v", f"(v := {read})")
        if nullable:
            return f"{v} if {first} is None or {exact.format(read=v, v=v)} else deviate()"
        return f"{v} if {exact.format(read=first, v=v)} else deviate()"

    def _object(self, each: Field, type_: Any, read: str, source: str, indent: str, nullable: bool) -> str:
        selection = each.selections[type_.name]
        if read == source:
            return self.result(selection, source, indent + "    ")
        self.depth += 1
        name = f"s{self.depth}"
        result = self.result(selection, name, indent + "    ")
        self.depth -= 1
        if nullable:
            return f"None if ({name} := {read}) is None else {result} if plain[{name}.__class__] else deviate()"
        return f"{result} if plain[({name} := {read}).__class__] else deviate()"

    def _name(self, wish: str, key: Any, make: Callable[[], Any]) -> str:
        """The name of an object that generated code refers to; the same for the same key."""
        if key not in self.bound:
            name = next(name for name in names_like(wish) if name not in self.names)
            self.names[name], self.bound[key] = make(), name
        return self.bound[key]


def _wish(each: Field) -> str:
    """What something that belongs to a field would best be called."""
    return f"{snake(each.parent.name)}_{each.definition.extensions['strawberry-definition'].python_name}"


def _is_trusted(each: Field, type_: Any) -> bool:
    """Whether a column holds nothing but such values, which of floats is not enough: see FINITE."""
    return type_ in (GraphQLString, GraphQLInt, GraphQLBoolean) and _is_plain_column(each)


def _is_plain_column(each: Field) -> bool:
    """Whether it is a column as it is: tests/test_column_types.py compares SQL types with GraphQL's."""
    declared = each.definition.extensions["strawberry-definition"]
    return isinstance(declared, Column) and declared.column is not None and declared.mapping is None


def names_like(wish: str) -> Iterator[str]:
    """The name itself, and then numbered ones."""
    yield wish
    for number in count(2):
        yield f"{wish}_{number}"


def _is_attribute(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def snake(name: str) -> str:
    """`CPUConnection` as `cpu_connection`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class _Completed(Meanings):
    """What values of a column mean, as it is sent: a scalar or the name of an enumeration's value."""

    def __init__(self, mapping: Meanings, type_: Any, nullable: bool) -> None:
        if is_enum_type(type_):
            complete: Callable[[Any], Any] = _enum_names(type_, nullable).__getitem__
        elif type_ in IS_EXACT:
            complete = _exactly(IS_EXACT[type_], nullable)
        else:
            complete = _coerce(type_, nullable)
        super().__init__(lambda value: complete(mapping[value]))
        self.nullable = nullable

    def __missing__(self, value: Any) -> Any:
        if value is None and not self.nullable:
            raise Deviation
        return super().__missing__(value)


def _enum_names(type_: Any, nullable: bool) -> dict[Any, str | None]:
    """Value -> name as it is sent, for members of the Python enumeration and their values alike."""
    names: dict[Any, str | None] = {}
    for value in [each.value for each in type_.values.values()] + list(getattr(type_, "wrapped_cls", ())):
        try:
            names[value] = type_.coerce_output_value(value)
        except (TypeError, ValueError, GraphQLError):
            continue
    if nullable:
        names[None] = None
    return names


def _exactly(is_exact: Callable[[Any], bool], nullable: bool) -> Callable[[Any], Any]:
    """Of a scalar of the specification."""

    def exactly(value: Any) -> Any:
        if (value is None and nullable) or is_exact(value):
            return value
        raise Deviation

    return exactly


def _coerce(type_: Any, nullable: bool) -> Callable[[Any], Any]:
    """Of a custom scalar."""
    to_output = type_.coerce_output_value
    is_time = to_output is DateTimeDefinition.serialize

    def coerce(value: Any) -> Any:
        if is_time and value.__class__ is datetime and value.tzinfo is UTC:
            return orjson.dumps(value)[1:-1].decode()  # as `isoformat` spells it, in a fifth of the time
        if value is None and nullable:
            return None
        if not PLAIN[value.__class__]:
            raise Deviation
        coerced = to_output(value)
        if coerced is None or coerced is Undefined:
            raise Deviation
        return coerced

    return coerce


def _strings(nullable: bool, empty: bool) -> Callable[[Any], Any]:
    """Of a list of texts."""
    allowed = {str, type(None)} if empty else {str}

    def strings(value: Any) -> Any:
        if value is None and nullable:
            return None
        if value.__class__ is not list or not allowed.issuperset(map(type, value)):
            raise Deviation
        return value[:]

    return strings
