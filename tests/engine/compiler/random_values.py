"""Random input values of any GraphQL type: literals, variables, and JSON values of variables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    get_named_type,
    is_required_argument,
    is_required_input_field,
    is_type_sub_type_of,
)

MAX_NESTING = 3
WORDS = [
    "",
    "a",
    "two words",
    "ünï→中😀",
    'quo"te',
    "back\\slash",
    "line\nbreak",
    "{{ }} %s {0}",
    "'''",
    "\t",
    "__import__('os')",
    "null",
]
BLOCKS = ['""" block "quoted" """', '"""\n    indented\n      text\n    """', '""""""']
# Values that are invalid for nearly every type.
INVALID: list[Any] = [
    "invalid",
    2**31,
    -1.5,
    True,
    {},
    {"unknown": 1},
    [],
    [[]],
    [None],
    "",
    float(10**20),
    {"min": "x"},
]


@dataclass(frozen=True)
class Pools:
    """Values that are meaningful for a schema, as JSON. Each is also valid as a literal.

    `named`: by the name of an argument or input field, used first. `scalars`: by the name of a scalar.
    `always`: optional arguments that are nearly always passed, because they keep responses small.
    """

    named: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    scalars: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    always: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Variable:
    """A variable definition of an operation."""

    name: str
    type: GraphQLInputType
    default: str | None
    pool: str

    def __str__(self) -> str:
        return f"${self.name}: {self.type}" + ("" if self.default is None else f" = {self.default}")

    def fits(self, position: GraphQLInputType, has_default: bool, schema: GraphQLSchema) -> bool:
        """Return whether the variable is allowed in a position of this type."""
        if isinstance(position, GraphQLNonNull) and not isinstance(self.type, GraphQLNonNull):
            if not has_default and self.default in {None, "null"}:
                return False
            position = position.of_type
        return is_type_sub_type_of(schema, self.type, position)


class Values:
    """Generates the values of one document, and the variables that it declares for them."""

    def __init__(self, schema: GraphQLSchema, rng: Random, pools: Pools) -> None:
        self.schema = schema
        self.rng = rng
        self.pools = pools
        self.variables: list[Variable] = []

    def arguments(self, arguments: Mapping[str, GraphQLArgument], always: frozenset[str] = frozenset()) -> str:
        """Return `(name: value, ...)` with all required arguments, or nothing."""
        arguments_text = [
            f"{name}: {self.argument(name, each)}"
            for name, each in arguments.items()
            if is_required_argument(each) or self.rng.random() < (0.92 if name in always else 0.45)
        ]
        return f"({', '.join(arguments_text)})" if arguments_text else ""

    def argument(self, name: str, argument: GraphQLArgument) -> str:
        """Return a literal or a variable."""
        kind = argument.type
        has_default = argument.default_value is not Undefined
        if self.rng.random() < 0.35:
            return self.variable(kind, has_default, name)
        return self.literal(kind, name, 0, const=False)

    def variable(self, place: GraphQLInputType, has_default: bool, pool: str = "") -> str:
        """Return a variable for a position of this type: an existing or a new one."""
        if self.variables and self.rng.random() < 0.4:
            fitting = [each for each in self.variables if each.fits(place, has_default, self.schema)]
            if fitting:
                return f"${self.rng.choice(fitting).name}"
        variable = self._declare(place, has_default, pool)
        self.variables.append(variable)
        return f"${variable.name}"

    def _declare(self, place: GraphQLInputType, has_default: bool, pool: str) -> Variable:
        rng = self.rng
        kind, default = place, None
        if isinstance(place, GraphQLNonNull) and rng.random() < 0.4:
            kind = place.of_type
            if not has_default or rng.random() < 0.5:
                default = self.literal(place, pool, 1, const=True)
        elif not isinstance(place, GraphQLNonNull) and rng.random() < 0.25:
            kind = GraphQLNonNull(place)
        if default is None and rng.random() < (0.1 if isinstance(kind, GraphQLNonNull) else 0.4):
            default = self.literal(kind if has_default or kind is place else place, pool, 1, const=True)
            if default == "null" and isinstance(kind, GraphQLNonNull):
                default = None
        name = rng.choice(["v", "value", pool or "x", "if", "self"]) + str(len(self.variables))
        return Variable(name, kind, default, pool)

    def literal(self, kind: GraphQLInputType, pool: str = "", depth: int = 0, *, const: bool) -> str:
        """Return a literal. Unless `const`, lists and input objects may contain variables."""
        rng = self.rng
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        elif rng.random() < 0.08:
            return "null"
        if isinstance(kind, GraphQLList):
            return self._list(kind.of_type, pool, depth, const)
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind, depth, const)
        if isinstance(kind, GraphQLEnumType):
            return str(rng.choice(list(kind.values)))
        if kind.name == "String" and rng.random() < 0.05:
            return rng.choice(BLOCKS)
        return literal_of(self._leaf(kind.name, pool))

    def _list(self, item: GraphQLInputType, pool: str, depth: int, const: bool) -> str:
        leaf = get_named_type(item)
        if self.rng.random() < 0.2 and not isinstance(leaf, GraphQLInputObjectType):
            return self.literal(_required(leaf), pool, depth, const=const)  # a single item needs no brackets
        items = [
            self.variable(item, False, pool)
            if not const and self.rng.random() < 0.15
            else self.literal(item, pool, depth + 1, const=const)
            for _ in range(self.rng.choice((0, 1, 1, 2, 3)))
        ]
        return f"[{', '.join(items)}]"

    def _object(self, kind: GraphQLInputObjectType, depth: int, const: bool) -> str:
        chosen = self._chosen(kind, depth)
        fields = [f"{name}: {self._member(name, each, kind.is_one_of, depth, const)}" for name, each in chosen.items()]
        return f"{{{', '.join(fields)}}}"

    def _chosen(self, kind: GraphQLInputObjectType, depth: int) -> dict[str, GraphQLInputField]:
        """Return the fields of an input object to set, in random order."""
        if kind.is_one_of:
            name = self.rng.choice(list(kind.fields))
            return {name: kind.fields[name]}
        more = 0.4 if depth < MAX_NESTING else 0.0
        chosen = [
            (name, each)
            for name, each in kind.fields.items()
            if is_required_input_field(each) or self.rng.random() < more
        ]
        self.rng.shuffle(chosen)
        return dict(chosen)

    def _member(self, name: str, each: GraphQLInputField, one_of: bool, depth: int, const: bool) -> str:
        kind = _required(each.type) if one_of else each.type
        if not const and self.rng.random() < 0.2:
            if one_of:  # OneOf input does not accept a nullable variable, not even with a default
                variable = Variable(f"one{len(self.variables)}", kind, None, name)
                self.variables.append(variable)
                return f"${variable.name}"
            return self.variable(kind, each.default_value is not Undefined, name)
        return self.literal(kind, name, depth + 1, const=const)

    def variable_values(self, invalid: bool) -> dict[str, Any]:
        """Return JSON values of the variables. Unless `invalid`, they cause no request error."""
        values: dict[str, Any] = {}
        for variable in self.variables:
            can_be_omitted = variable.default is not None or not isinstance(variable.type, GraphQLNonNull)
            if (can_be_omitted or invalid) and self.rng.random() < 0.35:
                continue
            values[variable.name] = self._variable_value(variable, invalid and self.rng.random() < 0.5)
        if self.rng.random() < 0.03:
            values["notDeclared"] = 1
        return values

    def _variable_value(self, variable: Variable, invalid: bool) -> Any:
        if invalid and self.rng.random() < 0.6:
            return self.rng.choice([None, *INVALID])
        return self._json(variable.type, variable.pool, 0, invalid)

    def _json(self, kind: GraphQLInputType, pool: str, depth: int, invalid: bool) -> Any:
        rng = self.rng
        if invalid and rng.random() < 0.3:
            return rng.choice(INVALID)
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        elif rng.random() < 0.12:
            return None
        if isinstance(kind, GraphQLList):
            if rng.random() < 0.15:
                return self._json(_required(get_named_type(kind)), pool, depth, invalid)
            return [self._json(kind.of_type, pool, depth + 1, invalid) for _ in range(rng.choice((0, 1, 2, 3)))]
        if isinstance(kind, GraphQLInputObjectType):
            return {
                name: self._json(_required(each.type) if kind.is_one_of else each.type, name, depth + 1, invalid)
                for name, each in self._chosen(kind, depth).items()
            }
        if isinstance(kind, GraphQLEnumType):
            return rng.choice(list(kind.values))
        return self._leaf(kind.name, pool)

    def _leaf(self, scalar: str, pool: str) -> Any:
        rng = self.rng
        if pool in self.pools.named and rng.random() < 0.95:
            return rng.choice(self.pools.named[pool])
        if scalar in self.pools.scalars:
            return deepcopy(rng.choice(self.pools.scalars[scalar]))  # a resolver may change it
        if scalar == "Int":
            return rng.choice((0, 1, 2, 3, 7, -1, 2**31 - 1, -(2**31)))
        if scalar == "Float":
            return rng.choice((0, 1, -2.5, 1e21, 0.1, 3.0))
        if scalar == "Boolean":
            return rng.random() < 0.5
        if scalar == "ID":
            return rng.choice(("x", "17", 17, "é"))
        return rng.choice(WORDS)


def _required(kind: Any) -> GraphQLInputType:
    return kind if isinstance(kind, GraphQLNonNull) else GraphQLNonNull(kind)


def literal_of(value: Any) -> str:
    """Return a JSON value as a GraphQL literal. Keys must be names."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {literal_of(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal_of, value))}]"
    return json.dumps(value, ensure_ascii=False)
