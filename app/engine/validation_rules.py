"""Limits on the size of a document, as validation rules in addition to those of the specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    SKIP,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    ValidationRule,
    VisitorAction,
    specified_rules,
)

from app.engine.field_merging import FieldMerging
from app.engine.input_limits import InputLimitsRule

MAX_ALIASES = 50
MAX_DEPTH = 15

# Rules of the specification, with own ones in place of those of graphql-core that take too long.
SPECIFIED_RULES = tuple(FieldMerging if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules)


@dataclass
class SelectionMetrics:
    """Size of an operation or fragment: levels of fields, aliases, and the fragments that it spreads.

    `spreads`: level and name of each fragment. `depth` and `aliases` do not include them.
    """

    depth: int = 0
    aliases: int = 0
    spreads: list[tuple[int, str]] = field(default_factory=list)


class SelectionLimits(ValidationRule):
    """Limits the depth and the number of aliases of an operation.

    Each fragment is measured once. Strawberry's own limiters follow every spread, which takes exponential time for
    fragments that spread other fragments twice.
    """

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._operations: list[tuple[OperationDefinitionNode, SelectionMetrics]] = []
        self._fragments: dict[str, SelectionMetrics] = {}
        self._fragment_totals: dict[str, SelectionMetrics] = {}
        self._current, self._level = SelectionMetrics(), 0

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Start measuring an operation."""
        self._current = SelectionMetrics()
        self._operations.append((node, self._current))

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        """Start measuring a fragment."""
        self._current = self._fragments[node.name.value] = SelectionMetrics()

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        """Count a field. Introspection adds no depth: tools need it deep, and it is cheap."""
        self._current.aliases += node.alias is not None
        if node.name.value.startswith("__"):
            return SKIP
        self._level += 1
        self._current.depth = max(self._current.depth, self._level)
        return None

    def leave_field(self, *_: Any) -> None:
        """Return to the level above."""
        self._level -= 1

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        """Record a spread; the fragment may be defined later in the document."""
        self._current.spreads.append((self._level, node.name.value))

    def leave_document(self, *_: Any) -> None:
        """Compare each operation, including its fragments, with the limits."""
        for node, metrics in self._operations:
            total = self._total(metrics)
            if total.depth > MAX_DEPTH:
                self.report_error(GraphQLError(f"The operation is more than {MAX_DEPTH} levels deep.", node))
            if total.aliases > MAX_ALIASES:
                self.report_error(GraphQLError(f"The operation has more than {MAX_ALIASES} aliases.", node))

    def _total(self, metrics: SelectionMetrics) -> SelectionMetrics:
        """Return the metrics including those of the fragments."""
        total = SelectionMetrics(metrics.depth, metrics.aliases)
        for level, name in metrics.spreads:
            if name not in self._fragment_totals:
                # Ends the recursion of a fragment that spreads itself, which another rule rejects.
                self._fragment_totals[name] = SelectionMetrics()
                self._fragment_totals[name] = self._total(self._fragments.get(name, SelectionMetrics()))
            total.depth = max(total.depth, level + self._fragment_totals[name].depth)
            total.aliases += self._fragment_totals[name].aliases
        return total


def validation_rules(allow_introspection: bool) -> tuple[type[ValidationRule], ...]:
    """Return the rules that every document must pass."""
    own_rules: tuple[type[ValidationRule], ...] = (SelectionLimits, InputLimitsRule)
    return (*SPECIFIED_RULES, *own_rules, *(() if allow_introspection else (NoSchemaIntrospectionCustomRule,)))
