"""Valuation rules over GraphQL: created, changed and deleted by admins, read by all viewers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.core.global_ids import encode_global_id
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from tests.support.file_imports import FileImporter
from tests.support.queue_worker import run_queued_jobs
from tests.support.schema_execution import query_data, query_error
from tests.support.valuation_rules import (
    CREATE,
    DELETE,
    FIELDS,
    UPDATE,
    adjusted_prices,
    create_rules,
    import_shop,
    mutation_error,
    rule_input,
    run_mutation,
)

RULES = f"""
query ($first: Int, $after: String) {{ valuationRules(first: $first, after: $after) {{
  totalCount nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }}
}} }}
"""
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on ValuationRule {{ {FIELDS} }} }} }}"
DDR4 = rule_input("MEMORY", "GB", 2.5, "DDR4", conditionMultipliers=[{"condition": "USED", "multiplier": 0.6}])


@pytest.fixture
def importer(resources: Resources, tmp_path: Path) -> FileImporter:
    """Return an importer of listings."""
    return FileImporter(resources, tmp_path)


async def job_inputs(resources: Resources) -> list[dict[str, Any]]:
    """Return the inputs of all jobs."""
    async with resources.read() as session:
        return [row.input for row in await session.rows(text("SELECT input FROM job ORDER BY id"))]


async def test_valuation_rule_created_can_be_read(resources: Resources) -> None:
    before = datetime.now(UTC)
    payload = await run_mutation(resources, CREATE, rule=DDR4)
    assert (payload["job"]["kind"], payload["job"]["status"]) == ("REVALUE_LISTINGS", "QUEUED")
    rule = payload["rule"]
    assert before <= datetime.fromisoformat(rule["validFrom"]) <= datetime.now(UTC)
    assert {name: rule[name] for name in DDR4} == {**DDR4, "unit": "GB"}
    assert (await query_data(resources, NODE, id=rule["id"]))["node"] == rule
    await create_rules(
        resources, rule_input("STORAGE", "ITEM", 20, "  NVMe \t SSD "), rule_input("GRAPHICS", "ITEM", 60)
    )
    listed = (await query_data(resources, RULES, first=2))["valuationRules"]
    assert listed["totalCount"] == 3
    assert [rule["kind"] for rule in listed["nodes"]] == ["DDR4", "NVMe SSD"]
    rest = (await query_data(resources, RULES, after=listed["pageInfo"]["endCursor"]))["valuationRules"]
    assert [rule["component"] for rule in rest["nodes"]] == ["GRAPHICS"]
    assert not rest["pageInfo"]["hasNextPage"]
    assert (await job_inputs(resources))[0] == {"rules": [{"component": "memory", "kind": "DDR4"}]}


async def test_valuation_rules_empty_list(resources: Resources) -> None:
    rules = (await query_data(resources, RULES))["valuationRules"]
    assert rules == {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    assert (await query_data(resources, NODE, id=encode_global_id("ValuationRule", 7)))["node"] is None


@pytest.mark.parametrize(
    ("viewer", "code"),
    [(Viewer(), "UNAUTHENTICATED"), (Viewer("joe"), "FORBIDDEN"), (Viewer("eve", Role.OPERATOR), "FORBIDDEN")],
)
async def test_valuation_rule_mutations_require_admin(resources: Resources, viewer: Viewer, code: str) -> None:
    (known,) = await create_rules(resources, DDR4)
    for mutation, variables in (
        (CREATE, {"rule": rule_input("STORAGE", "GB", 1)}),
        (UPDATE, {"id": known, "changes": {"valueUsd": 9}}),
        (DELETE, {"id": known}),
    ):
        assert (await mutation_error(resources, mutation, viewer, **variables))[0] == code
    rules = (await query_data(resources, RULES))["valuationRules"]["nodes"]
    assert [rule["valueUsd"] for rule in rules] == [2.5]
    assert len(await job_inputs(resources)) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"valueUsd": -0.01}, "`valueUsd` must be from 0 to 100,000, not -0.01."),
        ({"valueUsd": 100000.5}, "`valueUsd` must be from 0 to 100,000, not 100000."),
        ({"valueUsd": 1e300}, "`valueUsd` must be from 0 to 100,000, not 1e+300."),
        ({"valueUsd": 0.00001}, "`valueUsd` has more than 4 decimals."),
        ({"kind": " "}, "`kind` is empty: leave it out, or give null, for all kinds."),
        ({"kind": "a\0b"}, "`kind` contains a NUL character or half of a surrogate pair."),
        ({"kind": "\ud800"}, "`kind` contains a NUL character or half of a surrogate pair."),
        ({"validFrom": "0001-01-01T00:00:00+02:00"}, "`validFrom` is not within the years 1 to 9999, UTC."),
        ({"component": "GRAPHICS"}, "GRAPHICS has no size: its unit is ITEM."),
        ({"component": "OPERATING_SYSTEM"}, "OPERATING_SYSTEM has no size: its unit is ITEM."),
        (
            {"conditionMultipliers": [{"condition": "NEW", "multiplier": 10.1}]},
            "`multiplier` must be from 0 to 10, not 10.1.",
        ),
        (
            {"conditionMultipliers": [{"condition": "NEW", "multiplier": 1}, {"condition": "NEW", "multiplier": 2}]},
            "`conditionMultipliers` names NEW twice.",
        ),
    ],
)
async def test_valuation_rule_invalid_input_is_rejected(
    resources: Resources, fields: dict[str, Any], message: str
) -> None:
    assert await mutation_error(resources, CREATE, rule={**DDR4, **fields}) == ("BAD_USER_INPUT", message)
    (known,) = await create_rules(resources, DDR4)
    assert await mutation_error(resources, UPDATE, id=known, changes=fields) == ("BAD_USER_INPUT", message)
    assert len(await job_inputs(resources)) == 1


async def test_valuation_rule_duplicate_is_rejected(resources: Resources) -> None:
    at = "2025-01-01T00:00:00+00:00"
    first, other = await create_rules(resources, {**DDR4, "validFrom": at}, {**DDR4, "kind": "DDR5", "validFrom": at})
    code, message = await mutation_error(
        resources, CREATE, rule={**DDR4, "kind": "ddr4", "validFrom": "2025-01-01T01:00:00+01:00"}
    )
    assert code == "BAD_USER_INPUT"
    assert message == (
        f"There is a rule for MEMORY of the kind ddr4 from {at} already: update {first}, or choose another time."
    )
    code, message = await mutation_error(resources, UPDATE, id=other, changes={"kind": "DDR4"})
    assert (code, first in message) == ("BAD_USER_INPUT", True)
    # A rule does not conflict with itself.
    assert (await run_mutation(resources, UPDATE, id=other, changes={"kind": "ddr5"}))["rule"]["kind"] == "ddr5"
    await run_queued_jobs(resources)
    every = {**DDR4, "kind": None, "validFrom": at}
    await create_rules(resources, every)
    assert "MEMORY of all kinds" in (await mutation_error(resources, CREATE, rule=every))[1]


async def test_valuation_rule_concurrent_duplicates_are_rejected(resources: Resources) -> None:
    at = {"validFrom": "2025-01-01T00:00:00Z"}

    async def make() -> str:
        try:
            await run_mutation(resources, CREATE, rule={**DDR4, **at})
        except AssertionError as refused:
            return "already" if "already" in str(refused) else str(refused)
        return "made"

    assert sorted(await asyncio.gather(*(make() for _ in range(4)))) == ["already", "already", "already", "made"]
    await run_queued_jobs(resources)


@pytest.mark.parametrize(
    "identifier", ["", "x", encode_global_id("CPU", 1), encode_global_id("ValuationRule", 1) + "x"]
)
async def test_valuation_rule_unknown_ids_are_not_found(resources: Resources, identifier: str) -> None:
    changed: dict[str, Any] = {"changes": {"valueUsd": 1}}
    for mutation, variables in ((UPDATE, changed), (DELETE, {})):
        expected = ("BAD_USER_INPUT", f'"{identifier}" is not the id of a ValuationRule.')
        assert await mutation_error(resources, mutation, id=identifier, **variables) == expected
        unknown = encode_global_id("ValuationRule", 99)
        expected = ("NOT_FOUND", f'There is no valuation rule "{unknown}".')
        assert await mutation_error(resources, mutation, id=unknown, **variables) == expected


async def test_valuation_rule_update_changes_given_fields_only(resources: Resources) -> None:
    (known,) = await create_rules(resources, {**DDR4, "validFrom": "2025-01-01T00:00:00Z"})
    before = (await query_data(resources, NODE, id=known))["node"]
    after = (await run_mutation(resources, UPDATE, id=known, changes={"valueUsd": 3}))["rule"]
    assert after == {**before, "valueUsd": 3, "updatedAt": after["updatedAt"]}
    after = (await run_mutation(resources, UPDATE, id=known, changes={"kind": None, "conditionMultipliers": None}))[
        "rule"
    ]
    assert (after["kind"], after["conditionMultipliers"], after["validFrom"]) == (None, [], before["validFrom"])
    await run_queued_jobs(resources)
    # Listings of the old and of the new kind are affected.
    both = [{"component": "memory", "kind": None}, {"component": "memory", "kind": "DDR4"}]
    assert (await job_inputs(resources))[-1] == {"rules": both}
    assert await mutation_error(resources, UPDATE, id=known, changes={}) == (
        "BAD_USER_INPUT",
        "`changes` is empty: set at least one field.",
    )
    for name in ("component", "unit", "valueUsd"):
        code, message = await mutation_error(resources, UPDATE, id=known, changes={name: None})
        assert (code, message) == ("BAD_USER_INPUT", f"`{name}` must not be null; leave it out to keep its value.")


async def test_valuation_rule_changes_request_revaluation(resources: Resources, importer: FileImporter) -> None:
    pc, boxed = "i5-8500T 16GB DDR4", "i5-8500T boxed"
    await import_shop(resources, importer, pc, boxed)
    (known,) = await create_rules(resources, DDR4)
    assert await adjusted_prices(resources) == {pc: Decimal(186), boxed: Decimal(210)}
    await run_mutation(resources, UPDATE, id=known, changes={"conditionMultipliers": []})
    await run_queued_jobs(resources)
    assert await adjusted_prices(resources) == {pc: Decimal(170), boxed: Decimal(210)}
    await run_mutation(resources, UPDATE, id=known, changes={"kind": "DDR5"})
    await run_queued_jobs(resources)
    assert await adjusted_prices(resources) == {pc: Decimal(210), boxed: Decimal(210)}
    await create_rules(resources, rule_input("MEMORY", "ITEM", 1))
    assert (await adjusted_prices(resources))[pc] == 209
    deleted = await run_mutation(resources, DELETE, id=known)
    assert (deleted["id"], deleted["job"]["kind"]) == (known, "REVALUE_LISTINGS")
    await run_queued_jobs(resources)
    assert (await query_data(resources, NODE, id=known))["node"] is None
    assert (await adjusted_prices(resources))[pc] == 209


async def test_valuation_rule_in_future_requests_no_revaluation(resources: Resources, importer: FileImporter) -> None:
    pc = "i5-8500T 16GB DDR4"
    await import_shop(resources, importer, pc)
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    payload = await run_mutation(resources, CREATE, rule={**DDR4, "validFrom": soon})
    assert payload["job"] is None
    assert (await run_mutation(resources, UPDATE, id=payload["rule"]["id"], changes={"valueUsd": 3}))["job"] is None
    assert await job_inputs(resources) == []
    # A rule in force that is postponed does not apply any more.
    (known,) = await create_rules(resources, rule_input("MEMORY", "ITEM", 1))
    assert await adjusted_prices(resources) == {pc: Decimal(209)}
    assert (await run_mutation(resources, UPDATE, id=known, changes={"validFrom": soon}))["job"] is not None
    await run_queued_jobs(resources)
    assert await adjusted_prices(resources) == {pc: Decimal(210)}
    assert (await run_mutation(resources, DELETE, id=known))["job"] is None


@pytest.mark.parametrize("arguments", [{"first": 0}, {"first": 201}, {"after": "x"}])
async def test_valuation_rules_invalid_pages_are_rejected(resources: Resources, arguments: dict[str, Any]) -> None:
    assert (await query_error(resources, RULES, **arguments))[0] in {"BAD_USER_INPUT", "BAD_CURSOR"}
