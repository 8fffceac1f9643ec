"""Limits on the shape of a document, as validation rules beside those of the specification."""

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
    ValidationContext,
    ValidationRule,
    VisitorAction,
    specified_rules,
)

MAX_ALIASES = 50
MAX_DEPTH = 15


@dataclass
class Extent:
    """What an operation or a fragment holds itself: levels of fields, aliases, and fragments (level, name)."""

    depth: int = 0
    aliases: int = 0
    spreads: list[tuple[int, str]] = field(default_factory=list)


class ExtentLimit(ValidationRule):
    """Limits depth and aliases. Each fragment is measured once, however often it is spread.

    (The limiters of strawberry follow every spread, and fragments that spread others twice make them run for years.)
    """

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._operations: list[tuple[OperationDefinitionNode, Extent]] = []
        self._fragments: dict[str, Extent] = {}
        self._measured: dict[str, Extent] = {}
        self._current, self._level = Extent(), 0

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Begins to measure an operation."""
        self._current = Extent()
        self._operations.append((node, self._current))

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        """Begins to measure a fragment."""
        self._current = self._fragments[node.name.value] = Extent()

    def enter_field(self, node: FieldNode, *_: Any) -> VisitorAction:
        """Introspection counts for no depth: tools need it deep, and it costs little."""
        self._current.aliases += node.alias is not None
        if node.name.value.startswith("__"):
            return SKIP
        self._level += 1
        self._current.depth = max(self._current.depth, self._level)
        return None

    def leave_field(self, *_: Any) -> None:
        """Goes back up."""
        self._level -= 1

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        """Notes where the fragment stands; it may be defined further down."""
        self._current.spreads.append((self._level, node.name.value))

    def leave_document(self, *_: Any) -> None:
        """All is known now."""
        for node, own in self._operations:
            whole = self._whole(own)
            if whole.depth > MAX_DEPTH:
                self.report_error(GraphQLError(f"The operation is more than {MAX_DEPTH} levels deep.", node))
            if whole.aliases > MAX_ALIASES:
                self.report_error(GraphQLError(f"The operation has more than {MAX_ALIASES} aliases.", node))

    def _whole(self, own: Extent) -> Extent:
        """With the fragments in it."""
        whole = Extent(own.depth, own.aliases)
        for level, name in own.spreads:
            if name not in self._measured:
                self._measured[name] = Extent()  # a fragment in itself is refused by another rule
                self._measured[name] = self._whole(self._fragments.get(name, Extent()))
            whole.depth = max(whole.depth, level + self._measured[name].depth)
            whole.aliases += self._measured[name].aliases
        return whole


def rules(introspection: bool) -> tuple[type[ValidationRule], ...]:
    """The rules that documents must obey."""
    ours = (ExtentLimit,) if introspection else (ExtentLimit, NoSchemaIntrospectionCustomRule)
    return (*specified_rules, *ours)
