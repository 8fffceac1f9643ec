"""Streams of results: one result per event of a subscription, and the only result of a query or mutation.

Subscribers to the same document share their results: whichever receives an event first has it executed, and the others
get the same bytes. Each subscriber reads the events at its own pace, so a slow one has at most one batch in memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Mapping, Sequence
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
from graphql import ExecutionResult, GraphQLError, OperationType
from graphql.execution import Executor as GraphQLCoreExecutor
from graphql.execution import create_source_event_stream

from app.core.errors import AppError, DeadlineExceeded, Unauthenticated
from app.core.shared_cache import SharedCache
from app.core.turns import Turns
from app.engine.compiler.compiler import Plan
from app.engine.document import Document, Operation
from app.engine.executor import (
    COMPILED_OPERATIONS,
    INTERPRETED_OPERATIONS,
    Executor,
    encode_response,
    execute_operation,
    is_request_error,
)
from app.graphql.context import Context
from app.graphql.error_masking import mask_errors, to_client_error
from app.graphql.event_batch import EventBatch
from app.graphql.viewer import Viewer

# What a subscriber does in one turn: it sends the results of this many events at most, about 1 ms of work.
MAX_EVENTS_PER_TURN = 25
MAX_CONCURRENT_EXECUTIONS = 2
MAX_SHARED_BYTES = 8 * 1024 * 1024
# Estimated memory of a shared result in addition to its body: its key with the event, and the Python objects.
RESULT_OVERHEAD_BYTES = 1_500
# Maximum age, in seconds, of a shared result of a document that depends on the current time.
TIME_DEPENDENT_SECONDS = 60.0


class StreamResult(NamedTuple):
    """One encoded result.

    `request_errors`: the errors, if execution did not begin. `is_shareable`: there are no errors at all.
    """

    body: bytes
    request_errors: Sequence[GraphQLError] = ()
    is_shareable: bool = False


class SubscriptionRequest(NamedTuple):
    """What a client subscribes to."""

    document: Document
    operation: Operation
    variables: Mapping[str, Any]
    viewer: Viewer


class OperationStreams:
    """Streams the results of operations."""

    def __init__(self, executor: Executor) -> None:
        self.executor, self.schema, self.resources = executor, executor.schema, executor.resources
        self.shared: SharedCache[Hashable, StreamResult] = SharedCache(
            MAX_SHARED_BYTES,
            lambda result: len(result.body) + RESULT_OVERHEAD_BYTES if result.is_shareable else None,
        )
        self.turns = Turns()
        self._executions = asyncio.Semaphore(MAX_CONCURRENT_EXECUTIONS)

    async def stream(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> AsyncGenerator[Sequence[StreamResult], None]:
        """Yield the results of an operation, several at a time if several events are ready.

        An exception becomes the last result. The caller has its turn when it receives a batch of a subscription.
        """
        try:
            if operation.kind is OperationType.SUBSCRIPTION:
                subscription = SubscriptionRequest(document, operation, variables, viewer)
                async for batch in _until_expiry(self._subscribe(subscription), viewer.expires_at):
                    yield batch
            else:
                result, _ = await self.executor.execute(document, operation, variables, viewer)
                yield [_encode(result)]
        except Exception as error:
            # No variable holds the error: with its traceback, it would keep this frame until a garbage collection.
            yield [_failure(to_client_error(error))]

    async def _subscribe(self, request: SubscriptionRequest) -> AsyncGenerator[Sequence[StreamResult], None]:
        # A batch may cost as much as one request.
        cost = request.operation.cost(request.variables)
        batch_size = max(1, min(MAX_EVENTS_PER_TURN, self.resources.settings.cost_limit // max(1, cost)))
        scope = _sharing_scope(request)
        async with Context(self.resources, request.viewer) as context:
            events = await self._source(request, context)
            if isinstance(events, ExecutionResult):
                yield [_encode(events)]
                return
            async with aclosing(events):
                async for event in events:
                    ready = event if isinstance(event, EventBatch) else [event]
                    for start in range(0, len(ready), batch_size):
                        yield await self._results(request, scope, ready[start : start + batch_size])

    async def _source(self, request: SubscriptionRequest, context: Context) -> Any:
        """Return the events that the resolver of the root field yields, or a result with errors."""
        executor = GraphQLCoreExecutor.build(
            self.schema,
            request.document.ast,
            context_value=context,
            raw_variable_values=dict(request.variables),
            operation_name=request.operation.name,
        )
        if isinstance(executor, list):
            return ExecutionResult(None, mask_errors(executor))
        events = create_source_event_stream(executor)
        if isawaitable(events):
            events = await events
        if isinstance(events, ExecutionResult):
            events.errors = mask_errors(events.errors)
        return events

    async def _results(
        self, request: SubscriptionRequest, scope: bytes, events: Sequence[Any]
    ) -> Sequence[StreamResult]:
        """Return the results for these events, in a turn of the subscriber."""

        async def execute(indices: list[int]) -> list[StreamResult]:
            return await self._execute(request, [events[index] for index in indices])

        await self.turns.next()
        versions = self.resources.notifications.current_versions()
        keys = None if versions is None else _sharing_keys(request.document, scope, versions, events)
        if keys is None:
            results = await execute(list(range(len(events))))
        else:
            shared = self.shared.get_all(keys)
            if shared is not None:
                return shared
            results = await self.shared.get_or_compute(keys, execute)
        await self.turns.next()
        return results

    async def _execute(self, request: SubscriptionRequest, events: Sequence[Any]) -> list[StreamResult]:
        """Execute the operation for these events. Raises DeadlineExceeded."""
        _, operation, variables, viewer = request
        timeout = self.executor.timeout_seconds
        async with self._executions:
            try:
                async with asyncio.timeout(timeout):
                    if isinstance(operation.plan, Plan):
                        async with Context(self.resources, viewer, operation.columns) as context:
                            data = await operation.plan.execute_events(context, variables, events)
                            await self._apply_versions(context)
                        if data is not None:
                            COMPILED_OPERATIONS.inc(len(data))
                            return [StreamResult(orjson.dumps({"data": each}), is_shareable=True) for each in data]
                    return [await self._execute_one(request, event) for event in events]
            except TimeoutError:
                raise DeadlineExceeded(f"An event took longer than {timeout:g} s; request less data.") from None

    async def _execute_one(self, request: SubscriptionRequest, event: Any) -> StreamResult:
        """Execute the operation for one event, with a context of its own."""
        document, operation, variables, viewer = request
        (COMPILED_OPERATIONS if isinstance(operation.plan, Plan) else INTERPRETED_OPERATIONS).inc()
        async with Context(self.resources, viewer) as context:
            result = await execute_operation(self.schema, document, operation, variables, context, event)
            await self._apply_versions(context)
            return _encode(result)

    async def _apply_versions(self, context: Context) -> None:
        """Report the versions of the snapshot, if there was one: no later response may be older than these results."""
        if context.reader is not None:
            async with context.read() as session:
                self.resources.notifications.apply_versions(await session.versions())


async def _until_expiry(
    batches: AsyncGenerator[Sequence[StreamResult], None], expires_at: float | None
) -> AsyncIterator[Sequence[StreamResult]]:
    """Yield the batches until this time, in seconds since the epoch. Raises Unauthenticated then.

    The remaining time is measured once, so that a clock that is set back later does not prolong it.
    """
    deadline = None if expires_at is None else asyncio.get_running_loop().time() + expires_at - time.time()
    async with aclosing(batches):
        while True:
            try:
                async with asyncio.timeout_at(deadline) as expiry:
                    batch = await anext(batches, None)
            except TimeoutError:
                if not expiry.expired():
                    raise
                raise Unauthenticated("The token has expired: subscribe again with a new one.") from None
            if batch is None:
                return
            yield batch


def _sharing_scope(request: SubscriptionRequest) -> bytes:
    """Return what the results for an event depend on besides the event and the data.

    Bytes, because they compute their hash only once.
    """
    document, operation, variables, viewer = request
    values = {name: variables[name] for name in operation.event_variables if name in variables}
    audience = None if document.public else [viewer.subject, viewer.role]
    return orjson.dumps([document.content_id, operation.name, values, audience], option=orjson.OPT_SORT_KEYS)


def _sharing_keys(
    document: Document, scope: bytes, versions: Mapping[str, int], events: Sequence[Any]
) -> list[Hashable] | None:
    """Return the keys of shared results, or None if an event cannot be compared with those of other subscribers."""
    try:
        for event in events:
            hash(event)
    except TypeError:
        return None
    data_versions = [versions.get(domain, 0) for domain in sorted(document.domains)]
    period = time.monotonic() // TIME_DEPENDENT_SECONDS if document.time_dependent else None
    state = scope + orjson.dumps([data_versions, period])
    return [(state, event) for event in events]


def _failure(error: AppError) -> StreamResult:
    return _encode(ExecutionResult(None, [GraphQLError(error.message, extensions={"code": error.code})]))


def _encode(result: ExecutionResult) -> StreamResult:
    """Encode a result, whose errors are masked."""
    request_errors = result.errors or () if is_request_error(result) else ()
    return StreamResult(encode_response(result), request_errors, not result.errors)
