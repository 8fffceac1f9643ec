"""Mutations of valuation rules. Each requests a job that revalues the listings that the change can affect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import strawberry

from app.core.errors import BadInput, NotFound
from app.core.global_ids import encode_global_id, key_from_global_id
from app.db.tables import Component, Domain, JobKind, RuleUnit
from app.db.transaction import Transaction
from app.graphql.context import Info
from app.graphql.permissions import IsAdmin
from app.job_queue.enqueue import request_job
from app.schema.jobs.types import Job
from app.schema.valuation.inputs import COLUMN_PARSERS, ValuationRuleChanges, ValuationRuleInput, parse_columns
from app.schema.valuation.rule_types import ValuationRule
from app.valuation import rules_sql

RuleId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the valuation rule.")]


@strawberry.type(description="The created or changed rule.")
class ValuationRulePayload:
    rule: ValuationRule = strawberry.field(description="The rule after the change.")
    job: Job | None = strawberry.field(
        description="Job that revalues the affected listings; null if the rule is not in force yet."
    )


@strawberry.type(description="The deleted rule.")
class DeleteValuationRulePayload:
    id: strawberry.ID = strawberry.field(description="Global id of the deleted rule.")
    job: Job | None = strawberry.field(
        description="Job that revalues the affected listings; null if the rule was not in force yet."
    )


@strawberry.type
class ValuationMutation:
    @strawberry.mutation(
        description="Create a rule for components that are sold with a CPU. Admins only.", permission_classes=[IsAdmin]
    )
    async def create_valuation_rule(
        self, info: Info, rule: Annotated[ValuationRuleInput, strawberry.argument(description="The new rule.")]
    ) -> ValuationRulePayload:
        """Create the rule. Raises BadInput for invalid values."""
        async with info.context.write() as tx:
            now = await rules_sql.lock_rules(tx)
            values = parse_columns(vars(rule), now)
            await _check_rule(tx, values, None)
            in_force = values["valid_from"] <= now
            key = await rules_sql.create_rule(tx, {**values, "in_force": in_force})
            job_id = await _request_revaluation(tx, info, [values] if in_force else [])
        return await _payload(info, key, job_id)

    @strawberry.mutation(description="Change a valuation rule. Admins only.", permission_classes=[IsAdmin])
    async def update_valuation_rule(
        self,
        info: Info,
        id: RuleId,  # noqa: A002
        changes: Annotated[ValuationRuleChanges, strawberry.argument(description="Fields to change, at least one.")],
    ) -> ValuationRulePayload:
        """Change the rule. Raises NotFound, and BadInput for invalid values."""
        key = key_from_global_id(id, "ValuationRule")
        fields = {name: value for name, value in vars(changes).items() if value is not strawberry.UNSET}
        if not fields:
            raise BadInput("`changes` is empty: set at least one field.")
        async with info.context.write() as tx:
            now = await rules_sql.lock_rules(tx)
            before = await _load_rule(tx, key, id)
            values = {**before, **parse_columns(fields, now)}
            await _check_rule(tx, values, key)
            values["in_force"] = values["valid_from"] <= now
            await rules_sql.update_rule(tx, key, values)
            job_id = await _request_revaluation(tx, info, [rule for rule in (before, values) if rule["in_force"]])
        return await _payload(info, key, job_id)

    @strawberry.mutation(description="Delete a valuation rule. Admins only.", permission_classes=[IsAdmin])
    async def delete_valuation_rule(self, info: Info, id: RuleId) -> DeleteValuationRulePayload:  # noqa: A002
        """Delete the rule. Raises NotFound."""
        key = key_from_global_id(id, "ValuationRule")
        async with info.context.write() as tx:
            await rules_sql.lock_rules(tx)
            before = await _load_rule(tx, key, id)
            await rules_sql.delete_rule(tx, key)
            job_id = await _request_revaluation(tx, info, [before] if before["in_force"] else [])
        return DeleteValuationRulePayload(
            id=strawberry.ID(encode_global_id("ValuationRule", key)),
            job=None if job_id is None else await Job.load_node(info, job_id),
        )


async def _check_rule(tx: Transaction, values: Mapping[str, Any], key: int | None) -> None:
    """Check conditions that involve several columns. Raises BadInput."""
    component, unit, kind = values["component"], values["unit"], values["kind"]
    if unit == RuleUnit.GB and component not in {Component.MEMORY, Component.STORAGE}:
        raise BadInput(f"{component.upper()} has no size: its unit is ITEM.")
    other = await rules_sql.find_conflicting_rule(tx, values)
    if other not in {None, key}:
        subject = f"{component.upper()} of the kind {kind}" if kind else f"{component.upper()} of all kinds"
        raise BadInput(
            f"There is a rule for {subject} from {values['valid_from'].isoformat()} already: "
            f"update {encode_global_id('ValuationRule', other or 0)}, or choose another time."
        )


async def _load_rule(tx: Transaction, key: int, global_id: str) -> dict[str, Any]:
    """Return the columns of the rule that clients can change, and `in_force`. Raises NotFound."""
    row = await rules_sql.find_rule(tx, key)
    if row is None:
        raise NotFound(f'There is no valuation rule "{global_id[:100]}".')
    return {name: row[name] for name in (*COLUMN_PARSERS, "in_force")}


async def _request_revaluation(tx: Transaction, info: Info, rules: list[dict[str, Any]]) -> int | None:
    """Request a job that revalues the listings that these rules can affect; return its id, None without rules."""
    tx.bump_version(Domain.MARKET)
    kinds = {(rule["component"], rule["kind"]) for rule in rules}
    if not kinds:
        return None
    changed_rules = [
        {"component": component, "kind": kind} for component, kind in sorted(kinds, key=lambda k: (k[0], k[1] or ""))
    ]
    return await request_job(tx, JobKind.REVALUE_LISTINGS, {"rules": changed_rules}, info.context.viewer.requested_by)


async def _payload(info: Info, key: int, job_id: int | None) -> ValuationRulePayload:
    rule = await ValuationRule.load_node(info, key)
    assert rule is not None
    return ValuationRulePayload(rule=rule, job=None if job_id is None else await Job.load_node(info, job_id))
