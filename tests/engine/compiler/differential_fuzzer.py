"""Differential fuzzer: compares an executor with graphql-core, one random document after another."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, OperationDefinitionNode, parse

from app.engine.compiler.compiler import NotCompilable, compile_plan
from tests.engine.compiler.document_reduction import reduce_document
from tests.engine.compiler.random_documents import Case
from tests.engine.compiler.result_comparison import find_all_errors, find_difference, reference

# Share of documents that may not be compilable. Random documents have more conditions than real ones.
MAX_NOT_COMPILABLE = 0.01
# Share of executions that graphql-core itself may fail.
MAX_REFERENCE_FAILURES = 0.005

Run = Callable[[Any, Mapping[str, Any]], Awaitable[ExecutionResult]]
Subject = Callable[[GraphQLSchema, DocumentNode, OperationDefinitionNode], Run]
# From the number of a run to a new context; equal numbers give equal contexts.
Contexts = Callable[[int], AbstractAsyncContextManager[Any]]
# From both results and their contexts to the difference in a sentence, or None.
Agreement = Callable[[ExecutionResult, Any, ExecutionResult, Any], str | None]


def plans(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
    """Return the execution of a compiled plan, the subject of most tests."""
    return compile_plan(schema, document, operation).execute


@dataclass
class Difference(Exception):
    """The subject executes a document differently from graphql-core."""

    reason: str
    case: Case
    run: int
    expected: ExecutionResult | None = None
    actual: ExecutionResult | None = None
    seed: str = ""

    def __str__(self) -> str:
        variables = json.dumps(self.case.variables[self.run % len(self.case.variables)], ensure_ascii=False)
        lines = [
            f"{self.reason} (seed {self.seed!r}, run {self.run})",
            "--- document",
            self.case.text,
            f"--- operation {self.case.operation_name!r}, variables {variables}",
        ]
        for title, result in (("graphql-core", self.expected), ("plan", self.actual)):
            if result is not None:
                lines += [f"--- {title}", json.dumps(result.data, indent=1, default=repr, ensure_ascii=False)]
                lines += [f"    {json.dumps(each.formatted, default=repr)}" for each in result.errors or ()]
        return "\n".join(lines)


def nothing_else(*_: object) -> None:
    """Compare nothing besides the results."""


@dataclass
class Fuzz:
    """Executes documents of one schema by graphql-core and by the subject."""

    schema: GraphQLSchema
    contexts: Contexts
    subject: Subject = plans
    agreement: Agreement = nothing_else
    runs: int = field(default=0, init=False)
    # Executions that graphql-core itself failed.
    reference_failures: int = field(default=0, init=False)
    # Number of documents that were not compilable, by the reason.
    not_compilable: Counter[str] = field(default_factory=Counter, init=False)

    async def check(self, case: Case, number: int) -> None:
        """Execute a case with each of its sets of variables, in new contexts. Raises Difference."""
        document = parse(case.text)
        operation = find_operation(document, case.operation_name)
        try:
            run = self.subject(self.schema, document, operation)
        except NotCompilable as reason:
            self.not_compilable[str(reason)] += 1
            return
        except Exception as error:
            raise Difference(f"cannot be compiled: {error!r}", case, number) from error
        for n, variables in enumerate(case.variables):
            await self._compare(case, document, run, number * len(case.variables) + n, variables)

    async def _compare(
        self, case: Case, document: DocumentNode, run: Run, number: int, variables: dict[str, Any]
    ) -> None:
        self.runs += 1
        name = case.operation_name
        async with self.contexts(number) as expected_context:
            expected = await self._expected(document, name, expected_context, deepcopy(variables))
        async with self.contexts(number) as actual_context:
            try:
                actual = await run(actual_context, deepcopy(variables))
            except Exception as error:
                raise Difference(f"raises {error!r}", case, number, expected) from error

        if expected is None:
            return

        async def explain() -> Any:
            async with self.contexts(number) as context:
                return await find_all_errors(self.schema, document, name, context, deepcopy(variables))

        reason = await find_difference(expected, actual, explain)
        reason = reason or self.agreement(expected, expected_context, actual, actual_context)
        if reason is not None:
            raise Difference(reason, case, number, expected, actual)

    async def _expected(
        self, document: DocumentNode, name: str | None, context: Any, variables: dict[str, Any]
    ) -> ExecutionResult | None:
        """Return the result of graphql-core, or None if it fails.

        When null propagates it cancels awaitables that other fields may await too: two fields that load the same key
        await the same future of the loader.
        """
        try:
            return await reference(self.schema, document, name, context, variables)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self.reference_failures += 1
            return None

    async def minimize(self, difference: Difference) -> Difference:
        """Return a difference with the smallest document that still has one."""
        last = difference

        async def differs(text: str) -> bool:
            nonlocal last
            only = (difference.case.variables[difference.run % len(difference.case.variables)],) * len(
                difference.case.variables
            )
            try:
                await self.check(Case(text, difference.case.operation_name, only), difference.run // len(only))
            except Difference as smaller:
                last = smaller
                return True
            except Exception:  # graphql-core rejects the document, which is another problem
                return False
            return False

        await reduce_document(self.schema, difference.case.text, differs)
        return last

    async def check_all(self, cases: Callable[[str], Case], seed: str, numbers: range) -> None:
        """Check the documents of a seed with these numbers. Raises the first Difference, minimized."""
        count = len(numbers)
        for n in numbers:
            case = cases(f"{seed}:{n}")
            try:
                await self.check(case, n)
            except Difference as difference:
                smallest = await self.minimize(difference)
                smallest.seed = f"{seed}:{n}"
                raise smallest from smallest.__cause__
        assert self.reference_failures <= max(2, count * MAX_REFERENCE_FAILURES), self.reference_failures
        assert self.not_compilable.total() <= max(1, count * MAX_NOT_COMPILABLE), self.not_compilable


def find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation with this name, or the only one."""
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode) and name in {None, each.name.value if each.name else None}:
            return each
    raise LookupError(name)
