"""Random documents that are valid for a schema.

A document is generated from a seed and valid by construction, because validation would take longer than generating,
parsing and executing it. `test_random_documents.py` validates a sample.

The rule that needs care is that fields with the same response key must merge. A `Scope` represents one position of the
response and records for each key the field, its arguments and its shape, which decide what else can be selected there.
A fragment is created at its first spread and spread again where it fits. A variable is declared at its first use, with
a type that is allowed there.
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
# Ranges of the maximum number of fields, and how often each is used.
SIZES = (((2, 6), 52), ((6, 14), 36), ((14, 35), 11), ((35, 120), 1))
TYPENAME = GraphQLField(GraphQLNonNull(GraphQLString))
SPACES = [" ", " ", " ", " ", "\n  ", ", ", " # a comment\n", "\n\t"]


@dataclass(frozen=True)
class Case:
    """A document, the name of the operation to execute, and two sets of variables for it."""

    text: str
    operation_name: str | None
    variables: tuple[dict[str, Any], ...]


@dataclass
class Selected:
    """The properties of a selected field that matter for merging."""

    parent: Composite
    key: str
    name: str
    arguments: str
    shape: str
    definition: GraphQLField
    children: list[Selected] = field(default_factory=list)


@dataclass
class KeySlot:
    """The fields that are selected under one response key of a scope."""

    shape: str
    fields: list[Selected] = field(default_factory=list)
    below: Scope = field(default_factory=lambda: Scope())

    def takes(self, other: Selected) -> bool:
        """Return whether another field can be merged with these."""
        return (
            self.shape == other.shape
            and all(_same(each, other) or _never_both(each.parent, other.parent) for each in self.fields)
            and all(self.below.takes(child) for child in other.children)
        )


@dataclass
class Scope:
    """One position in the response, with merged selection sets: the fields under each key."""

    slots: dict[str, KeySlot] = field(default_factory=dict)

    def takes(self, selected: Selected) -> bool:
        """Return whether a field can be selected together with the recorded ones."""
        slot = self.slots.get(selected.key)
        return slot is None or slot.takes(selected)

    def add(self, selected: Selected) -> KeySlot:
        """Record a field and its selections."""
        slot = self.slots.get(selected.key)
        if slot is None:
            slot = self.slots[selected.key] = KeySlot(selected.shape)
        slot.fields.append(selected)
        for child in selected.children:
            slot.below.add(child)
        return slot


@dataclass(frozen=True)
class Fragment:
    """A named fragment and its fields."""

    name: str
    condition: Composite
    text: str
    fields: list[Selected]


class Documents:
    """Generates documents for a schema."""

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
        """Return the document of a seed. `size`: maximum number of fields; by default it follows from the seed."""
        return _DocumentGenerator(self, Random(seed), size).case()


class _DocumentGenerator:
    """Generates one document."""

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
        variables = (
            self.values.variable_values(invalid=rng.random() < 0.1),
            self.values.variable_values(invalid=False),
        )
        return Case("\n".join(definitions), name, variables)

    def selections(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """Return a selection set of this type, as text and as fields for merging."""
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
        """Return one selection."""
        self.budget -= 1
        draw = self.rng.random()
        if draw < 0.12 and self.budget > 0:
            return self.inline(parent, scope, depth)
        if draw < 0.22 and self.budget > 0:
            return self.spread(parent, scope, depth)
        if draw < 0.30:
            repeated = self.repeat(parent, scope, depth)
            if repeated is not None:
                return repeated
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
        """Return a field under a key that is unused, or where it merges."""
        arguments = self.values.arguments(definition.args, self.documents.pools.always) if definition.args else ""
        selected = Selected(parent, name, name, arguments, _shape(name, definition.type), definition)
        if self.rng.random() < 0.3:
            selected.key = self.rng.choice([*ALIASES, *(known for known, _ in self.documents.leaves[parent.name])])
        while not scope.takes(selected):
            self.names += 1
            selected.key = f"k{self.names}"
        return self.add_field(selected, scope, depth)

    def repeat(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]] | None:
        """Return a field that is selected already, to be merged with the first; None if there is none."""
        known = [
            each
            for slot in scope.slots.values()
            for each in slot.fields
            if each.parent is parent or each.name == "__typename"
        ]
        if not known:
            return None
        first = self.rng.choice(known)
        selected = Selected(parent, first.key, first.name, first.arguments, first.shape, first.definition)
        return self.add_field(selected, scope, depth) if scope.takes(selected) else None

    def add_field(self, selected: Selected, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        slot = scope.add(selected)
        alias = "" if selected.key == selected.name else f"{selected.key}: "
        text = f"{alias}{selected.name}{selected.arguments}{self.directive()}"
        kind = get_named_type(selected.definition.type)
        if is_composite_type(kind):
            below, selected.children = self.selections(kind, slot.below, depth + 1)
            text = f"{text} {below}"
        return text, [selected]

    def inline(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """Return an inline fragment, with or without a type condition."""
        condition = None if self.rng.random() < 0.2 else self.rng.choice(self.documents.overlapping[parent.name])
        text, fields = self.selections(condition or parent, scope, depth + 1 if condition is None else depth)
        on = f" on {condition}" if condition else ""
        return f"...{on}{self.directive()} {text}", fields

    def spread(self, parent: Composite, scope: Scope, depth: int) -> tuple[str, list[Selected]]:
        """Return a spread of an existing fragment that fits, or of a new one."""
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
        """Return @skip, @include, both, or most often nothing."""
        if self.rng.random() >= self.directives:
            return ""
        names = self.rng.choice((("skip",), ("include",), ("include",), ("skip", "include")))
        return "".join(f" @{name}(if: {self._condition(name)})" for name in names)

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
    """Return whether no object has both types, so that fields with the same key may differ."""
    return one is not other and isinstance(one, GraphQLObjectType) and isinstance(other, GraphQLObjectType)


def _shape(name: str, kind: GraphQLOutputType) -> str:
    """Return what must be equal for fields of one key: the wrapping types, and the type of a leaf."""
    if name == "__typename":
        return "String!"
    named = get_named_type(kind)
    return str(kind).replace(named.name, "{}") if is_composite_type(named) else str(kind)


def _fields_of(kind: GraphQLNamedType, composite: bool) -> list[tuple[str, GraphQLField]]:
    """Return the fields that can be selected in text. Uploads are not part of the text."""
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
