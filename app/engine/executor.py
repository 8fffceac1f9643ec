"""Runs operations of documents, each with a context of its own: by its plan, or by graphql-core where it has none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationType, execute, subscribe
from prometheus_client import Counter

from app.core.deadline import Deadline, Delay
from app.core.errors import Unavailable
from app.db.session import OneStatementReader
from app.engine.compiler.compiler import Plan
from app.engine.document import Document, Operation
from app.graphql.context import Context
from app.graphql.error_masking import presentable, presentable_cause
from app.graphql.viewer import Viewer
from app.resources import Resources

RUN = Counter("dealmark_operations_run_total", "Operations by what ran them: plan, interpreter", ["by"])
BY_PLAN, BY_INTERPRETER = RUN.labels("plan"), RUN.labels("interpreter")


class DeadlineExceeded(Unavailable):
    """The operation took longer than it may."""

    code = "DEADLINE_EXCEEDED"


class Executor:
    """What an API process runs operations with."""

    def __init__(self, resources: Resources, schema: GraphQLSchema) -> None:
        self.resources = resources
        self.schema = schema
        self.patience = Delay(resources.settings.request_seconds)

    async def run(
        self,
        document: Document,
        operation: Operation,
        variables: Mapping[str, Any],
        viewer: Viewer,
        extensions: Mapping[str, Any] | None = None,
    ) -> Ran:
        """A query or mutation. Raises Unavailable when the database does not answer, or not in time."""
        result, versions = await self._once(document, operation, variables, viewer)
        _raise_unavailable(result)
        return Ran(encode(result, extensions), not is_request_error(result), not result.errors, versions)

    async def stream(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Any operation, as a stream of results; a query or mutation gives one. What is raised is the last result."""
        try:
            if operation.kind is OperationType.SUBSCRIPTION:
                events = self._events(document, operation, variables, viewer)
                async with aclosing(events):
                    async for result in events:
                        yield _presented(result)
            else:
                yield (await self._once(document, operation, variables, viewer))[0]
        except Exception as error:
            known = presentable_cause(error)
            yield ExecutionResult(None, [GraphQLError(known.message, extensions={"code": known.code})])

    async def _once(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> tuple[ExecutionResult, Mapping[str, int]]:
        """The result of a query or mutation, and for a query the versions of the snapshot that it is made of."""
        versions: Mapping[str, int] = {}
        queries = operation.kind is OperationType.QUERY
        try:
            (BY_PLAN if isinstance(operation.plan, Plan) else BY_INTERPRETER).inc()
            with Deadline(self.patience):
                if queries and operation.pace.one_statement:
                    found = await self._in_one_statement(document, operation, variables, viewer)
                    if found is not None:
                        return found
                async with Context(self.resources, viewer) as context:
                    if queries:
                        versions = await _versions(context)
                    result = await execute_operation(self.schema, document, operation, variables, context)
                    if (reader := context.reader) is not None:
                        # The versions can come along; but not for a resolver that wants them before the statement.
                        operation.pace.ran(reader.statements == 1 and reader.versions_asked == 1)
                    return result, versions
        except TimeoutError:
            raise DeadlineExceeded(
                f"The answer was not ready within {self.patience.seconds:g} s; ask for less."
            ) from None
        except Exception as error:
            raise presentable_cause(error) from None

    async def _in_one_statement(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> tuple[ExecutionResult, Mapping[str, int]] | None:
        """The same without a transaction; None when that does not do, and all of it is to be done with one.

        An answer with errors is not kept, so it needs no versions.
        """
        async with Context(self.resources, viewer, one_statement=True) as context:
            result = await _executed(self.schema, document, operation, variables, context)
            reader = context.reader
            assert reader is None or isinstance(reader, OneStatementReader)
            if reader is None or not reader.again:
                if result.errors:
                    return _presented(result), {}
                if reader is not None and reader.statements:
                    return result, await reader.versions()
        if reader is None or not reader.empty:  # another time there may be rows
            operation.pace.failed()
        return None

    async def _events(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], viewer: Viewer
    ) -> AsyncGenerator[ExecutionResult, None]:
        async with Context(self.resources, viewer, operation.columns) as context:
            source: Any = subscribe(
                self.schema,
                document.ast,
                context_value=context,
                variable_values=dict(variables),
                operation_name=operation.name,
            )
            if isawaitable(source):
                source = await source
            if isinstance(source, ExecutionResult):
                yield source
                return
            async with aclosing(source):
                async for result in source:
                    # Each is of a snapshot of its own, which nobody holds while the result is sent.
                    await context.close()
                    yield result


async def execute_operation(
    schema: GraphQLSchema, document: Document, operation: Operation, variables: Mapping[str, Any], context: Context
) -> ExecutionResult:
    """The result of a query or mutation, its errors such as a client may see."""
    return _presented(await _executed(schema, document, operation, variables, context))


async def _executed(
    schema: GraphQLSchema, document: Document, operation: Operation, variables: Mapping[str, Any], context: Context
) -> ExecutionResult:
    context.columns = operation.columns
    plan = operation.plan
    if isinstance(plan, Plan):
        return await plan.execute(context, variables)
    result = execute(
        schema,
        document.ast,
        context_value=context,
        variable_values=dict(variables),
        operation_name=operation.name,
    )
    return await result if isawaitable(result) else result


async def _versions(context: Context) -> Mapping[str, int]:
    """The data versions of the request's snapshot, which begins here."""
    async with context.read() as session:
        return await session.versions()


def encode(result: ExecutionResult, extensions: Mapping[str, Any] | None = None) -> bytes:
    """The response as JSON. A request error has no `data`."""
    response: dict[str, Any] = {}
    if result.errors:
        response["errors"] = [error.formatted for error in result.errors]
    if not is_request_error(result):
        response["data"] = result.data
    if extensions:
        response["extensions"] = extensions
    return orjson.dumps(response)


def is_request_error(result: ExecutionResult) -> bool:
    """Whether the operation never began: a variable is wrong, say."""
    return result.data is None and bool(result.errors) and all(e.path is None for e in result.errors or ())


def _presented(result: ExecutionResult) -> ExecutionResult:
    result.errors = presentable(result.errors)
    return result


def _raise_unavailable(result: ExecutionResult) -> None:
    """A database that is away is no field's error: it is the answer's, and another try may help."""
    for error in result.errors or ():
        if (error.extensions or {}).get("code") == Unavailable.code:
            raise Unavailable(error.message)


class Ran(NamedTuple):
    """What running an operation gave.

    `began` is False when a variable was wrong, say; `clean`: without errors. `versions` are those of the snapshot that
    it was made from.
    """

    body: bytes
    began: bool
    clean: bool
    versions: Mapping[str, int]
