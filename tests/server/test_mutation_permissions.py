"""Every mutation for every role over every protocol; a denied mutation changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_named_type, is_object_type, is_required_argument
from redis.asyncio import Redis
from sqlalchemy import insert, text

from app.core.global_ids import encode_global_id
from app.db.tables import metadata, valuation_rule
from app.graphql.strawberry_bridge import field_definition
from app.graphql.viewer import Role
from app.resources import Resources
from tests.support.api_server import ApiClient
from tests.support.catalog_rows import add_cpu
from tests.support.schema_execution import GRAPHQL_SCHEMA
from tests.support.subscription_clients import open_event_stream, open_socket

# Roles that may use each mutation. A mutation that is not listed fails the test, so that none is opened by accident.
LEAST = {
    "recalculateMetrics": Role.ADMIN,
    "verifyFigures": Role.ADMIN,
    "createValuationRule": Role.ADMIN,
    "updateValuationRule": Role.ADMIN,
    "deleteValuationRule": Role.ADMIN,
    "ingestUrl": Role.OPERATOR,
    "ingestBulk": Role.OPERATOR,
}
# It takes a file, which these protocols cannot send; the tests of imports cover it.
WITH_FILES = {"ingestBulk"}
# The same for queries; all others are public.
LEAST_TO_READ = dict.fromkeys(("jobs", "documents", "consistency", "importSessions", "importSession"), Role.OPERATOR)
ROLES = [None, *Role]


def mutations() -> dict[str, Any]:
    """Return the GraphQL fields of all mutations by name."""
    kind: Any = GRAPHQL_SCHEMA.mutation_type
    return dict(kind.fields)


# The arguments of each mutation; the database has one rule.
RULE_ID = encode_global_id("ValuationRule", 1)
ARGUMENTS = {
    "createValuationRule": "(rule: {component: STORAGE, unit: ITEM, valueUsd: 20})",
    "updateValuationRule": f'(id: "{RULE_ID}", changes: {{valueUsd: 30}})',
    "deleteValuationRule": f'(id: "{RULE_ID}")',
    "ingestUrl": '(url: "https://shop.example/1")',
    "importSession": f'(id: "{encode_global_id("ImportSession", 1)}")',
}


def mutation_text(name: str) -> str:
    """Return a mutation with its required arguments and a minimal selection."""
    field = mutations()[name]
    required = [name for name, argument in field.args.items() if is_required_argument(argument)]
    assert bool(required) == (name in ARGUMENTS), "give them values"
    return f"mutation {{ {name}{ARGUMENTS.get(name, '')} {{ __typename }} }}"


async def database_contents(resources: Resources) -> dict[str, Any]:
    """Return the rows of all tables and the keys of Redis."""
    async with resources.read() as session:
        rows = {
            name: await session.scalar(text(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t"))
            for name in metadata.tables
        }
    redis = Redis.from_url(resources.settings.required_redis_url)
    rows["redis"] = sorted(await redis.keys("*"))
    await redis.aclose()
    return rows


def declared_roles(kind: Any) -> dict[str, list[Role]]:
    """Return the declared roles by field."""
    definitions: dict[str, Any] = {name: field_definition(field) for name, field in kind.fields.items()}
    return {
        name: [permission.role for permission in definition.permission_classes]
        for name, definition in definitions.items()
    }


def test_every_mutation_requires_a_role() -> None:
    assert declared_roles(GRAPHQL_SCHEMA.mutation_type) == {name: [role] for name, role in LEAST.items()}


def test_only_listed_queries_and_subscriptions_require_a_role() -> None:
    asked = {name: roles for name, roles in declared_roles(GRAPHQL_SCHEMA.query_type).items() if roles}
    assert asked == {name: [role] for name, role in LEAST_TO_READ.items()}
    followed = {name: roles for name, roles in declared_roles(GRAPHQL_SCHEMA.subscription_type).items() if roles}
    assert followed == {"importProgress": [Role.OPERATOR]}


def test_imports_are_reachable_through_operator_fields_only() -> None:
    """Therefore the fields of imports declare no roles.

    The interface Node does not lead to them, because `node` rejects their ids.
    """
    schema = GRAPHQL_SCHEMA
    left: list[Any] = [schema.query_type, schema.mutation_type, schema.subscription_type]
    reached = set[str]()
    while left:
        kind = left.pop()
        reached.add(kind.name)
        asks = declared_roles(kind)
        kinds = [get_named_type(field.type) for name, field in kind.fields.items() if not asks[name]]
        left += [each for each in kinds if is_object_type(each) and each.name not in reached]
    assert {"CPU", "Listing", "Job", "PriceChange"} <= reached
    assert not [name for name in reached if name.startswith(("Import", "Ingest"))]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", LEAST_TO_READ)
async def test_each_role_may_use_the_expected_queries(api: ApiClient, name: str, role: Role | None) -> None:
    headers = {} if role is None else api.token(role)
    for way in (by_post, by_events, by_socket):
        answer = await way(api, f"{{ {name}{ARGUMENTS.get(name, '')} {{ __typename }} }}", headers)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        if role is not None and role >= LEAST_TO_READ[name]:
            assert codes == [], way
        else:
            assert codes == ["UNAUTHENTICATED" if role is None else "FORBIDDEN"], way
            assert not (answer["data"] or {}).get(name)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(LEAST.keys() - WITH_FILES))
async def test_each_role_may_use_the_expected_mutations(
    api: ApiClient, resources: Resources, name: str, role: Role | None
) -> None:
    await add_cpu(resources, "CPU", [1, 2])
    async with resources.write() as tx:
        await tx.execute(insert(valuation_rule).values(component="memory", unit="gb", value_usd=2))
    headers = {} if role is None else api.token(role)
    before = await database_contents(resources)
    allowed = role is not None and role >= LEAST[name]
    for way in (by_post, by_events, by_socket):
        answer = await way(api, mutation_text(name), headers)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
        if allowed:
            assert codes == [] or (codes == ["NOT_FOUND"] and way != by_post), "the first has deleted it"
            continue
        assert answer["data"] is None
        assert codes == ["UNAUTHENTICATED" if role is None else "FORBIDDEN"], way
        assert await database_contents(resources) == before, f"{way} changed something"
    assert (await database_contents(resources) != before) == allowed
    await resources.broker.redis.flushall()


async def by_post(api: ApiClient, query: str, headers: dict[str, str]) -> dict[str, Any]:
    response = await api.http.post("/graphql", json={"query": query}, headers=headers)
    assert response.headers["cache-control"] == "private, no-store"
    answer: dict[str, Any] = response.json()
    return answer


async def by_events(api: ApiClient, query: str, headers: dict[str, str]) -> dict[str, Any]:
    api.http.headers.update(headers)
    try:
        async with open_event_stream(api, query) as events:
            (_, answer), _ = await events.rest()
    finally:
        api.http.headers.pop("authorization", None)
    found: dict[str, Any] = answer
    return found


async def by_socket(api: ApiClient, query: str, headers: dict[str, str]) -> dict[str, Any]:
    async with open_socket(api, dict(headers)) as client:
        await client.receive()
        return await client.one(query)
