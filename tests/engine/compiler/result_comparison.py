"""What it means that a plan's result equals graphql-core's.

**Data** are equal as JSON text: every value, its type (1, 1.0 and true differ) and the order of keys.

**Request errors** (no path, no data) are equal, in any order.

**Field errors** are equal, in any order, wherever both executors are bound to report them. An error is its message, its
path, its locations, its extensions, and the class of the exception behind it (the gateway decides by it what a client
may see). The specification leaves one thing open: when an error in a non-null place makes a null further up, what runs
below that null may be cancelled, and so errors there may be reported or not; graphql-core reports what had failed until
then, which depends on the order in which coroutines happen to run. So for every null in the data:

- When no executor reports an error strictly below the null, the errors at the null itself must be equal.
- Otherwise both must report at least one error that explains the null: one at the null itself, or one below it with
  nothing but non-null places between (without it the null could not have come up). Which of them, and which others
  besides, is free, but each must be one that happens: a third execution, by graphql-core with error propagation turned
  off, so that nothing is cancelled, must report the very same error.
- No two errors have the same path.

An error whose path leads to something else than a null is a difference.
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
    """An error as far as it is compared; everything as text but the path."""

    path: Path | None
    message: str
    locations: str
    extensions: str
    cause: str

    @classmethod
    def of(cls, error: GraphQLError) -> Problem:
        """From graphql-core's error."""
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
class Everything:
    """All errors that happen when nothing is cancelled, and the type of every place that was reached."""

    problems: frozenset[Problem]
    types: Mapping[Path, GraphQLOutputType]

    def explains(self, problem: Problem, null: Path) -> bool:
        """Whether the error, at the null or below it, makes it a null."""
        path = problem.path or ()
        return all(is_non_null_type(self.types[path[:n]]) for n in range(len(null) + 1, len(path) + 1))


class Thorough(Executor[Any]):
    """Executes without error propagation, and writes down the type of every place."""

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
    """What graphql-core makes of an operation."""
    result = execute(
        schema,
        document,
        context_value=context,
        variable_values=dict(variables),
        operation_name=name,
        executor_class=executor,
    )
    found = await result if inspect.isawaitable(result) else result
    assert isinstance(found, ExecutionResult)
    return found


async def everything(
    schema: GraphQLSchema, document: DocumentNode, name: str | None, context: Any, variables: Mapping[str, Any]
) -> Everything:
    """All errors that an operation can have with this context."""
    seen: dict[Path, GraphQLOutputType] = {}

    class Noting(Thorough):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.seen = seen

    result = await reference(schema, document, name, context, variables, Noting)
    return Everything(frozenset(map(Problem.of, result.errors or ())), seen)


async def difference(
    expected: ExecutionResult, actual: ExecutionResult, explain: Callable[[], Awaitable[Everything]]
) -> str | None:
    """What differs, as a sentence; None when the results are equal. `explain` is asked when it is needed."""
    if as_text(expected.data) != as_text(actual.data):
        return "the data differ"
    wanted = _by_null(expected.data, expected.errors or ())
    found = _by_null(actual.data, actual.errors or ())
    if isinstance(found, str) or isinstance(wanted, str):
        return found if isinstance(found, str) else str(wanted)
    for null in sorted(wanted.keys() | found.keys(), key=repr):
        reason = await _difference_at(null, wanted.get(null, []), found.get(null, []), explain)
        if reason is not None:
            return reason
    return None


def propagated(result: ExecutionResult) -> bool:
    """Whether an error was reported strictly below a null, so that other work may have been cancelled."""
    groups = _by_null(result.data, result.errors or ())
    assert not isinstance(groups, str), groups
    return any(_below(null, problems) for null, problems in groups.items())


def as_text(data: Any) -> str:
    """Data as JSON; keys in their order."""
    return json.dumps(data, default=repr, ensure_ascii=False)


async def _difference_at(
    null: Path | None, wanted: list[Problem], found: list[Problem], explain: Callable[[], Awaitable[Everything]]
) -> str | None:
    if Counter(wanted) == Counter(found):
        return None
    if not _below(null, wanted) and not _below(null, found):
        return f"the errors at {_at(null)} differ"
    assert null is not None
    twice = [path for path, count in Counter(each.path for each in found).items() if count > 1]
    if twice:
        return f"two errors at {_at(twice[0])}"
    if not wanted or not found:
        return f"only one of the two has errors for the null at {_at(null)}"
    known = await explain()
    strangers = [each for each in found if each not in known.problems]
    if strangers:
        return f"an error that does not happen: {strangers[0]}"
    if not any(known.explains(each, null) for each in found):
        return f"no error explains the null at {_at(null)}"
    return None


def _by_null(data: Any, errors: Iterable[GraphQLError]) -> dict[Path | None, list[Problem]] | str:
    """Errors by the null that they belong to; those of the request under None. A sentence when one belongs to none."""
    groups: dict[Path | None, list[Problem]] = defaultdict(list)
    for problem in map(Problem.of, errors):
        if problem.path is None:
            groups[None].append(problem)
            continue
        null = _null_on(data, problem.path)
        if null is None:
            return f"an error at {_at(problem.path)}, where the data are no null"
        groups[null].append(problem)
    return groups


def _null_on(data: Any, path: Path) -> Path | None:
    """The place on the way along the path where the data are null."""
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
