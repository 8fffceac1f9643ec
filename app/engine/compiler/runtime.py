"""Runtime for compiled operations: executes one level of objects at a time.

Generated code (see `compiler`) builds the results of a whole list of objects in one call, and only handles the values
that are usual for each field. It raises when it meets another value; then the same objects are resolved and completed
field by field (see `completion`). All resolvers of a level are called before any of them is awaited, so that loaders
batch their keys. A failed value is null until the end of the execution. Only then are the paths of the errors
determined, and nulls propagated to the nearest nullable field.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType
from graphql.execution.values import VariableValues

from app.engine.compiler.awaitables import await_concurrently, await_sequentially
from app.engine.compiler.completion import complete_value
from app.engine.compiler.field_errors import FieldError, Position, find_positions, result_with_errors
from app.engine.compiler.plan import (
    IS_SYNC_VALUE,
    Children,
    CompiledOperation,
    Field,
    Selection,
    must_be_awaited,
)
from app.engine.compiler.resolve_info import ResolveInfo

# Prefetched values are awaited in turn, without tasks, up to this number. Above it they are awaited concurrently,
# because a loader that does need a statement must get all of its keys in one batch.
MAX_SEQUENTIAL_AWAITS = 5


class _PendingValues(NamedTuple):
    """Values of which some must be awaited, and the function that takes their results. `field`: their common field."""

    on_results: Callable[[list[Any]], None]
    values: list[Any]
    field: Field | None = None


class OperationExecution:
    """One execution of a compiled operation."""

    def __init__(self, compiled: CompiledOperation, context: Any, variables: VariableValues) -> None:
        self.compiled, self.context, self.variables = compiled, context, variables
        self.data: dict[str, Any] = {}
        self.errors: list[FieldError] = []
        self._pending: list[_PendingValues] = []
        self._prefetching_fields: set[Field] = set()
        self._arguments: dict[Field, Mapping[str, Any] | GraphQLError] = {}

    async def execute(self, root_value: Any = None) -> ExecutionResult:
        """Execute the operation. Errors of resolvers are part of the result."""
        root = self.compiled.root
        self._request_prefetches()
        (self.data,) = root.build_results([root_value])
        if self.compiled.is_serial:
            await self._execute_serially(root)
        else:
            root.resolve_fields(self, [root_value], [self.data])
            await self._await_pending()
        if self.errors:
            return result_with_errors(self.compiled, self.data, self.errors)
        return ExecutionResult(self.data, None)

    async def execute_events(self, events: Sequence[Any]) -> list[dict[str, Any]] | None:
        """Execute a subscription for each event and return their data, or None if there is an error.

        A resolver that asks for its path fails here, because the results have no common root.
        """
        self._request_prefetches()
        results = self.compiled.root.build_results(events)
        self.compiled.root.resolve_fields(self, events, results)
        await self._await_pending()
        return None if self.errors else results

    async def _execute_serially(self, root: Selection) -> None:
        """Execute root fields one after another, until an error sets all data to null."""
        for field in root.fields:
            self.resolve_field(field, [None], [self.data])
            await self._await_pending()
            if any(self._position_of_error(error).null_path is None for error in self.errors):
                break

    def resolve_field(self, field: Field, sources: Sequence[Any], results: list[dict[str, Any]]) -> None:
        """Resolve a field of these objects. Values that must be awaited are completed at the end of the level."""
        values: list[Any] = []
        resolve = field.resolve
        try:
            arguments = self._arguments_of(field)
        except GraphQLError as error:
            values = [error] * len(results)
        else:
            for source, result in zip(sources, results, strict=True):
                try:
                    info = ResolveInfo(self, field, result) if field.needs_info else None
                    values.append(resolve(source, info, arguments))
                except Exception as error:
                    values.append(error)
        if any(map(must_be_awaited, values)):
            self._pending.append(
                _PendingValues(lambda values: self.complete_values(field, results, values), values, field)
            )
        else:
            self.complete_values(field, results, values)

    def complete_values(self, field: Field, results: list[dict[str, Any]], values: list[Any]) -> None:
        """Put the values of a field into the results, and execute the objects among them."""
        children: Children = {}
        for result, value in zip(results, values, strict=True):
            if not self._complete_expected_value(field, result, value, children):
                complete_value(self, field, result, value, children)
        self.execute_children(children)

    def _complete_expected_value(self, field: Field, result: dict[str, Any], value: Any, children: Children) -> bool:
        """Complete a value of an expected kind and return True. Return False for any other; it needs the slow path.

        Expected are a scalar that is valid output, an object of the declared type, and a list of such objects without
        nulls.
        """
        selection = field.object_selection
        if selection is None:
            if field.is_valid_output is None or not field.is_valid_output(value):
                return False
            result[field.key] = value
            return True
        objects = value if field.is_list else [value]
        if objects.__class__ is not list or not self._are_objects(selection.type, field, result, objects):
            return False
        sources, targets = children.setdefault(selection, ([], []))
        sources.extend(objects)
        if field.is_list:
            items: list[Any] = [None] * len(objects)
            result[field.key] = items
            targets.append((items, slice(len(objects))))
        else:
            result[field.key] = None
            targets.append((result, field.key))
        return True

    def _are_objects(self, type_: GraphQLObjectType, field: Field, result: dict[str, Any], objects: list[Any]) -> bool:
        """Return whether all are objects of this type: not null, not an error, and not awaitable."""
        classes = set(map(type, objects))
        if field.row_classes:
            return all(issubclass(cls, field.row_classes) for cls in classes)
        return all(IS_SYNC_VALUE[cls] for cls in classes) and self._pass_type_check(type_, field, result, objects)

    def _pass_type_check(
        self, type_: GraphQLObjectType, field: Field, result: dict[str, Any], objects: list[Any]
    ) -> bool:
        """Return whether `is_type_of` is true for all objects, without awaiting anything."""
        is_type_of = type_.is_type_of
        if is_type_of is None:
            return True
        info: Any = ResolveInfo(self, field, result)
        try:
            return not iscoroutinefunction(is_type_of) and all(is_type_of(obj, info) is True for obj in objects)
        except Exception:  # the slow path calls it again and reports the error
            return False

    def execute_children(self, children: Children) -> None:
        """Build the results of these objects, put them where they belong, and resolve their other fields."""
        for selection, (sources, targets) in children.items():
            try:
                results = selection.build_results(sources)
            except Exception:  # UnexpectedValue, or an error of an attribute: the slow path finds the field
                self._slow_path(selection, sources, targets)
            else:
                _put_results(targets, results)
                selection.resolve_fields(self, sources, results)

    def _slow_path(self, selection: Selection, sources: list[Any], targets: list[tuple[Any, Any]]) -> None:
        """Resolve all fields of these objects by calls, because generated code raised for one of them."""
        results: list[dict[str, Any]] = [{field.key: None for field in selection.fields} for _ in sources]
        _put_results(targets, results)
        for field in selection.fields:
            self.resolve_field(field, sources, results)

    def when_ready(self, awaitable: Awaitable[Any], on_result: Callable[[Any], None]) -> None:
        """Call back with the result of an awaitable, or with the exception that it raised, at the end of the level."""
        self._pending.append(_PendingValues(lambda results: on_result(results[0]), [awaitable]))

    async def _await_pending(self) -> None:
        """Await the values of a level and complete them, level by level until none is left."""
        while self._pending:
            level, self._pending = self._pending, []
            awaitables = [value for pending in level for value in pending.values if must_be_awaited(value)]
            # A single value needs no task.
            is_sequential = len(awaitables) == 1 or (
                len(awaitables) <= MAX_SEQUENTIAL_AWAITS
                and all(self._is_prefetched(pending.field) for pending in level)
            )
            awaited = iter(await (await_sequentially if is_sequential else await_concurrently)(awaitables))
            for pending in level:
                pending.on_results([next(awaited) if must_be_awaited(value) else value for value in pending.values])

    def report_error(
        self, parent_result: dict[str, Any], field: Field, indices: tuple[int, ...], error: Exception
    ) -> None:
        """Record an error of a field, or of the item at these indices of its list."""
        self.errors.append(FieldError(parent_result, field, indices, error))

    def path_of(self, parent_result: dict[str, Any]) -> tuple[str | int, ...]:
        """Return the response path of a result."""
        return self._position_of(parent_result).path

    def _position_of(self, result: dict[str, Any]) -> Position:
        return find_positions(self.compiled, self.data, [result])[id(result)]

    def _position_of_error(self, error: FieldError) -> Position:
        return self._position_of(error.parent_result).child(error.field, error.indices)

    def _arguments_of(self, field: Field) -> Mapping[str, Any]:
        """Return the coerced arguments, the same for all objects. Raises GraphQLError."""
        arguments = self._arguments.get(field)
        if arguments is None:
            try:
                arguments = field.coerce_arguments(self.variables)
            except GraphQLError as error:
                arguments = error
            self._arguments[field] = arguments
        if isinstance(arguments, GraphQLError):
            raise arguments
        return arguments

    def _request_prefetches(self) -> None:
        """Tell the context which prefetches the operation requests, by the type that the fields belong to."""
        requested: dict[str, list[Any]] = {}
        for field in self.compiled.prefetching:
            assert field.prefetch is not None
            with suppress(Exception):  # wrong arguments: the resolver raises the same error where it can be reported
                prefetch = field.prefetch(self._arguments_of(field))
                if prefetch is not None:
                    requested.setdefault(field.parent.name, []).append(prefetch)
                    self._prefetching_fields.add(field)
        if requested:  # replaces those of an earlier operation with this context: their columns have the same names
            self.context.prefetches = requested

    def _is_prefetched(self, field: Field | None) -> bool:
        return field in self._prefetching_fields and field.parent.name in self.context.prefetched


def _put_results(targets: list[tuple[Any, Any]], results: list[dict[str, Any]]) -> None:
    """Put results into their targets, in order."""
    index = 0
    for container, key in targets:
        if key.__class__ is slice:
            end = index + key.stop
            container[:] = results[index:end]
            index = end
        else:
            container[key] = results[index]
            index += 1
