"""The fuzzer detects flaws: every executor here has one, and the fuzzer finds it within a few documents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import Any, TypeVar

import pytest
from graphql import (
    REMOVE,
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    VariableDefinitionNode,
    Visitor,
    is_enum_type,
    is_list_type,
    is_non_null_type,
    located_error,
    visit,
)
from graphql.execution import Executor
from graphql.pyutils import Path

from tests.engine.compiler import synthetic_schema
from tests.engine.compiler.differential_fuzzer import Difference, Fuzz, Run, Subject
from tests.engine.compiler.equality import IGNORE_ABANDONED_COROUTINES, compare_worlds, world_for
from tests.engine.compiler.random_documents import Documents
from tests.engine.compiler.result_comparison import reference

N = TypeVar("N", bound=Node)
pytestmark = [*IGNORE_ABANDONED_COROUTINES, pytest.mark.no_cover]  # what runs here is the fuzzer and graphql-core
# Numbers of the documents within which each flaw must be found.
ENOUGH = range(1_000)
SCHEMA = synthetic_schema.build()
DOCUMENTS = Documents(SCHEMA, synthetic_schema.POOLS, mutations=0.25)


def by_executor(executor: type[Executor[Any]] | None) -> Subject:
    """Return a subject that executes with this class of executor."""

    def subject(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
        name = operation.name.value if operation.name else None
        return lambda context, variables: reference(schema, document, name, context, variables, executor)

    return subject


def by_result(spoil: Callable[[ExecutionResult], ExecutionResult]) -> Subject:
    """Return a subject that executes correctly and then alters the result."""

    def subject(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
        run = by_executor(None)(schema, document, operation)

        async def spoiled(context: Any, variables: Mapping[str, Any]) -> ExecutionResult:
            return spoil(await run(context, variables))

        return spoiled

    return subject


def by_document(visitor: type[Visitor]) -> Subject:
    """Return a subject that alters the document."""
    return lambda schema, document, operation: by_executor(None)(schema, visit(document, visitor()), operation)


def by_variables(spoil: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Subject:
    """Return a subject that alters the variables."""

    def subject(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
        run = by_executor(None)(schema, document, operation)
        return lambda context, variables: run(context, spoil(variables))

    return subject


def by_schema(spoil: Callable[[GraphQLSchema], None]) -> Subject:
    """Return a subject that executes with an altered schema."""
    other = synthetic_schema.build()
    spoil(other)
    return lambda _, document, operation: by_executor(None)(other, document, operation)


# --- flaws of execution ---


class NeverPropagates(Executor[Any]):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.error_propagation = False


class PropagatesFromItems(Executor[Any]):
    """A failed item sets its list to null even if items are nullable."""

    def handle_field_error(self, raw_error: Exception, kind: Any, details: Any, path: Path) -> None:
        if isinstance(path.key, int):
            raise located_error(raw_error, [each.node for each in details], path.as_list())
        super().handle_field_error(raw_error, kind, details, path)


class StopsAtLists(Executor[Any]):
    """A null stays in a list of non-null items."""

    def handle_field_error(self, raw_error: Exception, kind: Any, details: Any, path: Path) -> None:
        inner = kind.of_type if isinstance(path.key, int) and is_non_null_type(kind) else kind
        super().handle_field_error(raw_error, inner, details, path)


class ForgetsTheRoot(Executor[Any]):
    """A non-null root field is null, and the other data is kept."""

    def handle_field_error(self, raw_error: Exception, kind: Any, details: Any, path: Path) -> None:
        inner = kind.of_type if path.prev is None and is_non_null_type(kind) else kind
        super().handle_field_error(raw_error, inner, details, path)


class CoercesNoLeaves(Executor[Any]):
    @staticmethod
    def complete_leaf_value(return_type: Any, result: Any) -> Any:
        return result


class NamesNoMembers(Executor[Any]):
    @staticmethod
    def complete_leaf_value(return_type: Any, result: Any) -> Any:
        found = Executor.complete_leaf_value(return_type, result)
        return result.value if is_enum_type(return_type) and hasattr(result, "value") else found


class PathsOfNames(Executor[Any]):
    """Paths contain the names of fields instead of their response keys."""

    def execute_field(self, parent_type: Any, source: Any, details: Any, path: Path, context: Any) -> Any:
        other = Path(path.prev, details[0].node.name.value, path.typename)
        return super().execute_field(parent_type, source, details, other, context)


class PathsWithoutInnerIndices(Executor[Any]):
    def complete_list_item_value(
        self, item: Any, done: Any, kind: Any, details: Any, info: Any, path: Any, at: Any
    ) -> bool:
        shorter = path.prev if is_list_type(kind) else path
        return super().complete_list_item_value(item, done, kind, details, info, shorter, at)


class MergesNothing(Executor[Any]):
    """Only the first of several fields with the same key contributes selections."""

    def collect_subfields(self, return_type: Any, field_details_list: Any) -> Any:
        return super().collect_subfields(return_type, field_details_list[:1])


class MergesBackwards(Executor[Any]):
    def collect_subfields(self, return_type: Any, field_details_list: Any) -> Any:
        return super().collect_subfields(return_type, field_details_list[::-1])


class GuessesTypes(Executor[Any]):
    def ensure_valid_runtime_type(self, name: Any, abstract: Any, details: Any, info: Any, result: Any) -> Any:
        return super().ensure_valid_runtime_type(name or "Cat", abstract, details, info, result)


class BelievesTypes(Executor[Any]):
    """Does not check whether an object has the declared type."""

    def complete_object_value(
        self, return_type: Any, details: Any, info: Any, path: Any, result: Any, context: Any
    ) -> Any:
        return self.collect_and_execute_subfields(return_type, details, path, result, context)


class MutatesAtOnce(Executor[Any]):
    def execute_fields_serially(self, *arguments: Any) -> Any:
        return self.execute_fields(*arguments)


class MutatesOn(Executor[Any]):
    """Later mutations are executed after one that has set all data to null."""

    def execute_fields_serially(self, parent: Any, source: Any, path: Any, grouped: Any, at: Any) -> Any:
        run = super().execute_fields_serially

        async def each() -> dict[str, Any]:
            results: dict[str, Any] = {}
            failed: Exception | None = None
            for key, details in grouped.items():
                try:
                    found: Any = run(parent, source, path, {key: details}, at)
                    results |= await found if self.is_awaitable(found) else found
                except GraphQLError as error:
                    failed = failed or error
            if failed is not None:
                raise failed
            return results

        return each()


class AsksTwice(Executor[Any]):
    def execute_field(self, parent_type: Any, source: Any, details: Any, path: Path, context: Any) -> Any:
        if details[0].node.name.value == "where":
            super().execute_field(parent_type, source, details, path, context)
        return super().execute_field(parent_type, source, details, path, context)


class AwaitsNoItems(Executor[Any]):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        awaitable = self.is_awaitable
        self.is_awaitable = lambda value: awaitable(value) and not isinstance(value, synthetic_schema.Later)  # type: ignore[assignment]


# --- flaws of results ---


def _rebuilt(result: ExecutionResult, rebuild: Callable[[Any], Any]) -> ExecutionResult:
    def deep(value: Any) -> Any:
        if isinstance(value, dict):
            return rebuild({key: deep(each) for key, each in value.items()})
        return [deep(each) for each in value] if isinstance(value, list) else rebuild(value)

    return ExecutionResult(deep(result.data), result.errors)


def _errors(result: ExecutionResult, spoil: Callable[[GraphQLError], GraphQLError | None]) -> ExecutionResult:
    errors = [found for each in result.errors or () if (found := spoil(each)) is not None]
    return ExecutionResult(result.data, errors or None)


def _changed(error: GraphQLError, **changes: Any) -> GraphQLError:
    known = {name: getattr(error, name) for name in ("nodes", "source", "path", "original_error", "extensions")}
    return GraphQLError(error.message, **{**known, **changes})


def _without_below(result: ExecutionResult) -> ExecutionResult:
    """Remove the errors that explain propagated nulls."""
    return _errors(result, lambda each: each if _is_at_null(result.data, each.path) else None)


def _is_at_null(data: Any, path: Any) -> bool:
    for key in path or ():
        if data is None:
            return False
        data = data[key]
    return True


def _with_stranger(result: ExecutionResult) -> ExecutionResult:
    """Add an error that did not occur to one below a null."""
    strangers = [
        _changed(each, path=[*each.path, "stranger"])
        for each in result.errors or ()
        if each.path and not _is_at_null(result.data, each.path)
    ]
    return ExecutionResult(result.data, [*(result.errors or ()), *strangers] or None)


# --- flaws of documents ---


def _other(node: N, **changes: Any) -> N:
    changed = copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


class NoDirectives(Visitor):
    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        return REMOVE


class IncludesForSkips(Visitor):
    """@include is ignored on fields with @skip."""

    def enter(self, node: Any, *_: Any) -> Any:
        names = [each.name.value for each in getattr(node, "directives", None) or ()]
        if "skip" in names and "include" in names:
            return _other(node, directives=tuple(each for each in node.directives if each.name.value == "skip"))
        return None


class NoDirectivesOnSpreads(Visitor):
    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> Any:
        if not node.directives:
            return None
        return _other(node, directives=())


class NoConditions(Visitor):
    """Type conditions of inline fragments are ignored."""

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> Any:
        return _other(node, type_condition=None)


class NoDefaultsOfVariables(Visitor):
    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> Any:
        return _other(node, default_value=None)


# --- flaws of schemas ---


def _argument(schema: GraphQLSchema, name: str, value: Any) -> None:
    assert schema.query_type is not None
    schema.query_type.fields["echo"].args[name].default_value = value


def _input_default(schema: GraphQLSchema) -> None:
    schema.type_map["Inner"].fields["n"].default_value = 8  # type: ignore[attr-defined]


def _no_permission(schema: GraphQLSchema) -> None:
    assert schema.query_type is not None
    schema.query_type.fields["silent"].resolve = lambda _, info, **given: given.get("number")


FLAWS: dict[str, Subject] = {
    **{
        each.__name__: by_executor(each)
        for each in (
            NeverPropagates,
            PropagatesFromItems,
            StopsAtLists,
            ForgetsTheRoot,
            CoercesNoLeaves,
            NamesNoMembers,
            PathsOfNames,
            PathsWithoutInnerIndices,
            MergesNothing,
            MergesBackwards,
            GuessesTypes,
            BelievesTypes,
            MutatesAtOnce,
            MutatesOn,
            AsksTwice,
            AwaitsNoItems,
        )
    },
    **{
        each.__name__: by_document(each)
        for each in (NoDirectives, IncludesForSkips, NoDirectivesOnSpreads, NoConditions, NoDefaultsOfVariables)
    },
    "keys in another order": by_result(
        lambda result: _rebuilt(result, lambda each: dict(sorted(each.items())) if isinstance(each, dict) else each)
    ),
    "a float for an integer": by_result(
        lambda result: _rebuilt(result, lambda each: float(each) if type(each) is int else each)
    ),
    "other messages": by_result(partial(_errors, spoil=lambda each: None)),
    "one location each": by_result(
        partial(_errors, spoil=lambda each: _changed(each, nodes=list(each.nodes or ())[:1]))
    ),
    "no extensions": by_result(partial(_errors, spoil=lambda each: _changed(each, extensions={"code": "NO"}))),
    "no cause": by_result(partial(_errors, spoil=lambda each: _changed(each, original_error=None))),
    "no explanation": by_result(_without_below),
    "an error that does not happen": by_result(_with_stranger),
    "null is missing": by_variables(lambda given: {key: each for key, each in given.items() if each is not None}),
    "default of a number": by_schema(partial(_argument, name="number", value=4)),
    "default of an enum": by_schema(partial(_argument, name="color", value="RED")),
    "default of an input field": by_schema(_input_default),
    "silent permission": by_schema(_no_permission),
}


@pytest.mark.parametrize("name", FLAWS)
async def test_fuzzer_finds_the_flaw(name: str) -> None:
    with pytest.raises(Difference):
        await Fuzz(SCHEMA, world_for, FLAWS[name], compare_worlds).check_all(DOCUMENTS.case, "flaws", ENOUGH)


async def test_graphql_core_equals_itself_with_another_order_of_tasks() -> None:
    """It agrees although tasks run in another order."""

    def slower(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
        run = by_executor(Patient)(schema, document, operation)

        async def later(context: Any, variables: Mapping[str, Any]) -> ExecutionResult:
            await asyncio.sleep(0)
            return await run(context, variables)

        return later

    await Fuzz(SCHEMA, world_for, slower, compare_worlds).check_all(DOCUMENTS.case, "itself", ENOUGH)


class Patient(Executor[Any]):
    """Delays every field, later ones less, so that errors occur in another order."""

    def execute_field(self, parent_type: Any, source: Any, details: Any, path: Path, context: Any) -> Any:
        found = super().execute_field(parent_type, source, details, path, context)
        if not self.is_awaitable(found):
            return found

        async def later() -> Any:
            for _ in range(5 - len(str(path.key)) % 5):
                await asyncio.sleep(0)
            return await found

        return later()


async def test_difference_shows_the_smallest_document() -> None:
    flaw = FLAWS["default of a number"]
    with pytest.raises(Difference) as raised:
        await Fuzz(SCHEMA, world_for, flaw).check_all(DOCUMENTS.case, "small", ENOUGH)
    message = str(raised.value)
    assert "the data differs (seed 'small:" in message
    assert raised.value.case.text.endswith("{ echo }")
    assert '"echo": "3,' in message
    assert '"echo": "4,' in message
