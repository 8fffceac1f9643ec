"""Input types of valuation rules and their conversion to columns of `valuation_rule`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import strawberry

from app.core.errors import BadInput
from app.db.tables import Component, Condition, RuleUnit
from app.graphql.input_limits import at_most

MAX_KIND_LENGTH = 60  # characters
MAX_VALUE_USD = 100_000
MAX_MULTIPLIER = 10
MAX_DECIMALS = 4
KIND_LIMIT = at_most(length=MAX_KIND_LENGTH)
MULTIPLIERS_LIMIT = at_most(values=len(Condition))


@strawberry.input(description="Factor of a rule's value for offers of one condition.")
class ConditionMultiplierInput:
    condition: Condition = strawberry.field(description="Condition of the offer.")
    multiplier: float = strawberry.field(
        description=f"Factor from 0 to {MAX_MULTIPLIER}, with at most {MAX_DECIMALS} decimals."
    )


@strawberry.input(description="A new valuation rule.")
class ValuationRuleInput:
    component: Component = strawberry.field(description="Component that the rule values.")
    unit: RuleUnit = strawberry.field(description="Unit of `valueUsd`; GB is for memory and storage only.")
    value_usd: float = strawberry.field(
        description=f"Value in USD per unit, 0 to {MAX_VALUE_USD:,}, with at most {MAX_DECIMALS} decimals."
    )
    kind: str | None = strawberry.field(
        default=None,
        description="Words that the component's description must contain, in any case; null stands for all kinds.",
        metadata=KIND_LIMIT,
    )
    condition_multipliers: list[ConditionMultiplierInput] | None = strawberry.field(
        default=None,
        description="Factors by the condition of the offer; the factor of other conditions is 1.",
        metadata=MULTIPLIERS_LIMIT,
    )
    valid_from: datetime | None = strawberry.field(
        default=None, description="Time when the rule comes into force; null stands for now."
    )


@strawberry.input(description="Changes of a valuation rule; omitted fields keep their values.")
class ValuationRuleChanges:
    component: Component | None = strawberry.field(
        default=strawberry.UNSET, description="Component that the rule values; must not be null."
    )
    unit: RuleUnit | None = strawberry.field(
        default=strawberry.UNSET, description="Unit of `valueUsd`; must not be null."
    )
    value_usd: float | None = strawberry.field(
        default=strawberry.UNSET, description="Value in USD per unit; must not be null."
    )
    kind: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Words that the component's description must contain; null stands for all kinds.",
        metadata=KIND_LIMIT,
    )
    condition_multipliers: list[ConditionMultiplierInput] | None = strawberry.field(
        default=strawberry.UNSET,
        description="All factors by the condition of the offer; null removes them.",
        metadata=MULTIPLIERS_LIMIT,
    )
    valid_from: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Time when the rule comes into force; null stands for now."
    )


def _parse_decimal(value: float, name: str, maximum: int) -> Decimal:
    amount = Decimal(str(value))
    if not 0 <= amount <= maximum:
        raise BadInput(f"`{name}` must be from 0 to {maximum:,}, not {value:g}.")
    if amount != round(amount, MAX_DECIMALS):
        raise BadInput(f"`{name}` has more than {MAX_DECIMALS} decimals.")
    return amount


def _parse_kind(value: str | None) -> str | None:
    if value is None:
        return None
    if "\0" in value or any(0xD800 <= ord(c) < 0xE000 for c in value):
        raise BadInput("`kind` contains a NUL character or half of a surrogate pair.")
    kind = " ".join(value.split())
    if not kind:
        raise BadInput("`kind` is empty: leave it out, or give null, for all kinds.")
    return kind


def _parse_multipliers(inputs: list[ConditionMultiplierInput] | None) -> dict[str, float]:
    multipliers: dict[str, float] = {}
    for item in inputs or ():
        if item.condition.value in multipliers:
            raise BadInput(f"`conditionMultipliers` names {item.condition.name} twice.")
        multipliers[item.condition.value] = float(_parse_decimal(item.multiplier, "multiplier", MAX_MULTIPLIER))
    return multipliers


def _parse_time(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise BadInput("`validFrom` is not within the years 1 to 9999, UTC.") from None


# Column of a rule that must not be null -> name of the input field.
REQUIRED_FIELDS = {"component": "component", "unit": "unit", "value_usd": "valueUsd"}
# Column of a rule -> function that converts the value of the input field.
COLUMN_PARSERS: Mapping[str, Any] = {
    "component": lambda component: component.value,
    "unit": lambda unit: unit.value,
    "value_usd": lambda value: _parse_decimal(value, "valueUsd", MAX_VALUE_USD),
    "kind": _parse_kind,
    "condition_multipliers": _parse_multipliers,
    "valid_from": _parse_time,
}


def parse_columns(fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the columns of the rule for these input fields. Raises BadInput for invalid values."""
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name in REQUIRED_FIELDS and value is None:
            raise BadInput(f"`{REQUIRED_FIELDS[name]}` must not be null; leave it out to keep its value.")
        values[name] = COLUMN_PARSERS[name](value)
    if "valid_from" in values:
        values["valid_from"] = values["valid_from"] or now
    return values
