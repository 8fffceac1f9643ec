"""What resolvers are told of their call, when a plan calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from graphql.pyutils import Path, is_awaitable
from graphql.type.definition import GraphQLResolveInfoHelpers

from app.engine.compiler.plan import Execution, Field


class Info:
    """What a resolver is told of its call; the same attributes as graphql-core's, the path found when asked for."""

    __slots__ = ("_field", "_holder", "_run")

    abort_signal = None
    root_value = None
    is_awaitable = staticmethod(is_awaitable)

    def __init__(self, run: Execution, field: Field, holder: dict[str, Any]) -> None:
        self._run, self._field, self._holder = run, field, holder

    field_name = property(lambda self: self._field.nodes[0].name.value)
    field_nodes = property(lambda self: self._field.nodes)
    return_type = property(lambda self: self._field.type)
    parent_type = property(lambda self: self._field.parent)
    schema = property(lambda self: self._run.frame.schema)
    fragments = property(lambda self: self._run.frame.fragments)
    operation = property(lambda self: self._run.frame.operation)
    variable_values = property(lambda self: self._run.variables)
    context = property(lambda self: self._run.context)

    @property
    def path(self) -> Path:
        """From the root of the answer."""
        path: Path | None = None
        for key in self._run.path_of(self._holder):
            path = Path(path, key, None)
        return Path(path, self._field.key, self._field.parent.name)

    @property
    def async_helpers(self) -> GraphQLResolveInfoHelpers:
        """As much of them as resolvers of types need."""
        return GraphQLResolveInfoHelpers(_gather_all, _settle_later)


async def _gather_all(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*awaitables))


def _settle_later(values: Sequence[Any]) -> None:
    """Has awaitables that nobody waits for run to their ends."""
    tasks = [asyncio.ensure_future(value) for value in values if is_awaitable(value)]
    for task in tasks:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
