"""Python enumerations as documented GraphQL enums."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry

from app.graphql.strawberry_bridge import enum_definition

E = TypeVar("E", bound=type[Enum])


def graphql_enum(enum: E, description: str, values: Mapping[str, str], name: str | None = None) -> E:
    """Register an enumeration, which may belong to a layer below GraphQL, as a GraphQL enum.

    `values` holds a description for each value by its name. `name` is the name of the GraphQL type if it differs from
    that of the class.
    """
    registered = strawberry.enum(enum, name=name, description=description)
    for value in enum_definition(registered).values:
        value.description = values[value.name]
    return registered
