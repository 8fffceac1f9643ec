"""Schema directives and field metadata: cost, list sizes, and the data that a field depends on."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.schema_directive import Location

from app.db.tables import Domain


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="The cost of the field without the fields selected below it.",
)
class CostWeight:
    weight: int = strawberry.directive_field(name="weight")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name="listSize", description="The maximum number of items of a list."
)
class ListSize:
    assumed_size: int
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET


def connection_size(default: int) -> ListSize:
    """Return the size of a connection: the argument `first` or `last`, else `default`, in `edges` and in `nodes`."""
    return ListSize(assumed_size=default, slicing_arguments=["first", "last"], sized_fields=["edges", "nodes"])


def cache_hints(
    *domains: Domain, max_age: int | None = None, time_dependent: bool = False, per_viewer: bool = False
) -> dict[str, Any]:
    """Return the metadata of a field that reads data of these domains.

    `max_age`: how long shared caches may keep the value, in seconds. `time_dependent`: the value changes with time even
    if no data changes. `per_viewer`: the value depends on the viewer, so it is not cached.
    """
    hints: dict[str, Any] = {"domains": domains, "time_dependent": time_dependent, "per_viewer": per_viewer}
    return hints if max_age is None else {**hints, "max_age": max_age}
