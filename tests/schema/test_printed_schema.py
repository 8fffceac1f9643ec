"""The printed schema: committed, described, with fixed names; and the limits of documents."""

from __future__ import annotations

import time
from typing import Any

import pytest
from graphql import (
    FieldDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    get_introspection_query,
    introspection_from_schema,
    is_introspection_type,
    is_specified_scalar_type,
    parse,
    print_ast,
)

from app.catalog import sql
from app.engine.document import MAX_TOKENS_AD_HOC as MAX_TOKENS
from app.engine.document import InvalidDocument, prepare_document
from app.engine.executor import execute_operation
from app.engine.validation_rules import MAX_ALIASES, MAX_DEPTH
from app.graphql.context import Context
from app.graphql.error_masking import mask_errors
from app.schema.build import NODE_TYPES
from app.schema.cpus.inputs import CPUOrderField
from tests.support.paths import ROOT
from tests.support.schema_execution import GRAPHQL_SCHEMA, SCHEMA

COMMITTED = ROOT / "schema.graphql"

# Fixed names of the public API, in SDL.
FIXED = """
type Query {
  cpu(id: ID, slug: String): CPU                     # exactly one argument
  cpus(first: Int, after: String, last: Int, before: String, filter: CPUFilter, orderBy: [CPUOrder!]): CPUConnection!
  statistics: Statistics!
  job(id: ID!): Job
  node(id: ID!): Node
}

type CPU implements Node {
  id: ID!  name: String!  slug: String!  manufacturer: String!  socket: String  category: String
  cores: Int  threads: Int  tdpW: Int  releaseYear: Int
  cpuMarkMulti: Int  cpuMarkSingle: Int  igpuModel: String  igpuMark: Int
  priceTarget: PriceTarget!  performanceValue: PerformanceValue!
  listingsCount: Int!                                # active listings
  listings(first: Int = 10, ...): ListingConnection! # active, cheapest adjusted price first
  priceDistribution(bins: Int = 10): [PriceBin!]!    # lo, hi, count
}

type PriceTarget {
  great: Float  good: Float  fair: Float  stddev: Float  sampleSize: Int!
  confidence: PriceConfidence!                       # HIGH MEDIUM LOW INSUFFICIENT
  highVariance: Boolean!  fresh: Boolean!  updatedAt: DateTime
}

type PerformanceValue {
  dollarPerMarkSingle: Float  dollarPerMarkMulti: Float
  percentile: Float  percentileSingle: Float  rating: ValueRating   # EXCELLENT GOOD FAIR POOR, from percentile
  updatedAt: DateTime
}

type Statistics {
  total: Int!  manufacturers: [String!]!  sockets: [String!]!
  cores: IntRange!  tdpW: IntRange!  releaseYear: IntRange!  cpuMarkMulti: IntRange!  cpuMarkSingle: IntRange!   # min, max: null when empty
  listings: Int!  updatedAt: DateTime
}

type Listing implements Node {
  id: ID!  title: String!  url: String  marketplace: String!  seller: String  condition: Condition!  status: ListingStatus!
  price: Float  currency: String!  adjustedPrice: Float  createdAt: DateTime!  updatedAt: DateTime!
}

type Job implements Node {
  id: ID!  kind: JobKind!  status: JobStatus!        # QUEUED RUNNING SUCCEEDED FAILED
  total: Int  done: Int!  succeeded: Int!  failed: Int!  error: String
  requestedAt: DateTime!  startedAt: DateTime  finishedAt: DateTime
}

type Mutation { recalculateMetrics(cpuIds: [ID!]): RecalculateMetricsPayload! }   # admin; payload { job: Job! }
type Subscription { jobProgress(id: ID!): Job! }
"""  # noqa: E501

# Fixed enum values and arguments.
SAID = """
type RecalculateMetricsPayload { job: Job! }
type PriceBin { lo: Float! hi: Float! count: Int! }
type IntRange { min: Int max: Int }
type CPUConnection { edges: [CPUEdge!]! nodes: [CPU!]! pageInfo: PageInfo! totalCount: Int! }
type ListingConnection { edges: [ListingEdge!]! nodes: [Listing!]! pageInfo: PageInfo! totalCount: Int! }
type CPUEdge { cursor: String! node: CPU! }
type ListingEdge { cursor: String! node: Listing! }
type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
interface Node { id: ID! }
"""
ENUMERATIONS = {
    "PriceConfidence": ["HIGH", "MEDIUM", "LOW", "INSUFFICIENT"],
    "ValueRating": ["EXCELLENT", "GOOD", "FAIR", "POOR"],
    "JobStatus": ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED"],
}
ROOTS = {"Query", "Mutation", "Subscription"}


def parse_types(text: str) -> dict[str, dict[str, FieldDefinitionNode]]:
    """Return type name -> field name -> definition."""
    return {
        definition.name.value: {field.name.value: field for field in definition.fields or ()}
        for definition in parse(text).definitions
        if isinstance(definition, (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode))
    }


def arguments_of(field: FieldDefinitionNode) -> dict[str, str]:
    """Return argument name -> "Type" or "Type = default"."""
    return {
        argument.name.value: print_ast(argument.type)
        + (f" = {print_ast(argument.default_value)}" if argument.default_value else "")
        for argument in field.arguments or ()
    }


def test_schema_file_equals_printed_schema() -> None:
    assert COMMITTED.read_text() == SCHEMA.as_str() + "\n", "run `make schema` and commit schema.graphql"


def test_schema_elements_all_have_descriptions() -> None:
    described = [described_type for described_type in introspect_types() if not described_type["name"].startswith("__")]
    bare = [place for described_type in described for place in undescribed_elements(described_type)]
    assert len(described) > 20
    assert not bare


def introspect_types() -> list[dict[str, Any]]:
    """Return all types from introspection."""
    types: Any = introspection_from_schema(GRAPHQL_SCHEMA)["__schema"]["types"]
    return list(types)


def undescribed_elements(kind: Any) -> list[str]:
    """Return the elements of the type, including itself, without a description."""
    parts = {kind["name"]: kind}
    for group in ("fields", "inputFields", "enumValues"):
        for part in kind[group] or []:
            name = f"{kind['name']}.{part['name']}"
            parts[name] = part
            parts |= {f"{name}({argument['name']})": argument for argument in part.get("args", [])}
    return [name for name, part in parts.items() if not (part["description"] or "").strip()]


def test_schema_has_fixed_names() -> None:
    ours = parse_types(SCHEMA.as_str())
    fixed = parse_types(FIXED.replace(", ...)", ")")) | parse_types(SAID)
    assert len(fixed) == 18
    for type_name, fields in fixed.items():
        for name, field in fields.items():
            place = f"{type_name}.{name}"
            assert name in ours[type_name], place
            mine = ours[type_name][name]
            assert print_ast(mine.type) == print_ast(field.type), place
            if type_name in ROOTS:
                assert arguments_of(mine) == arguments_of(field), place
            assert arguments_of(field).items() <= arguments_of(mine).items(), place


def test_schema_has_fixed_enum_values() -> None:
    ours = {
        introspected_type["name"]: [value["name"] for value in introspected_type["enumValues"] or []]
        for introspected_type in introspect_types()
    }
    assert {name: ours[name] for name in ENUMERATIONS} == ENUMERATIONS


def test_schema_listings_page_both_ways() -> None:
    assert arguments_of(parse_types(SCHEMA.as_str())["CPU"]["listings"]) == {
        "first": "Int = 10",
        "after": "String",
        "last": "Int",
        "before": "String",
    }


def test_schema_node_types_are_found_by_id() -> None:
    schema = GRAPHQL_SCHEMA
    node: Any = schema.type_map["Node"]
    assert {possible_type.name for possible_type in schema.get_possible_types(node)} == set(NODE_TYPES)


def test_schema_has_no_null_defaults() -> None:
    assert "= null" not in SCHEMA.as_str()


def test_schema_has_known_scalars_only() -> None:
    scalars = [
        name
        for name, kind in GRAPHQL_SCHEMA.type_map.items()
        if type(kind).__name__ == "GraphQLScalarType"
        and not is_specified_scalar_type(kind)
        and not is_introspection_type(kind)
    ]
    assert sorted(scalars) == ["DateTime", "Upload"]


def test_cpu_order_fields_equal_orderable_columns() -> None:
    assert [field.name for field in CPUOrderField] == list(sql.ORDERABLE)


def nested_spreads(depth: int) -> str:
    """Return a document with 2 to the power of `depth` fragment spreads."""
    chain = [f"fragment f{i} on Query {{ ...f{i + 1} ...f{i + 1} }}" for i in range(depth)]
    return "\n".join(["{ ...f0 }", *chain, f"fragment f{depth} on Query {{ a: __typename }}"])


def many_tokens(count: int) -> str:
    """Return a document with this number of tokens and no list that is too long."""
    fields, ids = 5, count - 5 * 12 - 2
    lists = ('"x" ' * (ids // fields + (number < ids % fields)) for number in range(fields))
    return "{ " + " ".join(f"a{number}: nodes(ids: [{values}]) {{ id }}" for number, values in enumerate(lists)) + " }"


DEEP = "{ cpus { nodes { listings { nodes { " + "cpu { listings { nodes { " * 3 + "%s" + "} } } " * 3 + "} } } } }"

REFUSED = {
    "tokens": many_tokens(MAX_TOKENS + 1),
    "aliases": "{" + "".join(f" a{i}: __typename" for i in range(MAX_ALIASES + 1)) + "}",
    "aliases in a fragment": "{ ...f } fragment f on Query {"
    + "".join(f" a{i}: __typename" for i in range(MAX_ALIASES + 1))
    + "}",
    "aliases by spreads": nested_spreads(6),
    "depth": DEEP % "cpu { socket slug listings { nodes { id } } }",
    "depth in a fragment": DEEP % "...f" + " fragment f on Listing { cpu { listings { nodes { id } } } }",
    "cycle": "{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }",
    "unknown fragment": "{ ...f }",
    "unclosed": "{" * 10_000,
    "parentheses": "{ cpus" + "(" * 10_000,
    "lists": "{ node(id: " + "[" * 400 + "]" * 400 + ") { id } }",
    "objects": "{ cpus(filter: " + "{search: " * 300 + "}" * 300 + ") { totalCount } }",
    "types": "query q($a: " + "[" * 400 + "Int" + "]" * 400 + ") { __typename }",
}
ACCEPTED = {
    "tokens": many_tokens(MAX_TOKENS),
    "aliases": "{" + "".join(f" a{i}: __typename" for i in range(MAX_ALIASES)) + "}",
    "introspection, as tools do it": get_introspection_query(),
    "a fragment used twice": "{ ...f ...f } fragment f on Query { a: __typename }",
}


async def execution_errors(text: str) -> list[Any]:
    """Return the errors of a document that needs no data."""
    try:
        document = prepare_document(GRAPHQL_SCHEMA, "test", text, allow_introspection=True, ad_hoc=True)
    except InvalidDocument as error:
        return list(mask_errors(error.errors) or ())
    (operation,) = document.operations.values()
    context: Any = Context(None)  # type: ignore[arg-type]
    return (await execute_operation(GRAPHQL_SCHEMA, document, operation, {}, context)).errors or []


@pytest.mark.parametrize("name", REFUSED)
async def test_too_large_document_is_rejected_before_execution(name: str) -> None:
    began = time.process_time()
    errors = await execution_errors(REFUSED[name])
    assert errors
    assert {(error.extensions or {})["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}
    assert all(error.path is None for error in errors)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", ACCEPTED)
async def test_document_at_limit_is_accepted(name: str) -> None:
    """Documents that need more than the schema reach their resolver."""
    assert [error.message for error in await execution_errors(ACCEPTED[name]) if error.path is None] == []


async def test_exponential_fragment_spreads_are_measured_in_linear_time() -> None:
    """Expanding 2^40 spreads would not end."""
    began = time.process_time()
    assert [error.message for error in await execution_errors(nested_spreads(40))] == [
        "The operation has more than 50 aliases."
    ]
    assert time.process_time() - began < 5


async def test_deepest_allowed_document_is_executed() -> None:
    levels = "cpu { listings { nodes { "
    deepest = "{ cpus { nodes { listings { nodes { " + levels * 3 + "cpu { %s" + "} } } " * 3 + "} } } } } }"
    assert deepest.count("{") - 1 == MAX_DEPTH - 1
    refused = await execution_errors(deepest % "priceTarget { good }")
    assert [error.message for error in refused] == [f"The operation is more than {MAX_DEPTH} levels deep."]
    ran = await execution_errors(deepest % "name")
    assert [error.path for error in ran] == [["cpus"]], "it was executed and had no database"
