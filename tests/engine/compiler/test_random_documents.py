"""Random documents are valid, contain every construct, and have results with every kind of error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from graphql import (
    DirectiveNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_input_object_type,
    parse,
    print_ast,
    validate,
    visit,
)
from graphql.utilities import TypeInfo, TypeInfoVisitor

from app.schema.build import build_graphql_schema
from tests.engine.compiler import synthetic_schema
from tests.engine.compiler.equality import IGNORE_ABANDONED_COROUTINES, world_for
from tests.engine.compiler.random_documents import Case, Documents
from tests.engine.compiler.result_comparison import has_propagated_null, reference

pytestmark = [*IGNORE_ABANDONED_COROUTINES, pytest.mark.no_cover]  # only graphql-core is executed
SAMPLE_SIZE = 1_200


def cases(schema: GraphQLSchema, seed: str) -> Iterable[Case]:
    """Yield a sample of documents."""
    documents = Documents(schema, synthetic_schema.POOLS, mutations=0.1)
    return (documents.case(f"{seed}:{n}") for n in range(SAMPLE_SIZE))


@pytest.mark.parametrize("schema", [synthetic_schema.build(), build_graphql_schema()], ids=["synthetic", "own"])
def test_random_documents_are_valid(schema: GraphQLSchema) -> None:
    for case in cases(schema, "valid"):
        errors = validate(schema, parse(case.text))
        assert not errors, f"{errors[0]}\n{case.text}"


class ConstructCounter(Visitor):
    """Counts the constructs in documents."""

    def __init__(self, info: TypeInfo, seen: Counter[str]) -> None:
        super().__init__()
        self.info = info
        self.seen = seen

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, name = self.info.get_parent_type(), node.name.value
        self.seen[f"{parent}.{name}"] += 1
        self.seen["an alias"] += node.alias is not None
        self.seen["a name that is not its field's"] += bool(
            node.alias and isinstance(parent, GraphQLObjectType) and node.alias.value in parent.fields
        )
        for argument in node.arguments or ():
            self.seen[f"{parent}.{name}({argument.name.value})"] += 1

    def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> None:
        fields = [each for each in node.selections if isinstance(each, FieldNode)]
        keys = Counter((each.alias or each.name).value for each in fields)
        self.seen["a key twice"] += max(keys.values(), default=0) > 1
        calls = Counter(each.name.value + "".join(print_ast(a) for a in each.arguments or ()) for each in fields)
        self.seen["a field twice"] += max(calls.values(), default=0) > 1

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        condition = node.type_condition
        self.seen[f"... on {condition.name.value}" if condition else "... without condition"] += 1

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        self.seen[f"fragment on {node.type_condition.name.value}"] += 1

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.seen[f"...{node.name.value}"] += 1

    def enter_directive(self, node: DirectiveNode, _key: Any, _parent: Any, _path: Any, ancestors: Any) -> None:
        (argument,) = node.arguments or ()
        self.seen[f"@{node.name.value} on {ancestors[-1].kind}"] += 1
        self.seen[f"@{node.name.value} with {argument.value.kind}"] += 1

    def enter_variable(self, node: VariableNode, _key: Any, _parent: Any, _path: Any, ancestors: Any) -> None:
        self.seen[f"a variable in {ancestors[-1].kind if isinstance(ancestors[-1], Node) else 'list'}"] += 1

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> None:
        self.seen[f"a variable {'with' if node.default_value else 'without'} default"] += 1
        self.seen[f"a variable of {print_ast(node.type)}"] += 1

    def enter_object_value(self, node: ObjectValueNode, *_: Any) -> None:
        for each in node.fields:
            self.seen[f"{self.info.get_input_type()}".rstrip("!") + f" has {each.name.value}"] += 1

    def enter(self, node: Node, *_: Any) -> None:
        self.seen[node.kind] += 1
        if isinstance(node, OperationDefinitionNode):
            self.seen[node.operation.value] += 1


def test_random_documents_contain_every_construct() -> None:
    schema = synthetic_schema.build()
    seen: Counter[str] = Counter()
    for case in cases(schema, "all"):
        info = TypeInfo(schema)
        visit(parse(case.text), TypeInfoVisitor(info, _EnterBoth(ConstructCounter(info, seen))))
    assert not [each for each in _expected(schema) if not seen[each]]


class _EnterBoth(Visitor):
    """Calls `enter` and the method for the kind of node."""

    def __init__(self, counter: ConstructCounter) -> None:
        super().__init__()
        self.visitor = counter

    def enter(self, node: Node, *arguments: Any) -> None:
        self.visitor.enter(node)
        own = getattr(self.visitor, f"enter_{node.kind}", None)
        if own is not None:
            own(node, *arguments)


def _expected(schema: GraphQLSchema) -> Iterable[str]:
    for kind in schema.type_map.values():
        if kind.name.startswith("__") or kind is schema.subscription_type:
            continue
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            yield f"{kind}.__typename"
            for name, field in kind.fields.items():
                yield f"{kind}.{name}"
                yield from (f"{kind}.{name}({argument})" for argument in field.args)
        if is_input_object_type(kind):
            yield from (f"{kind} has {name}" for name in kind.fields)
    for condition in ("Entity", "Named", "Legged", "Cat", "Rock", "Plain", "Thing", "Query"):
        yield f"... on {condition}"
        yield f"fragment on {condition}"
    for directive in ("@skip", "@include"):
        yield from (f"{directive} on {place}" for place in ("field", "inline_fragment", "fragment_spread"))
        yield from (f"{directive} with {value}" for value in ("variable", "boolean_value"))
    yield from ("an alias", "a name that is not its field's", "a key twice", "a field twice", "... without condition")
    yield from ("a variable with default", "a variable without default", "mutation", "null_value")
    yield from ("list_value", "object_value", "enum_value", "int_value", "float_value", "string_value")


async def test_results_contain_every_kind_of_error() -> None:
    """Such as no data, partial data, request errors and propagated nulls."""
    schema = synthetic_schema.build()
    seen: Counter[str] = Counter()
    for n, case in enumerate(cases(schema, "answers")):
        async with world_for(n) as world:
            result = await reference(schema, parse(case.text), case.operation_name, world, case.variables[0])
        seen.update(_kinds(result))
    kinds = {"whole", "partial", "no data", "request error", "propagated", "AppError", "permission", "deep null"}
    assert not [each for each in kinds if seen[each] < SAMPLE_SIZE // 100], seen


def _kinds(result: ExecutionResult) -> Iterable[str]:
    errors = result.errors or []
    if not errors:
        yield "whole"
        return
    if result.data is None:
        yield "request error" if all(each.path is None for each in errors) else "no data"
    else:
        yield "partial"
    if has_propagated_null(result):
        yield "propagated"
        if result.data is not None:
            yield "deep null"
    codes = {(each.extensions or {}).get("code") for each in errors}
    if "NOT_TODAY" in codes:
        yield "permission"
    if any(type(each.original_error).__name__ in {"BadInput", "NotFound"} for each in errors):
        yield "AppError"
