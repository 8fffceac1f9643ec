"""GraphQL types of valuation rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import orjson
import strawberry

# Registers the GraphQL types of Component, Condition and RuleUnit.
import app.schema.valuation.types  # noqa: F401
from app.db.tables import Component, Condition, RuleUnit
from app.graphql.context import Info
from app.graphql.fields import column, computed, is_row
from app.graphql.relay import Node, id_field
from app.schema.valuation.loaders import RuleById, RuleRow


@strawberry.type(description="Factor of a rule's value for offers of one condition.")
class ConditionMultiplier:
    condition: Condition = strawberry.field(description="Condition of the offer.")
    multiplier: float = strawberry.field(
        description="Factor of the value; it is 1 for conditions that a rule does not name."
    )


def multipliers_of(self: Any) -> list[ConditionMultiplier]:
    """Return the multipliers of a rule, best condition first."""
    multipliers = orjson.loads(self["condition_multipliers"])
    return [
        ConditionMultiplier(condition=condition, multiplier=float(multipliers[condition.value]))
        for condition in Condition
        if condition.value in multipliers
    ]


@strawberry.type(
    description="Deduction for a component that is sold with a CPU. Of the rules in force for a component, the one "
    "with the longest matching kind applies, and of these the newest; a rule of value 0 ends an earlier one."
)
class ValuationRule(Node):
    """Objects are instances of RuleRow."""

    is_type_of = is_row(RuleRow)

    id: strawberry.ID = id_field("ValuationRule")
    component: Component = column("component", description="Component that the rule values.")
    kind: str | None = column(
        "kind",
        description='Words that the component\'s description must contain, in any case, such as "DDR4", "SSD" (which '
        'includes "NVMe SSD") or "RTX 3060"; null stands for all kinds.',
    )
    unit: RuleUnit = column("unit", description="Unit of `valueUsd`.")
    value_usd: float = column("value_usd", description="Value in USD per unit.")
    condition_multipliers: list[ConditionMultiplier] = computed(
        multipliers_of,
        "condition_multipliers",
        description="Factors by the condition of the offer; the factor of other conditions is 1.",
    )
    valid_from: datetime = column("valid_from", description="Time when the rule comes or came into force.")
    created_at: datetime = column("created_at", description="Time when the rule was created.")
    updated_at: datetime = column("updated_at", description="Time of the last change of the rule.")

    @classmethod
    async def load_node(cls, info: Info, key: int) -> ValuationRule | None:
        """Return the rule with this key, or None."""
        return cast("ValuationRule | None", await info.context.loader(RuleById).load(key))
