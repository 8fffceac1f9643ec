"""Prefetch and single-statement mode: answer a query with one SQL statement instead of a snapshot of several.

A query is normally executed in a snapshot: a transaction with a statement for the data versions, and one for every
batch of a loader. The detail of one object, the most frequent query, then waits for several round trips one after
another. Two steps reduce them to one:

1. **Prefetch.** The resolver of a field such as `CPU.listings` loads rows by the id of its object. Its metadata has,
   under `PREFETCH`, a function from the field's arguments to a `Prefetch`: a subquery that returns the same rows as a
   column of the object's row. When an operation starts, the runtime (app/engine/compiler/runtime.py) puts the
   prefetches that it requests into `Context.prefetches`. The loader of the objects selects their columns in its own
   statement and populates the other loaders with them. The resolver is not involved: its loader has the value already.

2. **Single-statement mode.** A statement is a snapshot of its own. When an operation has needed only one statement in
   its last executions (`SnapshotHeuristic`), the executor runs it with a `SingleStatementReader` (app/db/session.py),
   which opens no transaction and selects the data versions in the same statement. If the operation needs a second
   statement after all, the reader raises SnapshotRequired and sets `needs_snapshot`. The executor then discards the
   result and executes the operation again, in a snapshot.

Both only save time: without them the response is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# Key of a field's metadata: a function from the field's arguments to a Prefetch, or to None if there is none for them.
PREFETCH = "prefetch"

# For more rows, subqueries per row cost more than a statement for all of them.
MAX_PREFETCH_ROWS = 5


class Prefetch(Protocol):
    """Values that a loader will be asked for, one per row of a type, as a column of the statement for these rows.

    `values`: the parameters of the column, by name. The methods take the Context of the request.
    """

    values: Mapping[str, Any]

    def column(self, context: Any) -> Any:
        """Return the column expression, which refers to the table of the rows.

        Equal prefetches must return the same object: compiled statements are cached by their columns.
        """

    def populate(self, context: Any, row: Any) -> None:
        """Prime the loader with the value in a row."""


class PrefetchContext(Protocol):
    """The attributes of Context that prefetches use.

    `prefetches`: those that the operation requests, by GraphQL type. `prefetched`: types whose rows were read together
    with their prefetches.
    """

    prefetches: dict[str, list[Prefetch]]
    prefetched: set[str]


def requested_prefetches(context: PrefetchContext, type_name: str, row_count: int) -> list[Prefetch]:
    """Return the prefetches for the rows of a GraphQL type; none if there are too many rows."""
    return context.prefetches.get(type_name, []) if row_count <= MAX_PREFETCH_ROWS else []


def add_prefetch_values(values: dict[str, Any], prefetches: Sequence[Prefetch]) -> None:
    """Add the parameters of the columns of these prefetches to the values of a statement."""
    for prefetch in prefetches:
        assert values.keys().isdisjoint(prefetch.values), "two parameters have the same name"
        values.update(prefetch.values)


def populate_loaders(
    context: PrefetchContext, type_name: str, prefetches: Sequence[Prefetch], rows: Sequence[Any]
) -> None:
    """Prime the loaders with the prefetched columns of these rows."""
    if prefetches:
        context.prefetched.add(type_name)
    for row in rows:
        for prefetch in prefetches:
            prefetch.populate(context, row)


@dataclass
class SnapshotHeuristic:
    """Predicts whether an operation needs one statement only, from its previous executions.

    After a wrong prediction, twice as many executions in a row must have needed one statement before the next attempt.
    """

    MAX_REQUIRED_RUNS = 1_000
    required_runs: int = 1
    single_statement_runs: int = 0

    @property
    def expects_single_statement(self) -> bool:
        """Whether the next execution is expected to need one statement only."""
        return self.single_statement_runs >= self.required_runs

    def record_run(self, needed_one_statement: bool) -> None:
        """Record an execution in a snapshot."""
        self.single_statement_runs = self.single_statement_runs + 1 if needed_one_statement else 0

    def record_failure(self) -> None:
        """Record an execution in single-statement mode that needed a snapshot. Concurrent failures count once."""
        if self.expects_single_statement:
            self.required_runs = min(2 * self.required_runs, self.MAX_REQUIRED_RUNS)
        self.single_statement_runs = 0
