"""GraphQL fields that are columns of a database row: the source object of such a type is the row itself.

These types are never instantiated. Loaders return rows (`row["name"]`), and resolvers pass them on, with a `cast` for
the type checker. So nothing is copied per row, compiled operations read the columns in place, and statements select
only the columns that an operation requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

# Key of a field's metadata: the columns of the row that its resolver reads.
REQUIRED_COLUMNS = "required_columns"
# Attribute of an `is_type_of` function: the row classes that it accepts.
ROW_CLASSES = "row_classes"


class ValueMapping(dict[Any, Any]):
    """Lazy mapping from values of a column to values of a GraphQL field; null maps to null.

    Do not copy it to a plain dict, which would contain only the values looked up so far.
    """

    MAX_ENTRIES = 100_000

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        super().__init__()
        self.convert = convert

    def __missing__(self, value: Any) -> Any:
        if len(self) >= self.MAX_ENTRIES:
            self.clear()
        converted = self[value] = None if value is None else self.convert(value)
        return converted


class ColumnField(StrawberryField):
    """A field without a resolver: its value is `column` of the row, converted by `mapping` if there is one.

    If `column` is None, the value is the row itself.
    """

    column: str | None = None
    mapping: ValueMapping | None = None

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Return the value of the field; graphql-core calls this."""
        if self.column is None:
            return source
        value = source[self.column]
        return value if self.mapping is None else self.mapping[value]

    def __copy__(self) -> ColumnField:
        """Copy the field with its column; Strawberry copies the fields of a type into its subtypes."""
        copied = super().__copy__()
        copied.column, copied.mapping = self.column, self.mapping
        return copied


def column(
    name: str,
    *,
    description: str,
    mapping: ValueMapping | None = None,
    metadata: Mapping[str, Any] | None = None,
    directives: Sequence[object] = (),
) -> Any:
    """Return a field that reads the column `name` of the row."""
    field = ColumnField(description=description, metadata=metadata, directives=directives)
    field.column, field.mapping = name, mapping
    return field


def embedded(*, description: str) -> Any:
    """Return a field for an object that consists of other columns of the same row."""
    return ColumnField(description=description)


def computed(
    resolver: Callable[[Any], Any], *columns: str, description: str, metadata: Mapping[str, Any] | None = None
) -> Any:
    """Return a field that the synchronous function `resolver(self)` computes from these columns of the row `self`."""
    return strawberry.field(resolver=resolver, description=description, metadata=requires(metadata, *columns))


def requires(metadata: Mapping[str, Any] | None, *columns: str) -> dict[str, Any]:
    """Return field metadata with the columns of the row that the resolver reads; it must not read others."""
    return {**(metadata or {}), REQUIRED_COLUMNS: columns}


def is_row(*classes: type) -> Any:
    """Return an `is_type_of` that accepts rows of these classes, which compiled operations read from its attribute."""

    def is_type_of(value: Any, _info: Any) -> bool:
        return isinstance(value, classes)

    setattr(is_type_of, ROW_CLASSES, classes)
    return staticmethod(is_type_of)
