"""Field errors: their response paths, and the nulls that they leave in the data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, get_nullable_type, is_non_null_type, located_error

from app.engine.compiler.plan import CompiledOperation, Field, Selection

Indices = tuple[int, ...]


class FieldError(NamedTuple):
    """An error of a field of `parent_result`, or of the item at `indices` of its (nested) list."""

    parent_result: dict[str, Any]
    field: Field
    indices: Indices
    error: Exception


class Position(NamedTuple):
    """A response path, and for each of its steps whether null is allowed there."""

    path: tuple[str | int, ...]
    nullable: tuple[bool, ...]

    def child(self, field: Field, indices: Indices) -> Position:
        """Return the position of a field of the result here, or of an item in its list."""
        type_: Any = field.type
        nullable = [not is_non_null_type(type_)]
        for _ in indices:
            type_ = get_nullable_type(type_).of_type
            nullable.append(not is_non_null_type(type_))
        return Position((*self.path, field.key, *indices), (*self.nullable, *nullable))

    @property
    def null_path(self) -> tuple[str | int, ...] | None:
        """Path that an error here sets to null: the nearest nullable step upwards; None if all data becomes null."""
        for steps in range(len(self.path), 0, -1):
            if self.nullable[steps - 1]:
                return self.path[:steps]
        return None


ROOT = Position((), ())


def find_positions(
    compiled: CompiledOperation, data: dict[str, Any], results: Iterable[dict[str, Any]]
) -> dict[int, Position]:
    """Return the positions of these results by their `id()`. Searches the data, because results do not know them."""
    result_ids = {id(result) for result in results}
    positions: dict[int, Position] = {}
    stack: list[tuple[Any, Position, list[Selection]]] = [(data, ROOT, [compiled.root])]
    while stack and len(positions) < len(result_ids):
        result, position, selections = stack.pop()
        if id(result) in result_ids:
            positions[id(result)] = position
        for key, value in result.items():
            # The type of the result is not known here. Fields with the same key have the same nullability in all types.
            fields = [field for selection in selections for field in selection.fields if field.key == key]
            below = [selection for field in fields for selection in field.selections.values()]
            if below:
                stack.extend(
                    (nested, position.child(fields[0], indices), below) for indices, nested in _results_in(value, ())
                )
    return positions


def result_with_errors(compiled: CompiledOperation, data: Any, field_errors: list[FieldError]) -> ExecutionResult:
    """Return the located errors and the data with their nulls. An error below such a null is not reported."""
    errors: list[GraphQLError] = []
    null_paths: set[tuple[str | int, ...]] = set()
    positions = find_positions(compiled, data, (field_error.parent_result for field_error in field_errors))
    for parent_result, field, indices, error in field_errors:
        position = positions[id(parent_result)].child(field, indices)
        null_path = position.null_path or ()
        if any(null_path[:steps] in null_paths for steps in range(len(null_path) + 1)):
            continue
        null_paths.add(null_path)
        errors.append(located_error(error, field.nodes, list(position.path)))
        data = _set_null(data, null_path)
    return ExecutionResult(data, errors)


def _results_in(value: Any, indices: Indices) -> Iterable[tuple[Indices, dict[str, Any]]]:
    """Yield the results in a value, with their indices in its nested lists."""
    if isinstance(value, dict):
        yield indices, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _results_in(item, (*indices, index))


def _set_null(data: Any, path: tuple[str | int, ...]) -> Any:
    """Return the data with null at this path."""
    if not path:
        return None
    container = data
    for key in path[:-1]:
        container = container[key]
    container[path[-1]] = None
    return data
