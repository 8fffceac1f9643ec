"""What the schema says about its fields beside their types: cost, list sizes, and what an answer is made of."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.schema_directive import Location

from app.db.tables import Domain


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="What the field costs beside what is selected below it.",
)
class CostWeight:
    weight: int = strawberry.directive_field(name="weight")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name="listSize", description="How many items a list has at most."
)
class ListSize:
    assumed_size: int
    slicing_arguments: list[str] | None = strawberry.UNSET
    sized_fields: list[str] | None = strawberry.UNSET


def page_size(default: int) -> ListSize:
    """Of a connection: `default` items, unless `first` or `last` tells otherwise, below `edges` and `nodes`."""
    return ListSize(assumed_size=default, slicing_arguments=["first", "last"], sized_fields=["edges", "nodes"])


def reads(*domains: Domain, max_age: int | None = None, timed: bool = False, own: bool = False) -> dict[str, Any]:
    """The metadata of a field that reads data: the domains that its value is made of.

    `max_age`: for how many seconds others may keep it. `timed`: it changes as time goes by, without any change of data.
    `own`: it depends on who asks, and is kept by nobody.
    """
    facts: dict[str, Any] = {"reads": domains, "timed": timed, "own": own}
    return facts if max_age is None else {**facts, "max_age": max_age}
