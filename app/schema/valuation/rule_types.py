"""Valuation rules as GraphQL types."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import orjson
import strawberry

import app.schema.valuation.types  # noqa: F401

# Importing them registers Component, Condition and RuleUnit.
from app.db.tables import Component, Condition, RuleUnit
from app.graphql.context import Info
from app.graphql.fields import column, computed, is_row
from app.graphql.relay import Node, id_field
from app.schema.valuation.loaders import RuleById, RuleRow


@strawberry.type(description="Factor of a rule's value for offers of one condition.")
class ConditionMultiplier:
    condition: Condition = strawberry.field(description="Condition of the offer.")
    multiplier: float = strawberry.field(description="Factor; 1 for conditions that a rule does not name.")


def multipliers_of(self: Any) -> list[ConditionMultiplier]:
    """Of a row of rule columns, best condition first."""
    found = orjson.loads(self["condition_multipliers"])
    return [
        ConditionMultiplier(condition=each, multiplier=float(found[each.value]))
        for each in Condition
        if each.value in found
    ]


@strawberry.type(
    description="What is deducted for something that is offered beside a CPU. Of the rules for a component whose time "
    "has come, that with the longest kind counts, and of these the newest; a rule of value 0 ends an earlier one."
)
class ValuationRule(Node):
    """Its objects are rows of rule columns."""

    is_type_of = is_row(RuleRow)

    id: strawberry.ID = id_field("ValuationRule")
    component: Component = column("component", description="What it values.")
    kind: str | None = column(
        "kind",
        description='Words of what must be read, in any case: "DDR4", "SSD" (an NVMe SSD, too), "RTX 3060". '
        "Null: all kinds, and where none is told.",
    )
    unit: RuleUnit = column("unit", description="What `valueUsd` is for.")
    value_usd: float = column("value_usd", description="USD per unit.")
    condition_multipliers: list[ConditionMultiplier] = computed(
        multipliers_of, "condition_multipliers", description="Factors by the condition of the offer."
    )
    valid_from: datetime = column("valid_from", description="When it comes, or came, into force.")
    created_at: datetime = column("created_at", description="When it was made.")
    updated_at: datetime = column("updated_at", description="When it was last changed.")

    @classmethod
    async def load_node(cls, info: Info, key: int) -> ValuationRule | None:
        """For `node(id:)`."""
        return cast("ValuationRule | None", await info.context.loader(RuleById).load(key))
