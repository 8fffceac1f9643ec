"""GraphQL fields that are columns of a database row: the row itself is the object that a type describes.

A type whose fields are columns is never made an instance of. What loaders return, a row that is read by `row["name"]`,
is the source of its fields; so nothing is copied per row, a plan can read the columns in place, and statements can
leave out those that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

# In the metadata of a field that computes its value from the row: the columns that it reads.
NEEDS = "needs"
# In the metadata of a field whose resolver asks a loader: from its arguments to what it will ask, `Ahead` or None.
AHEAD = "ahead"
# Attribute of an `is_type_of`: the classes of the rows that are objects of the type.
RECORDS = "records"


class Meanings(dict[Any, Any]):
    """What values of a column mean, worked out when first looked up; null means null.

    Never to be copied: a copy as a plain dict would hold only what was looked up so far.
    """

    MOST = 100_000

    def __init__(self, meaning: Callable[[Any], Any]) -> None:
        super().__init__()
        self.meaning = meaning

    def __missing__(self, value: Any) -> Any:
        if len(self) >= self.MOST:
            self.clear()
        found = self[value] = None if value is None else self.meaning(value)
        return found


class Column(StrawberryField):
    """A field without a resolver. `column`: the one that holds its value, None where that is the source row itself.

    `mapping`, where there is one, says what each value of the column means.
    """

    column: str | None = None
    mapping: Meanings | None = None

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """What graphql-core resolves the field to."""
        if self.column is None:
            return source
        value = source[self.column]
        return value if self.mapping is None else self.mapping[value]

    def __copy__(self) -> Column:
        """Strawberry copies the fields of a type into those that inherit from it."""
        copied = super().__copy__()
        copied.column, copied.mapping = self.column, self.mapping
        return copied


def column(
    name: str,
    *,
    description: str,
    mapping: Meanings | None = None,
    metadata: Mapping[str, Any] | None = None,
    directives: Sequence[object] = (),
) -> Any:
    """A field that is the column `name` of the row."""
    made = Column(description=description, metadata=metadata, directives=directives)
    made.column, made.mapping = name, mapping
    return made


def same_row(*, description: str) -> Any:
    """A field of an object type that other columns of the same row make up."""
    return Column(description=description)


def computed(
    resolver: Callable[[Any], Any], *needs: str, description: str, metadata: Mapping[str, Any] | None = None
) -> Any:
    """A field that a function of the row computes (synchronously; its parameter is `self`) from these columns."""
    return strawberry.field(resolver=resolver, description=description, metadata=with_needs(metadata, *needs))


def with_needs(metadata: Mapping[str, Any] | None, *needs: str) -> dict[str, Any]:
    """The metadata of a field whose resolver reads these columns of the row, and no others."""
    return {**(metadata or {}), NEEDS: needs}


def is_row(*records: type) -> Any:
    """`is_type_of` of a type whose objects are rows of these classes, which are kept on it for plans to compare."""

    def is_type_of(value: Any, _info: Any) -> bool:
        return isinstance(value, records)

    setattr(is_type_of, RECORDS, records)
    return staticmethod(is_type_of)
