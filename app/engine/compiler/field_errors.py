"""Errors of an execution: where in the answer they are, and the nulls that they leave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, is_non_null_type, located_error

from app.engine.compiler.plan import Field, Frame, Selection, nullable

Indices = tuple[int, ...]


class Fault(NamedTuple):
    """An error at `key` of the result `holder`, or within the lists there."""

    holder: dict[str, Any]
    field: Field
    indices: Indices
    error: Exception


class Position(NamedTuple):
    """A path in the answer, and for each of its steps whether null may stand there."""

    path: tuple[str | int, ...]
    nullable: tuple[bool, ...]

    def of(self, field: Field, indices: Indices) -> Position:
        """Of a field, or an item in its lists, of the result at this position."""
        type_: Any = field.type
        may_be_null = [not is_non_null_type(type_)]
        for _ in indices:
            type_ = nullable(type_).of_type
            may_be_null.append(not is_non_null_type(type_))
        return Position((*self.path, field.key, *indices), (*self.nullable, *may_be_null))

    @property
    def nulled(self) -> tuple[str | int, ...] | None:
        """Path of the null that an error here leaves: here, or further up where null is allowed; None: of all."""
        for steps in range(len(self.path), 0, -1):
            if self.nullable[steps - 1]:
                return self.path[:steps]
        return None


ROOT = Position((), ())


def positions(frame: Frame, data: dict[str, Any], holders: Iterable[dict[str, Any]]) -> dict[int, Position]:
    """Positions by the identity of results: found by going through the answer."""
    wanted = {id(holder) for holder in holders}
    found: dict[int, Position] = {}
    stack: list[tuple[Any, Position, list[Selection]]] = [(data, ROOT, [frame.root])]
    while stack and len(found) < len(wanted):
        result, position, selections = stack.pop()
        if id(result) in wanted:
            found[id(result)] = position
        for key, value in result.items():
            # Of whatever type the result is: fields of one key have the same nullability in all types.
            fields = [each for selection in selections for each in selection.fields if each.key == key]
            below = [each for field in fields for each in field.selections.values()]
            if below:
                stack.extend((r, position.of(fields[0], indices), below) for indices, r in _results(value, ()))
    return found


def with_errors(frame: Frame, data: Any, faults: list[Fault]) -> ExecutionResult:
    """The errors, located, and the nulls that they leave. What lies under such a null reports nothing more."""
    errors: list[GraphQLError] = []
    nulled: set[tuple[str | int, ...]] = set()
    places = positions(frame, data, (fault.holder for fault in faults))
    for fault in faults:
        position = places[id(fault.holder)].of(fault.field, fault.indices)
        null = position.nulled or ()
        if any(null[:steps] in nulled for steps in range(len(null) + 1)):
            continue
        nulled.add(null)
        errors.append(located_error(fault.error, fault.field.nodes, list(position.path)))
        data = _without(data, null)
    return ExecutionResult(data, errors)


def _results(value: Any, indices: Indices) -> Iterable[tuple[Indices, dict[str, Any]]]:
    """The results in a value, with their indices in the lists of it."""
    if isinstance(value, dict):
        yield indices, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _results(item, (*indices, index))


def _without(data: Any, path: tuple[str | int, ...]) -> Any:
    """The answer with null at this path."""
    if not path:
        return None
    container = data
    for key in path[:-1]:
        container = container[key]
    container[path[-1]] = None
    return data
