"""Listings of PCs, and valuation rules that an admin creates over GraphQL."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import text

from app.core.global_ids import encode_global_id
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.file_imports import FileImporter
from tests.support.queue_worker import run_queued_jobs
from tests.support.schema_execution import execute_query

ADMIN = Viewer("ada", Role.ADMIN)
HEADER = "title,cpu,price,currency,condition,marketplace,shipping,seen_at\n"
FIELDS = "id component kind unit valueUsd conditionMultipliers { condition multiplier } validFrom createdAt updatedAt"
JOB = "job { id kind status }"
CREATE = f"mutation ($rule: ValuationRuleInput!) {{ createValuationRule(rule: $rule) {{ rule {{ {FIELDS} }} {JOB} }} }}"
UPDATE = (
    "mutation ($id: ID!, $changes: ValuationRuleChanges!) "
    f"{{ updateValuationRule(id: $id, changes: $changes) {{ rule {{ {FIELDS} }} {JOB} }} }}"
)
DELETE = f"mutation ($id: ID!) {{ deleteValuationRule(id: $id) {{ id {JOB} }} }}"


async def import_shop(resources: Resources, importer: FileImporter, *titles: str, price: str = "200") -> None:
    """Store a CPU, and import used listings of it with these titles for `price` USD and 10 USD shipping."""
    await add_cpu(resources, "Intel Core i5-8500T", cpu_mark_multi=7000)
    rows = [f'"{title}",Intel Core i5-8500T,{price},USD,used,ebay,10,\n' for title in titles]
    await importer.listings(HEADER + "".join(rows))


async def run_mutation(resources: Resources, mutation: str, **variables: Any) -> dict[str, Any]:
    """Run a mutation as an admin and return its payload; it must have no errors."""
    result = await execute_query(resources, mutation, ADMIN, **variables)
    assert not result.errors, result.errors
    assert result.data is not None
    payload: dict[str, Any]
    (payload,) = result.data.values()
    return payload


async def mutation_error(
    resources: Resources, mutation: str, viewer: Viewer = ADMIN, **variables: Any
) -> tuple[str, str]:
    """Run a mutation and return code and message of its only error."""
    result = await execute_query(resources, mutation, viewer, **variables)
    assert result.errors is not None
    (only,) = result.errors
    assert only.extensions is not None
    return only.extensions["code"], only.message


def rule_input(component: str, unit: str, value: float, kind: str | None = None, **others: Any) -> dict[str, Any]:
    """Return the input of a mutation that creates a rule."""
    return {"component": component, "unit": unit, "valueUsd": value, "kind": kind, **others}


async def create_rules(resources: Resources, *rules: dict[str, Any]) -> list[str]:
    """Create rules and run the jobs that they enqueue. Return the ids of the rules."""
    ids = [(await run_mutation(resources, CREATE, rule=each))["rule"]["id"] for each in rules]
    await run_queued_jobs(resources)
    return ids


async def adjusted_prices(resources: Resources) -> dict[str, Decimal | None]:
    """Return the adjusted prices of all listings by title."""
    async with resources.read() as session:
        rows = await session.rows(text("SELECT title, adjusted_price FROM listing ORDER BY id"))
    return {row.title: row.adjusted_price for row in rows}


async def listing_id(resources: Resources, title: str) -> str:
    """Return the global id of the listing with this title."""
    async with resources.read() as session:
        (row,) = await session.rows(text("SELECT id FROM listing WHERE title = :title"), {"title": title})
    return encode_global_id("Listing", row.id)
