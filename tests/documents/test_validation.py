"""Validation errors with their locations."""

from __future__ import annotations

import pytest
from graphql import build_schema

from app.documents.validation import find_problems

SCHEMA = build_schema(
    """
    type Query { cpu(id: ID, slug: String): CPU cpus(first: Int, filter: Filter): [CPU!]! node: Node }
    interface Node { id: ID! }
    type CPU implements Node { id: ID! name: String! listings(first: Int): [Listing!]! }
    type Listing implements Node { id: ID! title: String! }
    input Filter { socket: [String!] cores: Range }
    input Range { min: Int max: Int }
    """
)
# Text -> operation, location, the beginning of the message.
WRONG = {
    "query A { cpu(id: 1) { nam } }": ("A", "CPU.nam", "Cannot query field 'nam' on type 'CPU'."),
    "query A { cpu(ids: 1) { name } }": ("A", "Query.cpu(ids:)", "Unknown argument 'ids' on field 'Query.cpu'."),
    "query A { cpu(slug: 1) { name } }": ("A", "Query.cpu(slug:)", "String cannot represent a non string value: 1"),
    "{ cpus { listings(last: 1) { id } } }": ("(unnamed)", "CPU.listings(last:)", "Unknown argument 'last'"),
    "query A($n: Int) { cpus { id } }": ("A", "$n", "Variable '$n' is never used in operation 'A'."),
    "query A($n: Strin) { cpus(first: $n) { id } }": ("A", "Strin", "Unknown type 'Strin'."),
    "query A($n: String) { cpus(first: $n) { id } }": ("A", "$n", "Variable '$n' of type 'String' used in position"),
    "{ cpus(filter: { sock: 1 }) { id } }": (
        "(unnamed)",
        "Filter.sock",
        "Expected value of type 'Filter' not to include unknown field 'sock'.",
    ),
    "{ cpus(filter: { cores: { mini: 1 } }) { id } }": (
        "(unnamed)",
        "Range.mini",
        "Expected value of type 'Range' not to",
    ),
    "query A { cpus { ...F } } fragment F on CPU { tdp }": ("fragment F", "CPU.tdp", "Cannot query field 'tdp'"),
    "query A { node { ... on GPU { id } } }": ("A", "GPU", "Unknown type 'GPU'."),
    "query A { node { ... on CPU { x } } }": ("A", "CPU.x", "Cannot query field 'x' on type 'CPU'."),
    "query A { cpus }": ("A", "Query.cpus", "Field 'cpus' of type '[CPU!]!' must have a selection of subfields."),
    "query A { __schema { types { name } } }": ("A", "Query.__schema", "GraphQL introspection has been disabled"),
    "mutation B { recalculate { id } }": ("B", "", "The mutation operation is not supported by the schema."),
    "query A {": ("", "", "Syntax Error: Expected Name, found <EOF>."),
    "fragment F on CPU { id }": ("", "", "The document has no operation."),
    "": ("", "", "Syntax Error: Unexpected <EOF>."),
}


@pytest.mark.parametrize("text", WRONG)
def test_problem_has_its_location(text: str) -> None:
    operation, place, message = WRONG[text]
    first = find_problems(SCHEMA, text)[0]
    assert (first.operation, first.location) == (operation, place)
    assert first.message.startswith(message)
    assert str(first).endswith(first.message)


def test_valid_document_has_no_problems() -> None:
    assert find_problems(SCHEMA, "query A($n: Int = 1) { cpus(first: $n, filter: { cores: { min: 1 } }) { id } }") == []


def test_problem_as_text_joins_its_parts() -> None:
    (only,) = find_problems(SCHEMA, "query A { cpu(ids: 1) { name } }")
    assert str(only) == "A: Query.cpu(ids:): Unknown argument 'ids' on field 'Query.cpu'. Did you mean 'id'?"


def test_lone_surrogate_is_a_problem() -> None:
    (only,) = find_problems(SCHEMA, 'query A { cpu(slug: "\ud800") { name } }')
    assert only.message.startswith("Syntax Error: Invalid character within String")
