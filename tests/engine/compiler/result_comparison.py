"""Comparison of two execution results: what it means that they are equal.

**Data** are equal as JSON text: every value, its type (1, 1.0 and true differ) and the order of keys.

**Request errors** (no path, no data) are equal, in any order.

**Field errors** are equal, in any order, at positions where both executors must report them. An error is its message,
its path, its locations, its extensions, and the class of the original exception (error masking depends on it). The
specification leaves one thing open: when an error at a non-null position sets a position above to null, execution
below that null may be cancelled, so errors there may be reported or not. graphql-core reports those that occurred
before, which depends on the order in which coroutines run. So for every null in the data:

- When no executor reports an error strictly below the null, the errors at the null itself must be equal.
- Otherwise both must report at least one error that explains the null: one at the null itself, or one below it with
  only non-null positions between. Any such error is accepted, and so are further errors, but each must really occur: a
  third execution, by graphql-core without error propagation, where nothing is cancelled, must report the same error.
- No two errors have the same path.

An error with a path that does not lead to a null is a difference.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLOutputType,
    GraphQLSchema,
    execute,
    is_non_null_type,
)
from graphql.execution import Executor

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """The compared properties of an error, all but the path as text."""

    path: Path | None
    message: str
    locations: str
    extensions: str
    cause: str

    @classmethod
    def from_error(cls, error: GraphQLError) -> Problem:
        original: BaseException | None = error.original_error
        while isinstance(original, GraphQLError) and original.original_error is not None:
            original = original.original_error
        return cls(
            None if error.path is None else tuple(error.path),
            error.message,
            str([(each.line, each.column) for each in error.locations or ()]),
            json.dumps(error.extensions or {}, default=repr),
            type(original).__name__,
        )


@dataclass(frozen=True)
class CompleteErrors:
    """All errors that occur when nothing is cancelled, and the type of every position that was reached."""

    problems: frozenset[Problem]
    types: Mapping[Path, GraphQLOutputType]

    def explains(self, problem: Problem, null: Path) -> bool:
        """Return whether the error, at the null or below it, causes the null."""
        path = problem.path or ()
        return all(is_non_null_type(self.types[path[:n]]) for n in range(len(null) + 1, len(path) + 1))


class NonPropagatingExecutor(Executor[Any]):
    """Executes without error propagation, and records the type of every position."""

    seen: dict[Path, GraphQLOutputType]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.error_propagation = False
        self.seen = {}

    def execute_field(self, parent_type: Any, source: Any, details: Any, path: Any, context: Any) -> Any:
        definition = self.schema.get_field(parent_type, details[0].node.name.value)
        assert definition is not None
        self.seen[tuple(path.as_list())] = definition.type
        return super().execute_field(parent_type, source, details, path, context)

    def complete_list_item_value(
        self, item: Any, done: Any, kind: Any, details: Any, info: Any, path: Any, at: Any
    ) -> bool:
        self.seen[tuple(path.as_list())] = kind
        return super().complete_list_item_value(item, done, kind, details, info, path, at)

    async def complete_awaitable_list_item_value(
        self, item: Any, kind: Any, details: Any, info: Any, path: Any, at: Any
    ) -> Any:
        self.seen[tuple(path.as_list())] = kind
        return await super().complete_awaitable_list_item_value(item, kind, details, info, path, at)


async def reference(
    schema: GraphQLSchema,
    document: DocumentNode,
    name: str | None,
    context: Any,
    variables: Mapping[str, Any],
    executor: type[Executor[Any]] | None = None,
) -> ExecutionResult:
    """Return the result of graphql-core."""
    result = execute(
        schema,
        document,
        context_value=context,
        variable_values=dict(variables),
        operation_name=name,
        executor_class=executor,
    )
    awaited = await result if inspect.isawaitable(result) else result
    assert isinstance(awaited, ExecutionResult)
    return awaited


async def find_all_errors(
    schema: GraphQLSchema, document: DocumentNode, name: str | None, context: Any, variables: Mapping[str, Any]
) -> CompleteErrors:
    """Return all errors that can occur in an operation with this context."""
    seen: dict[Path, GraphQLOutputType] = {}

    class Recorder(NonPropagatingExecutor):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.seen = seen

    result = await reference(schema, document, name, context, variables, Recorder)
    return CompleteErrors(frozenset(map(Problem.from_error, result.errors or ())), seen)


async def find_difference(
    expected: ExecutionResult, actual: ExecutionResult, explain: Callable[[], Awaitable[CompleteErrors]]
) -> str | None:
    """Return the difference in a sentence, or None. `explain` is only called if errors may have been cancelled."""
    if as_text(expected.data) != as_text(actual.data):
        return "the data differs"
    expected_by_null = _by_null(expected.data, expected.errors or ())
    actual_by_null = _by_null(actual.data, actual.errors or ())
    if isinstance(actual_by_null, str) or isinstance(expected_by_null, str):
        return actual_by_null if isinstance(actual_by_null, str) else str(expected_by_null)
    for null in sorted(expected_by_null.keys() | actual_by_null.keys(), key=repr):
        reason = await _difference_at(null, expected_by_null.get(null, []), actual_by_null.get(null, []), explain)
        if reason is not None:
            return reason
    return None


def has_propagated_null(result: ExecutionResult) -> bool:
    """Return whether an error was reported strictly below a null, so that other fields may have been cancelled."""
    groups = _by_null(result.data, result.errors or ())
    assert not isinstance(groups, str), groups
    return any(_below(null, problems) for null, problems in groups.items())


def as_text(data: Any) -> str:
    """Return data as JSON, with keys in their order."""
    return json.dumps(data, default=repr, ensure_ascii=False)


async def _difference_at(
    null: Path | None, expected: list[Problem], actual: list[Problem], explain: Callable[[], Awaitable[CompleteErrors]]
) -> str | None:
    if Counter(expected) == Counter(actual):
        return None
    if not _below(null, expected) and not _below(null, actual):
        return f"the errors at {_at(null)} differ"
    assert null is not None
    repeated = [path for path, count in Counter(each.path for each in actual).items() if count > 1]
    if repeated:
        return f"two errors at {_at(repeated[0])}"
    if not expected or not actual:
        return f"only one of the two has errors for the null at {_at(null)}"
    known = await explain()
    impossible = [each for each in actual if each not in known.problems]
    if impossible:
        return f"an error that does not occur: {impossible[0]}"
    if not any(known.explains(each, null) for each in actual):
        return f"no error explains the null at {_at(null)}"
    return None


def _by_null(data: Any, errors: Iterable[GraphQLError]) -> dict[Path | None, list[Problem]] | str:
    """Return the errors by the null that they belong to, request errors under None. A sentence if one has no null."""
    groups: dict[Path | None, list[Problem]] = defaultdict(list)
    for problem in map(Problem.from_error, errors):
        if problem.path is None:
            groups[None].append(problem)
            continue
        null = _null_on(data, problem.path)
        if null is None:
            return f"an error at {_at(problem.path)}, where the data is not null"
        groups[null].append(problem)
    return groups


def _null_on(data: Any, path: Path) -> Path | None:
    """Return the position along the path where the data is null."""
    for n, key in enumerate(path):
        if data is None:
            return path[:n]
        try:
            data = data[key]
        except (LookupError, TypeError):
            return None
    return path if data is None else None


def _below(null: Path | None, problems: list[Problem]) -> bool:
    return null is not None and any(each.path != null for each in problems)


def _at(path: Path | None) -> str:
    return "the request" if path is None else "/".join(map(str, path)) or "the root"
