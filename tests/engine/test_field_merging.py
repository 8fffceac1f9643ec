"""The rule for fields with the same response key accepts the same documents as the rule of graphql-core."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    Node,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    Visitor,
    build_schema,
    parse,
    validate,
    visit,
)

from app.engine import field_merging
from app.engine.field_merging import FieldMerging
from app.engine.validation_rules import validation_rules
from app.schema.build import build_graphql_schema
from tests.engine.compiler import synthetic_schema
from tests.engine.compiler.random_documents import Documents
from tests.support.effort import size_of

SCHEMAS = {"synthetic": synthetic_schema.build(), "own": build_graphql_schema()}
PETS = build_schema(
    """
    interface Pet { name: String, friend: Pet, legs(of: [Int]): Int }
    type Dog implements Pet { name: String, friend: Pet, legs(of: [Int]): Int barks: Boolean!, size: Int owner: Human }
    type Cat implements Pet { name: String, friend: Pet, legs(of: [Int]): Int meows: Boolean size: String owner: Human }
    type Human { name: String!, pets: [Pet], home: Home }
    type Home { name: String }
    union Any = Dog | Human
    type Query { pet: Pet, dog: Dog, human: Human, any: Any }
    """
)


class _Parts(Visitor):
    """Collects the fields and the selection sets of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[FieldNode] = []
        self.selection_sets: list[SelectionSetNode] = []

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.fields.append(node)

    def enter_selection_set(self, node: SelectionSetNode, *_: object) -> None:
        self.selection_sets.append(node)


def change_document(text: str, rng: Random) -> str:
    """Return a document with another response key, other arguments or a copied selection, perhaps with a conflict."""
    parts = _Parts()
    visit(parse(text), parts)
    field, other = rng.choice(parts.fields), rng.choice(parts.fields)
    change = rng.choice(["key", "key", "arguments", "copy", "copy", "copy"])
    if change == "copy":
        target, source = rng.choice(parts.selection_sets), rng.choice(parts.selection_sets)
        end = _span(target)[1] - 1
        return f"{text[:end]} {_text(text, rng.choice(source.selections))} {text[end:]}"
    start = _span(field)[0]
    name_start, name_end = _span(field.name)
    if change == "key":
        return f"{text[:start]}{(other.alias or other.name).value}: {text[name_start:]}"
    arguments_end = text.index(")", _span(field.arguments[-1])[1]) + 1 if field.arguments else name_end
    arguments = ", ".join(_text(text, argument) for argument in other.arguments or ())
    return f"{text[:name_end]}{f'({arguments})' if arguments else ''}{text[arguments_end:]}"


def _span(node: Node) -> tuple[int, int]:
    assert node.loc is not None
    return node.loc.start, node.loc.end


def _text(text: str, node: Node) -> str:
    start, end = _span(node)
    return text[start:end]


def has_conflicts(schema: GraphQLSchema, document: DocumentNode, rule: type) -> bool:
    """Return whether the rule rejects a document."""
    return bool(validate(schema, document, [rule]))


@pytest.mark.sized
@pytest.mark.parametrize("name", SCHEMAS)
def test_rule_rejects_the_same_random_documents_as_graphql_core(name: str) -> None:
    schema = SCHEMAS[name]
    documents = Documents(schema, synthetic_schema.POOLS)
    outcomes: Counter[bool] = Counter()
    for number in range(size_of(short=500, long=2_000)):
        seed = f"merging:{number}"
        text, rng = documents.case(seed).text, Random(seed)
        for _ in range(rng.randint(0, 3)):
            text = change_document(text, rng)
        document = parse(text)
        expected = has_conflicts(schema, document, OverlappingFieldsCanBeMergedRule)
        assert has_conflicts(schema, document, FieldMerging) == expected, text
        outcomes[expected] += 1
    assert min(outcomes[True], outcomes[False]) > sum(outcomes.values()) / 20


@pytest.mark.parametrize(
    "text",
    [
        "{ pet { name name } }",
        "{ pet { ... on Dog { size } ... on Cat { name } } }",
        "{ pet { ... on Dog { a: name } ... on Cat { a: meows } } }",
        "{ pet { ... on Dog { size } ... on Cat { size } } }",
        "{ pet { ... on Dog { a: barks } ... on Cat { a: meows } } }",
        "{ pet { ... on Dog { a: friend { name } } ... on Cat { a: owner { name } } } }",
        "{ pet { ... on Dog { a: owner { name } } ... on Cat { a: owner { name: pets { name } } } } }",
        "{ pet { ... on Dog { a: name } a: name ... on Cat { a: legs } } }",
        "{ pet { a: name ... on Dog { a: friend { name } } } }",
        "{ dog { a: name ... on Pet { a: legs } } }",
        "{ pet { legs(of: [1, 2]) legs(of: [1, 2]) } }",
        "{ pet { legs(of: [1, 2]) legs(of: [2, 1]) } }",
        "{ pet { legs legs(of: []) } }",
        "{ a: dog { name } a: human { name } }",
        "{ a: human { a: name } a: human { a: home { name } } }",
        "{ human { home { a: name } } human { home { a: __typename } } }",
        "{ human { ...F } human { home { name } } } fragment F on Human { home { name: __typename } }",
        "{ human { ...F ...G } } fragment F on Human { a: name } fragment G on Human { a: home { name } }",
        "{ human { ...F } } fragment F on Human { pets { ...G } } fragment G on Pet { friend { ...G } name }",
        "{ any { ... on Dog { name } ... on Human { name } } }",
        "fragment F on Human { a: name a: home { name } }",
        "fragment F on Human { pets { a: name a: legs } }",
        "{ human { missing missing: name } }",
        "{ human { a: missing a: name } }",
        "{ ... on Missing { a b: a } a: dog { name } }",
    ],
)
def test_rule_rejects_the_same_documents_as_graphql_core(text: str) -> None:
    document = parse(text)
    expected = has_conflicts(PETS, document, OverlappingFieldsCanBeMergedRule)
    assert has_conflicts(PETS, document, FieldMerging) == expected


def test_conflict_is_located_and_named_with_the_fields_around_it() -> None:
    text = "{ human { home { a: name } } human { home { a: __typename } } }"
    (error,) = validate(PETS, parse(text), [FieldMerging])
    assert error.message == (
        "Fields 'human' conflict because subfields 'home' conflict because subfields 'a' conflict because 'name' and"
        " '__typename' are different fields. Use different aliases on the fields to fetch both if this was intentional."
    )
    assert [location.column for location in error.locations or ()] == [18, 45]


def test_document_with_too_many_combinations_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_merging, "MIN_WORK", 0)
    monkeypatch.setattr(field_merging, "WORK_PER_SELECTION", 1)
    (error,) = validate(PETS, parse("{ human { name } human { name } human { name } }"), [FieldMerging])
    assert error.message == "The document spreads its fragments in too many combinations."


def test_validation_rules_replace_the_rule_of_graphql_core() -> None:
    rules = validation_rules(allow_introspection=True)
    assert FieldMerging in rules
    assert OverlappingFieldsCanBeMergedRule not in rules
