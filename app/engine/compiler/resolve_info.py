"""The resolve info that compiled operations pass to resolvers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from graphql.pyutils import Path, is_awaitable
from graphql.type.definition import GraphQLResolveInfoHelpers

from app.engine.compiler.plan import Execution, Field


class ResolveInfo:
    """Stand-in for graphql-core's GraphQLResolveInfo, with the same attributes. The path is computed on first use."""

    __slots__ = ("_execution", "_field", "_parent_result")

    abort_signal = None
    root_value = None
    is_awaitable = staticmethod(is_awaitable)

    def __init__(self, execution: Execution, field: Field, parent_result: dict[str, Any]) -> None:
        self._execution, self._field, self._parent_result = execution, field, parent_result

    field_name = property(lambda self: self._field.name)
    field_nodes = property(lambda self: self._field.nodes)
    return_type = property(lambda self: self._field.type)
    parent_type = property(lambda self: self._field.parent)
    schema = property(lambda self: self._execution.compiled.schema)
    fragments = property(lambda self: self._execution.compiled.fragments)
    operation = property(lambda self: self._execution.compiled.operation)
    variable_values = property(lambda self: self._execution.variables)
    context = property(lambda self: self._execution.context)

    @property
    def path(self) -> Path:
        """Response path from the root of the operation."""
        path: Path | None = None
        for key in self._execution.path_of(self._parent_result):
            path = Path(path, key, None)
        return Path(path, self._field.key, self._field.parent.name)

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """The helpers that `is_type_of` and `resolve_type` use."""
        return GraphQLResolveInfoHelpers(_gather, _run_in_background)


async def _gather(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*awaitables))


def _run_in_background(values: Sequence[Any]) -> None:
    """Run awaitables to their end without waiting for their results, so that none stays un-awaited."""
    tasks = [asyncio.ensure_future(value) for value in values if is_awaitable(value)]
    for task in tasks:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
