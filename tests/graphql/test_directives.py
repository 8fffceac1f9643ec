"""Cache hints: fields declare the domains that their statements read, so that every change invalidates the cache."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from zlib import compress

import pytest
from graphql import (
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_introspection_type,
)
from sqlalchemy import insert

from app.core.global_ids import encode_global_id
from app.db.tables import Domain, import_fetch, import_payload, import_row, import_session, metadata
from app.engine.document import prepare_document
from app.events.outbox import sequence_outbox
from app.graphql.strawberry_bridge import field_definition
from app.graphql.viewer import Role, Viewer
from app.resources import Resources
from tests.support.catalog_rows import add_cpu
from tests.support.jobs import request_recalculation as ask_for_work
from tests.support.jobs import run_sql
from tests.support.schema_execution import GRAPHQL_SCHEMA, execute_query
from tests.support.statements import record_statements

# Table -> domains with versions that a change of the table bumps. `cpu` holds imported data and figures; cache keys are
# made of `data_version` itself.
DOMAINS: dict[str, set[Domain]] = {
    "cpu": {Domain.CATALOG, Domain.ANALYTICS},
    "listing": {Domain.MARKET},
    "price_observation": {Domain.MARKET},
    "figure_history": {Domain.ANALYTICS},
    "cpu_statistics": {Domain.CATALOG, Domain.ANALYTICS},
    "listing_statistics": {Domain.MARKET},
    "recalculation_watermark": {Domain.ANALYTICS},
    "recalculation_failure": {Domain.ANALYTICS},
    "job": {Domain.WORK},
    "last_verification": {Domain.WORK},
    "document": {Domain.DOCUMENTS},
    "document_client": {Domain.DOCUMENTS},
    "document_use": set(),
    "data_version": set(),
    "data_change_log": set(),
    "outbox": set(),
    "price_change": {Domain.EVENTS},
    "price_change_horizon": {Domain.EVENTS},
    "webhook": set(),
    "exchange_rate": {Domain.MARKET},
    "valuation_rule": {Domain.MARKET},
    "import_session": {Domain.WORK},
    "import_row": {Domain.WORK},
    "import_fetch": {Domain.WORK},
    "import_payload": {Domain.WORK},
    "import_host": set(),
}
CPU_ID, JOB_ID, IMPORT_ID = encode_global_id("CPU", 1), encode_global_id("Job", 1), encode_global_id("ImportSession", 1)
ROOTS = {
    "cpu": 'cpu(slug: "amd-one")',
    "cpusBySlugs": 'cpusBySlugs(slugs: ["amd-one"])',
    "cpus": "cpus(filter: {withListings: true})",
    "priceMap": "priceMap(filter: {withListings: true})",
    "statistics": "statistics",
    "matchTitle": 'matchTitle(title: "AMD One, 512GB SSD")',
    "priceChanges": "priceChanges",
    "job": f'job(id: "{JOB_ID}")',
    "cpuFacets": "cpuFacets(filter: {withListings: true})",
    "jobs": "jobs",
    "importSession": f'importSession(id: "{IMPORT_ID}")',
    "importSessions": "importSessions",
    "valuationRules": "valuationRules",
    "documents": "documents",
    "consistency": "consistency",
    "viewer": "viewer",
    "node": f'node(id: "{CPU_ID}")',
    "nodes": f'nodes(ids: ["{CPU_ID}", "{encode_global_id("Listing", 1)}", "{JOB_ID}"])',
}
# Path to an object of each type, with fields that read as little as possible.
WAYS = {
    "CPU": [ROOTS["cpu"]],
    "CPUConnection": [ROOTS["cpus"]],
    "CPUEdge": [ROOTS["cpus"], "edges"],
    "PageInfo": [ROOTS["cpus"], "pageInfo"],
    "ListingConnection": [ROOTS["cpu"], "listings"],
    "ListingEdge": [ROOTS["cpu"], "listings", "edges"],
    "Listing": [ROOTS["cpu"], "listings", "nodes"],
    "PriceTarget": [ROOTS["cpu"], "priceTarget"],
    "PerformanceValue": [ROOTS["cpu"], "performanceValue"],
    "PriceBin": [ROOTS["cpu"], "priceDistribution"],
    "CPUPricePoint": [ROOTS["cpu"], "priceHistory"],
    "CPUPriceLows": [ROOTS["cpu"], "priceLows"],
    "PriceLow": [ROOTS["cpu"], "priceLows", "allTimeLow"],
    "ListingEvent": [ROOTS["cpu"], "listings", "nodes", "lifecycle"],
    "ListingPriceConnection": [ROOTS["cpu"], "listings", "nodes", "priceHistory"],
    "ListingPriceEdge": [ROOTS["cpu"], "listings", "nodes", "priceHistory", "edges"],
    "ListingPrice": [ROOTS["cpu"], "listings", "nodes", "priceHistory", "nodes"],
    "Valuation": [ROOTS["cpu"], "listings", "nodes", "valuation"],
    "ValuationDeduction": [ROOTS["cpu"], "listings", "nodes", "valuation", "deductions"],
    "ListingStorage": [ROOTS["cpu"], "listings", "nodes", "storage"],
    "ValuationRuleConnection": [ROOTS["valuationRules"]],
    "ValuationRuleEdge": [ROOTS["valuationRules"], "edges"],
    "ValuationRule": [ROOTS["valuationRules"], "nodes"],
    "ConditionMultiplier": [ROOTS["valuationRules"], "nodes", "conditionMultipliers"],
    "ImportSessionConnection": [ROOTS["importSessions"]],
    "ImportSessionEdge": [ROOTS["importSessions"], "edges"],
    "ImportSession": [ROOTS["importSession"]],
    "ImportRowConnection": [ROOTS["importSession"], "rows"],
    "ImportRowEdge": [ROOTS["importSession"], "rows", "edges"],
    "ImportRow": [ROOTS["importSession"], "rows", "nodes"],
    "ImportedPage": [ROOTS["importSession"], "rows", "nodes", "payload"],
    "Statistics": [ROOTS["statistics"]],
    "IntRange": [ROOTS["statistics"], "cores"],
    "Job": [ROOTS["job"]],
    "Consistency": [ROOTS["consistency"]],
    "FigureDifference": [ROOTS["consistency"], "differences"],
    "PersistedDocumentConnection": [ROOTS["documents"]],
    "PersistedDocumentEdge": [ROOTS["documents"], "edges"],
    "PersistedDocument": [ROOTS["documents"], "nodes"],
    "DocumentRunning": [ROOTS["documents"], "nodes", "running"],
    "CPUFacets": [ROOTS["cpuFacets"]],
    "FacetCount": [ROOTS["cpuFacets"], "manufacturers"],
    "RatingCount": [ROOTS["cpuFacets"], "ratings"],
    "ConfidenceCount": [ROOTS["cpuFacets"], "confidences"],
    "JobConnection": [ROOTS["jobs"]],
    "JobEdge": [ROOTS["jobs"], "edges"],
    "PricePoint": [ROOTS["priceMap"]],
    "Viewer": [ROOTS["viewer"]],
    "PriceChangeConnection": [ROOTS["priceChanges"]],
    "PriceChangeEdge": [ROOTS["priceChanges"], "edges"],
    "PriceChange": [ROOTS["priceChanges"], "nodes"],
    "TitleMatch": [ROOTS["matchTitle"]],
    "TitleStep": [ROOTS["matchTitle"], "steps"],
    "TitleParts": [ROOTS["matchTitle"], "parts"],
    "TitleStorage": [ROOTS["matchTitle"], "parts", "storage"],
}
# Facets that are not selected are not counted.
READ_NOTHING = {"viewer", "cpuFacets"}
# Fields covered by the hints of their parent field.
OF_THEIR_PARENT = {"totalCount"}


def object_types() -> dict[str, GraphQLObjectType]:
    """Return the object types that queries can return."""
    left_out = {"Query", "Mutation", "Subscription", "DataChange", "DataVersion"}
    return {
        name: kind
        for name, kind in GRAPHQL_SCHEMA.type_map.items()
        if isinstance(kind, GraphQLObjectType)
        and not is_introspection_type(kind)
        and name not in left_out
        and not name.endswith("Payload")
    }


FIELDS = [(name, field) for name, kind in object_types().items() for field in kind.fields]


def nested(way: list[str], selection: str) -> str:
    for field in reversed(way):
        selection = f"{field} {{ {selection} }}"
    return f"{{ {selection} }}"


def declared(type_name: str, field: str) -> Any:
    """Return the Strawberry field, which holds the metadata."""
    kind: Any = GRAPHQL_SCHEMA.type_map[type_name]
    return field_definition(kind.fields[field])


def selecting(type_name: str, field: str) -> str:
    kind: Any = GRAPHQL_SCHEMA.type_map[type_name]
    return f"{field} {{ __typename }}" if is_composite_type(get_named_type(kind.fields[field].type)) else field


async def statements(resources: Resources, query: str) -> Counter[str]:
    with record_statements(resources) as seen:
        result = await execute_query(resources, query, Viewer("tester", Role.ADMIN))
    assert not result.errors, result.errors
    return Counter(seen.texts)


def domains(texts: Counter[str]) -> set[Domain]:
    tables = {name for text in texts for name in re.findall(r"(?:FROM|JOIN)\s+(\w+)", text)} & set(metadata.tables)
    return {domain for name in tables for domain in DOMAINS[name]}


@pytest.fixture
async def filled(resources: Resources) -> Resources:
    """A database with a CPU, a listing with a changed price, a job, an import and its page."""
    await add_cpu(resources, "AMD One", [1, 2])
    await run_sql(resources, "UPDATE listing SET price = 7")
    await sequence_outbox(resources)
    await ask_for_work(resources)
    async with resources.write() as tx:
        await tx.execute(insert(import_session).values(source="url", name="x", priority=1, requested_by="x", total=1))
        await tx.execute(insert(import_fetch).values(url="http://x/", host="x", priority=1, listing_ids=[1]))
        await tx.execute(insert(import_row).values(session_id=1, position=1, url="x", fetch_id=1))
        page = {"fetch_id": 1, "content": compress(b"x"), "bytes": 1, "truncated": False, "content_type": "text/html"}
        await tx.execute(insert(import_payload).values(page))
    await resources.broker.redis.flushall()
    return resources


def test_every_table_and_type_is_listed_here() -> None:
    assert set(DOMAINS) == set(metadata.tables)
    assert set(WAYS) == set(object_types())
    query: Any = GRAPHQL_SCHEMA.query_type
    assert set(ROOTS) == set(query.fields)


@pytest.mark.parametrize("name", ROOTS)
async def test_root_field_declares_the_domains_of_its_statements(filled: Resources, name: str) -> None:
    read_domains = domains(await statements(filled, nested([ROOTS[name]], "__typename")))
    assert bool(read_domains) != (name in READ_NOTHING)
    assert read_domains <= set(declared("Query", name).metadata["domains"])


async def test_field_declares_the_domains_that_it_adds(filled: Resources) -> None:
    """A field or its parents declare what it adds to the statements: columns, or further statements."""
    loaded = 0
    for type_name, field in FIELDS:
        way = WAYS[type_name]
        base = await statements(filled, nested(way, "__typename"))
        query = nested(way, selecting(type_name, field))
        added = domains(await statements(filled, query) - base)
        loaded += bool(added)
        assert added <= prepare_document(GRAPHQL_SCHEMA, "test", query).domains, f"{type_name}.{field}"
    assert loaded >= 5


def test_async_field_has_cache_hints() -> None:
    kinds = {**object_types(), "Query": GRAPHQL_SCHEMA.query_type}
    for name, kind in kinds.items():
        assert kind is not None
        for field in kind.fields:
            definition = declared(name, field)
            if definition.is_async and field not in OF_THEIR_PARENT:
                assert definition.metadata.get("domains"), f"{name}.{field}"


def test_document_combines_the_cache_hints_of_its_fields() -> None:
    def read(query: str) -> tuple[set[str], int, bool, bool]:
        document = prepare_document(GRAPHQL_SCHEMA, "test", query)
        return {domain.value for domain in document.domains}, document.max_age, document.time_dependent, document.public

    cpu = 'cpu(slug: "x")'
    assert read(f"{{ {cpu} {{ name }} }}") == ({"catalog", "analytics"}, 5, False, True)
    assert read(f"{{ {cpu} {{ listingsCount }} }}") == ({"catalog", "analytics", "market"}, 5, False, True)
    fresh = f"{{ {cpu} {{ ...f }} }} fragment f on CPU {{ priceTarget {{ ... {{ fresh }} }} }}"
    assert read(fresh) == ({"catalog", "analytics"}, 5, True, True)
    assert read("{ statistics { total } }")[1] == 30
    assert read(f"{{ statistics {{ total }} {cpu} {{ name }} }}")[1] == 5
    assert read('{ statistics { total } job(id: "") { id } }')[1] == 0
    assert read(f"{{ viewer {{ role }} {cpu} {{ name }} }}") == ({"catalog", "analytics"}, 0, False, False)
    assert read("{ __typename }") == (set(), 0, False, True)
    assert read("mutation { recalculateMetrics { job { id } } }")[3] is False
    node = 'node(id: "x") { ... on CPU { name } }'
    assert read(f"{{ {node} }}")[0] == {"catalog", "analytics", "market", "work", "events"}
