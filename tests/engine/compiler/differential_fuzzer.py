"""Holds a way to execute documents equal to graphql-core's, document by document."""

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
from tests.engine.compiler.document_reduction import reduced
from tests.engine.compiler.random_documents import Case
from tests.engine.compiler.result_comparison import difference, everything, reference

# Share of documents that may be left to graphql-core. Random ones have more conditions than anybody would write.
MAX_REFUSED = 0.01
MAX_LOST = 0.005

Run = Callable[[Any, Mapping[str, Any]], Awaitable[ExecutionResult]]
Subject = Callable[[GraphQLSchema, DocumentNode, OperationDefinitionNode], Run]
# The number of a run to a new context; equal numbers, equal contexts.
Contexts = Callable[[int], AbstractAsyncContextManager[Any]]
# What else must agree: both results and the contexts that they were made with, to a sentence or None.
Agreement = Callable[[ExecutionResult, Any, ExecutionResult, Any], str | None]


def plans(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Run:
    """The subject of the tests: compiled plans."""
    return compile_plan(schema, document, operation).execute


@dataclass
class Difference(Exception):
    """A document that is not executed as graphql-core does."""

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


def no_more(*_: object) -> None:
    """Nothing but the results must agree."""


@dataclass
class Fuzz:
    """Documents of one schema, executed by graphql-core and by the subject."""

    schema: GraphQLSchema
    contexts: Contexts
    subject: Subject = plans
    agreement: Agreement = no_more
    runs: int = field(default=0, init=False)
    # Executions that graphql-core did not survive.
    lost: int = field(default=0, init=False)
    # Why documents were left to graphql-core, and how many.
    refused: Counter[str] = field(default_factory=Counter, init=False)

    async def check(self, case: Case, number: int) -> None:
        """Raises Difference. Each set of variables is run with a context of its own."""
        document = parse(case.text)
        operation = operation_of(document, case.operation_name)
        try:
            run = self.subject(self.schema, document, operation)
        except NotCompilable as refusal:
            self.refused[str(refusal)] += 1
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
        async with self.contexts(number) as told:
            expected = await self._expected(document, name, told, deepcopy(variables))
        async with self.contexts(number) as given:
            try:
                actual = await run(given, deepcopy(variables))
            except Exception as error:
                raise Difference(f"raises {error!r}", case, number, expected) from error

        if expected is None:
            return

        async def explain() -> Any:
            async with self.contexts(number) as context:
                return await everything(self.schema, document, name, context, deepcopy(variables))

        reason = await difference(expected, actual, explain)
        reason = reason or self.agreement(expected, told, actual, given)
        if reason is not None:
            raise Difference(reason, case, number, expected, actual)

    async def _expected(
        self, document: DocumentNode, name: str | None, context: Any, variables: dict[str, Any]
    ) -> ExecutionResult | None:
        """None when graphql-core fails: what it cancels when null propagates may be awaited by other fields, too.

        (Two fields that load one key await one future of the loader.)
        """
        try:
            return await reference(self.schema, document, name, context, variables)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self.lost += 1
            return None

    async def smallest(self, found: Difference) -> Difference:
        """The same difference with the smallest document that has one."""
        last = found

        async def differs(text: str) -> bool:
            nonlocal last
            only = (found.case.variables[found.run % len(found.case.variables)],) * len(found.case.variables)
            try:
                await self.check(Case(text, found.case.operation_name, only), found.run // len(only))
            except Difference as smaller:
                last = smaller
                return True
            except Exception:  # the reference does not take it: not what was looked for
                return False
            return False

        await reduced(self.schema, found.case.text, differs)
        return last

    async def check_all(self, cases: Callable[[str], Case], seed: str, numbers: range) -> None:
        """Checks the documents of a seed with these numbers. Raises the first Difference, made small."""
        count = len(numbers)
        for n in numbers:
            case = cases(f"{seed}:{n}")
            try:
                await self.check(case, n)
            except Difference as found:
                smallest = await self.smallest(found)
                smallest.seed = f"{seed}:{n}"
                raise smallest from smallest.__cause__
        assert self.lost <= max(2, count * MAX_LOST), self.lost
        assert self.refused.total() <= max(1, count * MAX_REFUSED), self.refused


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation of this name, or the only one."""
    for each in document.definitions:
        if isinstance(each, OperationDefinitionNode) and name in {None, each.name.value if each.name else None}:
            return each
    raise LookupError(name)
