"""Execution of operations: by the compiled plan, or by graphql-core if there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationType, execute
from prometheus_client import Counter

from app.core.errors import AppError, DeadlineExceeded, OutcomeUnknown, Unavailable
from app.db.session import SingleStatementReader
from app.engine.compiler.compiler import Plan
from app.engine.document import Document, Operation
from app.graphql.context import Context
from app.graphql.error_masking import mask_errors, to_client_error
from app.graphql.viewer import Viewer
from app.resources import Resources

OPERATIONS = Counter("dealmark_operations_total", "Executed operations, by executor: plan, interpreter", ["executor"])
COMPILED_OPERATIONS, INTERPRETED_OPERATIONS = OPERATIONS.labels("plan"), OPERATIONS.labels("interpreter")


class ExecutionOutcome(NamedTuple):
    """The encoded response of an operation.

    `executed`: execution began; False for a request error, such as an invalid variable. `versions`: the data versions
    of the snapshot that the response was made from; empty for a mutation.
    """

    body: bytes
    executed: bool
    has_no_errors: bool
    versions: Mapping[str, int]


class Executor:
    """Executes operations, each with a context of its own."""

    def __init__(self, resources: Resources, schema: GraphQLSchema) -> None:
        self.resources = resources
        self.schema = schema
        self.timeout_seconds = resources.settings.request_timeout_seconds

    async def run(
        self,
        document: Document,
        operation: Operation,
        variables: Mapping[str, Any],
        viewer: Viewer,
        extensions: Mapping[str, Any] | None = None,
    ) -> ExecutionOutcome:
        """Execute a query or mutation. Raises Unavailable if the database fails, DeadlineExceeded after the timeout."""
        result, versions = await self.execute(document, operation, variables, viewer)
        _raise_unavailable(result)
        body = encode_response(result, extensions)
        return ExecutionOutcome(body, not is_request_error(result), not result.errors, versions)

    async def execute(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> tuple[ExecutionResult, Mapping[str, int]]:
        """Return the result of a query or mutation, and the data versions that a query has read. Raises AppError."""
        if operation.kind is OperationType.QUERY:
            return await self._query(document, operation, variables, viewer)
        return await self._mutate(document, operation, variables, viewer), {}

    async def _query(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> tuple[ExecutionResult, Mapping[str, int]]:
        outcome: tuple[ExecutionResult, Mapping[str, int]] | None = None
        try:
            _count_execution(operation)
            async with asyncio.timeout(self.timeout_seconds):
                if operation.snapshot_heuristic.expects_single_statement:
                    outcome = await self._query_with_single_statement(document, operation, variables, viewer)
                if outcome is None:
                    outcome = await self._query_in_snapshot(document, operation, variables, viewer)
        except TimeoutError:
            raise self._deadline_exceeded() from None
        except Exception as error:
            raise to_client_error(error) from None
        # No later response may be older than this one, even if the notification of its data is late or lost.
        self.resources.notifications.apply_versions(outcome[1])
        return outcome

    async def _mutate(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> ExecutionResult:
        """Execute a mutation.

        After a commit that may have succeeded, errors that promise that nothing was changed become OutcomeUnknown.
        """
        context = Context(self.resources, viewer)
        try:
            _count_execution(operation)
            async with asyncio.timeout(self.timeout_seconds), context:
                result = await execute_operation(self.schema, document, operation, variables, context)
        except Exception as error:
            raise self._mutation_error(error, context.may_have_changed_data) from None
        return _with_outcome_unknown(result) if context.may_have_changed_data else result

    def _mutation_error(self, error: Exception, may_have_changed_data: bool) -> AppError:
        client_error = self._deadline_exceeded() if isinstance(error, TimeoutError) else to_client_error(error)
        return OutcomeUnknown() if may_have_changed_data and isinstance(client_error, Unavailable) else client_error

    def _deadline_exceeded(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"The operation did not finish within {self.timeout_seconds:g} s; request less data.")

    async def _query_in_snapshot(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> tuple[ExecutionResult, Mapping[str, int]]:
        """Execute a query in a transaction, and record whether a single statement would have been enough."""
        async with Context(self.resources, viewer) as context:
            async with context.read() as session:
                versions = await session.versions()
            result = await execute_operation(self.schema, document, operation, variables, context)
            if (reader := context.reader) is not None:
                # A second request for versions was made by a resolver, perhaps before the statement that returns them.
                needed_one_statement = reader.statement_count == 1 and reader.version_requests == 1
                operation.snapshot_heuristic.record_run(needed_one_statement)
            return result, versions

    async def _query_with_single_statement(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> tuple[ExecutionResult, Mapping[str, int]] | None:
        """Execute a query without a transaction (see app/graphql/prefetch.py); None if it needs a snapshot after all.

        A result with errors is not cached, so it needs no versions.
        """
        async with Context(self.resources, viewer, single_statement=True) as context:
            result = await _execute_unmasked(self.schema, document, operation, variables, context)
            reader = context.reader
            assert reader is None or isinstance(reader, SingleStatementReader)
            if reader is None or not reader.needs_snapshot:
                if result.errors:
                    return _mask_errors(result), {}
                if reader is not None and reader.statement_count:
                    return result, await reader.versions()
        if reader is None or not reader.returned_no_rows:  # the versions are columns of the rows
            operation.snapshot_heuristic.record_failure()
        return None


async def execute_operation(
    schema: GraphQLSchema,
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    context: Context,
    root_value: Any = None,
) -> ExecutionResult:
    """Execute an operation in this context. Errors in the result are masked for the client.

    `root_value`: the event, for a subscription.
    """
    return _mask_errors(await _execute_unmasked(schema, document, operation, variables, context, root_value))


async def _execute_unmasked(
    schema: GraphQLSchema,
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    context: Context,
    root_value: Any = None,
) -> ExecutionResult:
    context.columns = operation.columns
    plan = operation.plan
    if isinstance(plan, Plan):
        return await plan.execute(context, variables, root_value)
    result = execute(
        schema,
        document.ast,
        root_value,
        context_value=context,
        variable_values=dict(variables),
        operation_name=operation.name,
    )
    return await result if isawaitable(result) else result


def encode_response(result: ExecutionResult, extensions: Mapping[str, Any] | None = None) -> bytes:
    """Encode the response as JSON. A request error has no `data`."""
    response: dict[str, Any] = {}
    if result.errors:
        response["errors"] = [error.formatted for error in result.errors]
    if not is_request_error(result):
        response["data"] = result.data
    if extensions:
        response["extensions"] = extensions
    return orjson.dumps(response)


def is_request_error(result: ExecutionResult) -> bool:
    """Return whether execution did not begin, for example because a variable is invalid."""
    return result.data is None and bool(result.errors) and all(e.path is None for e in result.errors or ())


def _mask_errors(result: ExecutionResult) -> ExecutionResult:
    result.errors = mask_errors(result.errors)
    return result


def _count_execution(operation: Operation) -> None:
    (COMPILED_OPERATIONS if isinstance(operation.plan, Plan) else INTERPRETED_OPERATIONS).inc()


def _with_outcome_unknown(result: ExecutionResult) -> ExecutionResult:
    """Replace the errors that promise that nothing was changed."""
    outcome_unknown = OutcomeUnknown()
    errors = [
        GraphQLError(outcome_unknown.message, e.nodes, path=e.path, extensions={"code": outcome_unknown.code})
        if (e.extensions or {}).get("code") == Unavailable.code
        else e
        for e in result.errors or ()
    ]
    return ExecutionResult(result.data, errors or None)


def _raise_unavailable(result: ExecutionResult) -> None:
    """Raise Unavailable if a field failed with it: then the whole request fails, and the client can retry it."""
    for error in result.errors or ():
        code = (error.extensions or {}).get("code")
        if code in {Unavailable.code, DeadlineExceeded.code}:
            raise (Unavailable if code == Unavailable.code else DeadlineExceeded)(error.message)
