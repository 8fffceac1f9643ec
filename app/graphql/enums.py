"""Python enumerations as documented GraphQL ones."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

E = TypeVar("E", bound=type[Enum])


def graphql_enum(enum: E, description: str, values: Mapping[str, str], name: str | None = None) -> E:
    """Registers `enum`, which may live below GraphQL, with a description of each of its values, by name.

    `name`: of the GraphQL type, where it is not that of the class.
    """
    made = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = made.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    return made
