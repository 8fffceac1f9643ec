"""Random documents that are valid for a schema.

A document is written from a seed in one go, and valid by construction, for validating takes longer than writing,
parsing and executing together; `test_documents.py` validates a sample.
The one rule that needs care is that fields of one response key must merge. So a `Scope` follows every place of the
response: it knows for each key the field, its arguments and its shape, and what else may stand there.
Fragments are written where they are spread first, and spread again where they fit. Variables are declared where they
are used first, with a type that may stand there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
)

from tests.engine.compiler.random_values import Pools, Values

Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType

BOOLEAN = GraphQLNonNull(GraphQLBoolean)
ALIASES = ["a", "b", "c", "data", "errors", "class", "None", "self", "__x", "_", "result", "context", "items", "get"]
# How many fields a document has at most, and how often.
SIZES = (((2, 6), 52), ((6, 14), 36), ((14, 35), 11), ((35, 120), 1))
TYPENAME = GraphQLField(GraphQLNonNull(GraphQLString))
SPACES = [" ", " ", " ", " ", "\n  ", ", ", " # a comment\n", "\n\t"]


@dataclass(frozen=True)
class Case:
    """A document, the operation in it that is asked for, and two sets of variables for it."""

    text: str
    operation_name: str | None
    variables: tuple[dict[str, Any], ...]


@dataclass
class Selected:
    """A field of a document as far as it matters for merging."""

    parent: Composite
    key: str
    name: str
    arguments: str
    shape: str
    definition: GraphQLField
    children: list[Selected] = field(default_factory=list)


@dataclass
class Place:
    """What stands under one response key of a scope."""

    shape: str
    fields: list[Selected] = field(default_factory=list)
    below: Scope = field(default_factory=lambda: Scope())

    def takes(self, other: Selected) -> bool:
        """Whether one more field may be merged with those that are here."""
        return (
            self.shape == other.shape
            and all(_same(each, other) or _never_both(each.parent, other.parent) for each in self.fields)
            and all(self.below.takes(child) for child in other.children)
        )


@dataclass
class Scope:
    """One place in the response where selection sets are merged: what stands under each key."""

    places: dict[str, Place] = field(default_factory=dict)

    def takes(self, selected: Selected) -> bool:
        """Whether a field may stand here with those that already do."""
        place = self.places.get(selected.key)
        return place is None or place.takes(selected)

    def add(self, selected: Selected) -> Place:
        """Writes down a field and what is below it."""
        place = self.places.get(selected.key)
        if place is None:
            place = self.places[selected.key] = Place(selected.shape)
        place.fields.append(selected)
        for child in selected.children:
            place.below.add(child)
        return place


@dataclass(frozen=True)
class Fragment:
    """A named fragment and the fields that it brings where it is spread."""

    name: str
    condition: Composite
    text: str
    fields: list[Selected]


class Documents:
    """Writes documents for a schema."""

    def __init__(self, schema: GraphQLSchema, pools: Pools | None = None, mutations: float = 0.0) -> None:
        """`mutations`: share of the documents that are mutations."""
        self.schema = schema
        self.pools = pools or Pools()
        self.mutations = mutations
        self.overlapping: dict[str, list[Composite]] = {}
        composites = [
            each for each in schema.type_map.values() if is_composite_type(each) and not each.name.startswith("__")
        ]
        for each in composites:
            own = _possible(schema, each)
            self.overlapping[each.name] = [other for other in composites if own & _possible(schema, other)]
        self.leaves = {name: _fields_of(kind, composite=False) for name, kind in schema.type_map.items()}
        self.edges = {name: _fields_of(kind, composite=True) for name, kind in schema.type_map.items()}

    def case(self, seed: str, size: int | None = None) -> Case:
        """The document of this seed. `size`: how many fields at most; drawn from the seed when not given."""
        return _Writer(self, Random(seed), size).case()


class _Writer:
    """Writes one document."""

    def __init__(self, documents: Documents, rng: Random, size: int | None) -> None:
        self.documents = documents
        self.rng = rng
        low, high = rng.choices([each for each, _ in SIZES], [weight for _, weight in SIZES])[0]
        self.budget = size or rng.randint(low, high)
        self.max_depth = rng.choice((2, 3, 3, 4, 4, 6))
        self.directives = rng.choice((0.0, 0.0, 0.05, 0.25))
        self.values = Values(documents.schema, rng, documents.pools)
        self.fragments: list[Fragment] = []
        self.open_fragments = 0
        self.names = 0

    def case(self) -> Case:
        schema, rng = self.documents.schema, self.rng
        mutates = schema.mutation_type is not None and rng.random() < self.documents.mutations
        root = schema.mutation_type if mutates else schema.query_type
        assert root is not None
        selections, _ = self.selections(root, Scope(), 0)
        name = rng.choice(["Q", "Query", "type", "fragment"]) if rng.random() < 0.5 else None
        definitions = [f"fragment {each.name} on {each.condition} {each.text}" for each in self.fragments]
        if rng.random() < 0.05:
            name = name or "First"
            definitions.append("query Other { __typename }")
        head = ("mutation" if mutates else "query") + (f" {name}" if name else "")
        if self.values.variables:
            head += f"({', '.join(map(str, self.values.variables))})"
        definitions.append(selections if head == "query" and rng.random() < 0.7 else f"{head} {selections}")
        rng.shuffle(definitions)
        variables = (self.values.sent(wrong=rng.random() < 0.1), self.values.sent(wrong=False))
        return Case("\n".join(definitions), name, variables)

    def selections(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """A selection set for this type, as text and as fields for merging."""
        count = self.rng.choice((1, 1, 2, 2, 3, 4, 6) if depth else (1, 2, 3, 5, 8))
        parts: list[str] = []
        fields: list[Selected] = []
        while not parts or (len(parts) < count and self.budget > 0):
            text, found = self.selection(parent, scope, depth)
            parts.append(text)
            fields += found
        space = self.rng.choice(SPACES)
        return f"{{ {space.join(parts)}{space} }}", fields

    def selection(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """One selection."""
        self.budget -= 1
        draw = self.rng.random()
        if draw < 0.12 and self.budget > 0:
            return self.inline(parent, scope, depth)
        if draw < 0.22 and self.budget > 0:
            return self.spread(parent, scope, depth)
        if draw < 0.30:
            again = self.again(parent, scope, depth)
            if again is not None:
                return again
        if draw < 0.37:
            return self.field(parent, "__typename", TYPENAME, scope, depth)
        choices = self.documents.leaves[parent.name]
        deeper = depth < self.max_depth and self.budget > 0
        if deeper and (not choices or self.rng.random() < 0.6):
            choices = self.documents.edges[parent.name] or choices
        if not choices:
            if deeper:
                return self.inline(parent, scope, depth)
            return self.field(parent, "__typename", TYPENAME, scope, depth)
        name, definition = self.rng.choice(choices)
        return self.field(parent, name, definition, scope, depth)

    def field(
        self, parent: Composite, name: str, definition: GraphQLField, scope: Scope, depth: int
    ) -> tuple[str, list[Selected]]:
        """A field under a key that is free, or where it merges."""
        arguments = self.values.arguments(definition.args, self.documents.pools.always) if definition.args else ""
        selected = Selected(parent, name, name, arguments, _shape(name, definition.type), definition)
        if self.rng.random() < 0.3:
            selected.key = self.rng.choice([*ALIASES, *(known for known, _ in self.documents.leaves[parent.name])])
        while not scope.takes(selected):
            self.names += 1
            selected.key = f"k{self.names}"
        return self.written(selected, scope, depth)

    def again(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]] | None:
        """A field that stands here already, once more: to be merged with the first."""
        known = [
            each
            for place in scope.places.values()
            for each in place.fields
            if each.parent is parent or each.name == "__typename"
        ]
        if not known:
            return None
        first = self.rng.choice(known)
        selected = Selected(parent, first.key, first.name, first.arguments, first.shape, first.definition)
        return self.written(selected, scope, depth) if scope.takes(selected) else None

    def written(self, selected: Selected, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        place = scope.add(selected)
        alias = "" if selected.key == selected.name else f"{selected.key}: "
        text = f"{alias}{selected.name}{selected.arguments}{self.directive()}"
        kind = get_named_type(selected.definition.type)
        if is_composite_type(kind):
            below, selected.children = self.selections(kind, place.below, depth + 1)
            text = f"{text} {below}"
        return text, [selected]

    def inline(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """An inline fragment, with or without a condition."""
        condition = None if self.rng.random() < 0.2 else self.rng.choice(self.documents.overlapping[parent.name])
        text, fields = self.selections(condition or parent, scope, depth + 1 if condition is None else depth)
        on = f" on {condition}" if condition else ""
        return f"...{on}{self.directive()} {text}", fields

    def spread(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """A named fragment: one that is there already and fits here, or a new one."""
        overlapping = self.documents.overlapping[parent.name]
        fitting = [each for each in self.fragments if each.condition in overlapping and _fits(each.fields, scope)]
        if fitting and self.rng.random() < 0.6:
            found = self.rng.choice(fitting)
            for each in found.fields:
                scope.add(each)
            return f"...{found.name}{self.directive()}", found.fields
        condition = self.rng.choice(overlapping)
        self.open_fragments += 1
        name = self.rng.choice(["F", "fragment", "query", "_"]) + str(len(self.fragments) + self.open_fragments)
        text, fields = self.selections(condition, scope, depth)
        self.open_fragments -= 1
        while any(each.name == name for each in self.fragments):
            name += "x"
        self.fragments.append(Fragment(name, condition, text, fields))
        return f"...{name}{self.directive()}", fields

    def directive(self) -> str:
        """@skip, @include, both, or mostly nothing."""
        if self.rng.random() >= self.directives:
            return ""
        wanted = self.rng.choice((("skip",), ("include",), ("include",), ("skip", "include")))
        return "".join(f" @{name}(if: {self._condition(name)})" for name in wanted)

    def _condition(self, directive: str) -> str:
        if self.rng.random() < 0.5:
            return self.values.variable(BOOLEAN, False)
        hides = self.rng.random() < 0.3
        return "true" if hides == (directive == "skip") else "false"


def _fits(fields: Iterable[Selected], scope: Scope) -> bool:
    return all(scope.takes(each) for each in fields)


def _same(one: Selected, other: Selected) -> bool:
    return one.name == other.name and one.arguments == other.arguments


def _never_both(one: Composite, other: Composite) -> bool:
    """Whether no object is of both types, so that fields of one key may differ."""
    return one is not other and isinstance(one, GraphQLObjectType) and isinstance(other, GraphQLObjectType)


def _shape(name: str, kind: GraphQLOutputType) -> str:
    """Fields of one key must have the same wrapping, and the same type unless both have selections."""
    if name == "__typename":
        return "String!"
    named = get_named_type(kind)
    return str(kind).replace(named.name, "{}") if is_composite_type(named) else str(kind)


def _fields_of(kind: GraphQLNamedType, composite: bool) -> list[tuple[str, GraphQLField]]:
    """Those that can be asked for in text: files come beside it."""
    if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
        return []
    return [
        (name, each)
        for name, each in kind.fields.items()
        if is_composite_type(get_named_type(each.type)) == composite
        and not any(get_named_type(argument.type).name == "Upload" for argument in each.args.values())
    ]


def _possible(schema: GraphQLSchema, kind: Composite) -> set[str]:
    if isinstance(kind, GraphQLObjectType):
        return {kind.name}
    return {each.name for each in schema.get_possible_types(kind)}
