"""Mutations of valuation rules; each asks for the job that values the listings anew that it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from app.core.errors import BadInput, NotFound
from app.core.global_ids import encode_global_id, key_from_global_id
from app.db.tables import Component, Condition, Domain, JobKind, RuleUnit
from app.db.transaction import Transaction
from app.graphql.context import Info
from app.graphql.permissions import IsAdmin
from app.job_queue.enqueue import request_job
from app.schema.jobs.types import Job
from app.schema.valuation.rule_types import ValuationRule
from app.valuation import rules_sql

MAX_KIND_LENGTH = 60  # characters
MAX_VALUE_USD = 100_000  # USD
MAX_MULTIPLIER = 10
MAX_DECIMALS = 4

RuleId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the rule.")]


@strawberry.input(description="Factor of a rule's value for offers of one condition.")
class ConditionMultiplierInput:
    condition: Condition = strawberry.field(description="Condition of the offer.")
    multiplier: float = strawberry.field(description=f"0 to {MAX_MULTIPLIER}, with {MAX_DECIMALS} decimals at most.")


@strawberry.input(description="A rule to be made.")
class ValuationRuleInput:
    component: Component = strawberry.field(description="What it values.")
    unit: RuleUnit = strawberry.field(description="What `valueUsd` is for; GB for memory and storage only.")
    value_usd: float = strawberry.field(
        description=f"USD per unit, 0 to {MAX_VALUE_USD:,}, with {MAX_DECIMALS} decimals at most."
    )
    kind: str | None = strawberry.field(
        default=None, description="Words of what must be read, in any case; null: all kinds, and where none is told."
    )
    condition_multipliers: list[ConditionMultiplierInput] | None = strawberry.field(
        default=None, description="Factors by the condition of the offer; 1 for those that are not named."
    )
    valid_from: datetime | None = strawberry.field(default=None, description="When it comes into force; null: now.")


@strawberry.input(description="What is to become of a rule; what is left out stays.")
class ValuationRuleChanges:
    component: Component | None = strawberry.field(default=strawberry.UNSET, description="What it values.")
    unit: RuleUnit | None = strawberry.field(default=strawberry.UNSET, description="What `valueUsd` is for.")
    value_usd: float | None = strawberry.field(default=strawberry.UNSET, description="USD per unit.")
    kind: str | None = strawberry.field(
        default=strawberry.UNSET, description="Words of what must be read; null: all kinds, and where none is told."
    )
    condition_multipliers: list[ConditionMultiplierInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Factors by the condition of the offer, all of them; null: none."
    )
    valid_from: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="When it comes into force; null: now."
    )


@strawberry.type(description="A rule that was made or changed.")
class ValuationRulePayload:
    rule: ValuationRule = strawberry.field(description="As it is now.")
    job: Job | None = strawberry.field(
        description="Values the listings that it concerns anew; null for a rule that is yet to come into force."
    )


@strawberry.type(description="A rule that was deleted.")
class DeleteValuationRulePayload:
    id: strawberry.ID = strawberry.field(description="Global id of the rule that was.")
    job: Job | None = strawberry.field(
        description="Values the listings that it concerned anew; null for a rule that was yet to come into force."
    )


@strawberry.type
class ValuationMutation:
    @strawberry.mutation(
        description="Makes a rule for what is offered beside a CPU. Admins only.", permission_classes=[IsAdmin]
    )
    async def create_valuation_rule(
        self, info: Info, rule: Annotated[ValuationRuleInput, strawberry.argument(description="The rule.")]
    ) -> ValuationRulePayload:
        """Raises BadInput that says what is wrong."""
        async with info.context.write() as tx:
            now = await rules_sql.lock_rules(tx)
            values = _parse_columns(vars(rule), now)
            await _check_rule(tx, values, None)
            in_force = values["valid_from"] <= now
            key = await rules_sql.create_rule(tx, {**values, "in_force": in_force})
            job_id = await _revalue(tx, info, [values] if in_force else [])
        return await _payload(info, key, job_id)

    @strawberry.mutation(description="Changes a rule. Admins only.", permission_classes=[IsAdmin])
    async def update_valuation_rule(
        self,
        info: Info,
        id: RuleId,  # noqa: A002
        changes: Annotated[ValuationRuleChanges, strawberry.argument(description="What is to be different.")],
    ) -> ValuationRulePayload:
        """Raises NotFound, and BadInput that says what is wrong."""
        key = key_from_global_id(id, "ValuationRule")
        given = {name: value for name, value in vars(changes).items() if value is not strawberry.UNSET}
        if not given:
            raise BadInput("`changes` is empty: say what is to be different.")
        async with info.context.write() as tx:
            now = await rules_sql.lock_rules(tx)
            before = await _load_rule(tx, key, id)
            values = {**before, **_parse_columns(given, now)}
            await _check_rule(tx, values, key)
            values["in_force"] = values["valid_from"] <= now
            await rules_sql.update_rule(tx, key, values)
            job_id = await _revalue(tx, info, [each for each in (before, values) if each["in_force"]])
        return await _payload(info, key, job_id)

    @strawberry.mutation(description="Deletes a rule. Admins only.", permission_classes=[IsAdmin])
    async def delete_valuation_rule(self, info: Info, id: RuleId) -> DeleteValuationRulePayload:  # noqa: A002
        """Raises NotFound."""
        key = key_from_global_id(id, "ValuationRule")
        async with info.context.write() as tx:
            await rules_sql.lock_rules(tx)
            before = await _load_rule(tx, key, id)
            await rules_sql.delete_rule(tx, key)
            job_id = await _revalue(tx, info, [before] if before["in_force"] else [])
        return DeleteValuationRulePayload(
            id=strawberry.ID(encode_global_id("ValuationRule", key)),
            job=None if job_id is None else await Job.load_node(info, job_id),
        )


def _parse_columns(given: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Columns of the rule, of those that are given. Raises BadInput."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name in {"component", "unit", "value_usd"} and value is None:
            raise BadInput(f"`{REQUIRED_FIELDS[name]}` must not be null; leave it out to keep what it is.")
        values[name] = COLUMN_PARSERS[name](value)
    if "valid_from" in values:
        values["valid_from"] = values["valid_from"] or now
    return values


def _amount(value: float, name: str, largest: int) -> Decimal:
    amount = Decimal(str(value))
    if not 0 <= amount <= largest:
        raise BadInput(f"`{name}` must be from 0 to {largest:,}, not {value:g}.")
    if amount != round(amount, MAX_DECIMALS):
        raise BadInput(f"`{name}` has more than {MAX_DECIMALS} decimals.")
    return amount


def _kind(value: str | None) -> str | None:
    if value is None:
        return None
    if "\0" in value or any(0xD800 <= ord(c) < 0xE000 for c in value):
        raise BadInput("`kind` contains a NUL character or half of a surrogate pair.")
    kind = " ".join(value.split())
    if not kind:
        raise BadInput("`kind` is empty: leave it out, or give null, for all kinds.")
    if len(kind) > MAX_KIND_LENGTH:
        raise BadInput(f"`kind` is longer than {MAX_KIND_LENGTH} characters.")
    return kind


def _multipliers(given: list[ConditionMultiplierInput] | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in given or ():
        if each.condition.value in found:
            raise BadInput(f"`conditionMultipliers` names {each.condition.name} twice.")
        found[each.condition.value] = float(_amount(each.multiplier, "multiplier", MAX_MULTIPLIER))
    return found


def _time(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise BadInput("`validFrom` is not within the years 1 to 9999, UTC.") from None


REQUIRED_FIELDS = {"component": "component", "unit": "unit", "value_usd": "valueUsd"}
COLUMN_PARSERS: Mapping[str, Any] = {
    "component": lambda component: component.value,
    "unit": lambda unit: unit.value,
    "value_usd": lambda value: _amount(value, "valueUsd", MAX_VALUE_USD),
    "kind": _kind,
    "condition_multipliers": _multipliers,
    "valid_from": _time,
}


async def _check_rule(tx: Transaction, values: Mapping[str, Any], key: int | None) -> None:
    """What only the whole rule tells. Raises BadInput."""
    component, unit, kind = values["component"], values["unit"], values["kind"]
    if unit == RuleUnit.GB and component not in {Component.MEMORY, Component.STORAGE}:
        raise BadInput(f"{component.upper()} has no size: its unit is ITEM.")
    other = await rules_sql.find_conflicting_rule(tx, values)
    if other not in {None, key}:
        what = f"{component.upper()} of the kind {kind}" if kind else f"{component.upper()} of all kinds"
        raise BadInput(
            f"There is a rule for {what} from {values['valid_from'].isoformat()} already: "
            f"update {encode_global_id('ValuationRule', other or 0)}, or choose another time."
        )


async def _load_rule(tx: Transaction, key: int, given: str) -> dict[str, Any]:
    """The columns of the rule that a client may have an influence on. Raises NotFound."""
    row = await rules_sql.find_rule(tx, key)
    if row is None:
        raise NotFound(f'There is no valuation rule "{given[:100]}".')
    return {name: row[name] for name in (*COLUMN_PARSERS, "in_force")}


async def _revalue(tx: Transaction, info: Info, rules: list[dict[str, Any]]) -> int | None:
    """The job for listings that these rules concern; None when there are none."""
    tx.bump_version(Domain.MARKET)
    kinds = {(rule["component"], rule["kind"]) for rule in rules}
    if not kinds:
        return None
    concerned = [
        {"component": component, "kind": kind} for component, kind in sorted(kinds, key=lambda k: (k[0], k[1] or ""))
    ]
    requested_by = info.context.viewer.subject or "unknown"
    return await request_job(tx, JobKind.REVALUE_LISTINGS, {"rules": concerned}, requested_by)


async def _payload(info: Info, key: int, job_id: int | None) -> ValuationRulePayload:
    rule = await ValuationRule.load_node(info, key)
    assert rule is not None
    return ValuationRulePayload(rule=rule, job=None if job_id is None else await Job.load_node(info, job_id))
