"""Validation rule: fields with the same response key must be mergeable (GraphQL specification, section 5.3.2).

graphql-core compares each pair of fields, which takes quadratic time. This rule groups the fields, an idea of Simon
Adameit that Sangria uses too: all fields of a group are equal if each of them equals the first. It accepts the same
documents as graphql-core's rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from graphql import (
    SKIP,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValidationContext,
    ValidationRule,
    VariableNode,
    VisitorAction,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

# How many fields and spreads are visited when selections are merged: this number, and more for a large document. Only
# fragments that are spread next to each other in hundreds of combinations need more.
MIN_WORK = 20_000
WORK_PER_SELECTION = 20
MAX_QUOTED_LENGTH = 100  # characters of a name in an error
MAX_QUOTED_LEVELS = 10


@dataclass(eq=False, slots=True)
class _Selection:
    """The fields of a selection set, including those of its inline fragments, and the fragments that it spreads.

    `index`: its position in the document.
    """

    index: int
    fields: list[_Field] = field(default_factory=list)
    spreads: list[str] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Field:
    """A field of the document. `call`: its name and arguments. `below`: its selection, None for a leaf.

    `call` and `shape` are the same object for all fields that have an equal one. `shape` is None for an unknown field
    and for `__typename`.
    """

    node: FieldNode
    key: str
    call: Any
    parent: Any
    shape: Any
    below: _Selection | None


@dataclass(frozen=True, slots=True)
class _Conflict:
    """Two fields that cannot be merged, and the response keys of the fields around them."""

    reason: str
    nodes: list[FieldNode]
    keys: tuple[str, ...]

    def error(self) -> GraphQLError:
        """Return the error, worded like that of graphql-core."""
        first, *below = (key[:MAX_QUOTED_LENGTH] for key in self.keys[:MAX_QUOTED_LEVELS])
        reason = "".join(f"subfields '{key}' conflict because " for key in below) + self.reason
        return GraphQLError(
            f"Fields '{first}' conflict because {reason}. Use different aliases on the fields to fetch both if this was"
            " intentional.",
            self.nodes,
        )


class _OutOfWork(Exception):
    """The document has too many combinations of selections."""


class FieldMerging(ValidationRule):
    """Checks that fields with the same response key can be merged."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._selections: list[_Selection] = []
        self._fragments: dict[str, _Selection] = {}
        self._merged_fragments: dict[str, frozenset[_Selection]] = {}
        self._selection_count = 0
        self._interned: dict[Any, Any] = {}
        # Merged selections that were checked, so that fragments that are spread often are not checked again.
        self._checked: set[tuple[frozenset[_Selection], bool]] = set()
        self._remaining_work = 0

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> VisitorAction:
        """Collect the fields of an operation."""
        self._collect(node.selection_set, self.context.schema.get_root_type(node.operation))
        return SKIP

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> VisitorAction:
        """Collect the fields of a fragment."""
        parent = self.context.schema.get_type(node.type_condition.name.value)
        self._fragments[node.name.value] = self._collect(node.selection_set, parent)
        return SKIP

    def leave_document(self, *_: Any) -> None:
        """Check each selection set of the document, those of fragments where they are spread."""
        self._remaining_work = MIN_WORK + WORK_PER_SELECTION * self._selection_count
        spread = {self._fragments.get(name) for selection in self._selections for name in selection.spreads}
        try:
            for selection in self._selections:
                if selection not in spread:
                    self._check(selection)
        except _OutOfWork:
            self.report_error(GraphQLError("The document spreads its fragments in too many combinations."))

    def _check(self, selection: _Selection) -> None:
        conflicts: dict[str, _Conflict] = {}
        for has_common_parent in (True, False):
            for conflict in self._conflicts([selection], has_common_parent):
                conflicts.setdefault(conflict.keys[0], conflict)
        for conflict in conflicts.values():
            self.report_error(conflict.error())

    def _collect(self, selection_set: Any, parent: Any) -> _Selection:
        """Return the selection of a selection set on the type `parent`, which may be unknown (None)."""
        selection = _Selection(len(self._selections))
        self._selections.append(selection)
        self._collect_into(selection, selection_set, parent)
        return selection

    def _collect_into(self, selection: _Selection, selection_set: Any, parent: Any) -> None:
        for node in selection_set.selections:
            self._selection_count += 1
            if isinstance(node, FieldNode):
                selection.fields.append(self._field(node, parent))
            elif isinstance(node, FragmentSpreadNode):
                selection.spreads.append(node.name.value)
            else:
                condition = node.type_condition
                type_ = parent if condition is None else self.context.schema.get_type(condition.name.value)
                self._collect_into(selection, node.selection_set, type_)

    def _field(self, node: FieldNode, parent: Any) -> _Field:
        name = node.name.value
        definition = getattr(parent, "fields", {}).get(name)
        type_ = None if definition is None else definition.type
        below = None if node.selection_set is None else self._collect(node.selection_set, get_named_type(type_))
        arguments = {argument.name.value: _value(argument.value) for argument in node.arguments or ()}
        return _Field(
            node=node,
            key=node.alias.value if node.alias else name,
            call=self._intern((name, frozenset(arguments.items()))),
            parent=parent,
            shape=None if type_ is None else self._intern(("shape", _shape(type_))),
            below=below,
        )

    def _intern(self, value: Any) -> Any:
        """Return the first of all equal values."""
        return self._interned.setdefault(value, value)

    def _conflicts(self, selections: Sequence[_Selection], has_common_parent: bool) -> Iterator[_Conflict]:
        """Yield at most one conflict per response key of the merged selections.

        The fields of selections with a common parent may belong to one object, so those with the same key must be the
        same call. Otherwise, only their types must have the same shape.
        """
        merged = self._merge(selections)
        if (merged, has_common_parent) in self._checked:
            return
        self._checked.add((merged, has_common_parent))
        by_key: dict[str, list[_Field]] = {}
        for selection in sorted(merged, key=attrgetter("index")):
            self._work(len(selection.fields))
            for each in selection.fields:
                by_key.setdefault(each.key, []).append(each)
        for fields in by_key.values():
            if len(fields) > 1:
                groups = _with_common_parents(fields) if has_common_parent else [fields]
                conflicts = (self._conflict(group, has_common_parent) for group in groups)
                yield from [conflict for conflict in conflicts if conflict is not None][:1]

    def _conflict(self, fields: Sequence[_Field], has_common_parent: bool) -> _Conflict | None:
        """Return a conflict between fields with the same key, or between those below them."""
        self._work(len(fields))
        find_difference = _find_different_call if has_common_parent else _find_different_shape
        if (difference := find_difference(fields)) is not None:
            return difference
        below = [each.below for each in fields if each.below is not None]
        if len(below) < 2:  # it is checked on its own
            return None
        conflict = next(self._conflicts(below, has_common_parent), None)
        if conflict is None:
            return None
        return _Conflict(conflict.reason, conflict.nodes, (fields[0].key, *conflict.keys))

    def _merge(self, selections: Sequence[_Selection]) -> frozenset[_Selection]:
        """Return the selections and those of the fragments that they spread, directly or not."""
        merged = {selection for selection in selections if selection.fields}
        for name in {name for selection in selections for name in selection.spreads}:
            merged |= self._merge_fragment(name)
        self._work(len(merged))
        return frozenset(merged)

    def _merge_fragment(self, name: str) -> frozenset[_Selection]:
        if name not in self._merged_fragments:
            # Ends the recursion of a fragment that spreads itself, which another rule rejects.
            self._merged_fragments[name] = frozenset()
            if name in self._fragments:
                self._merged_fragments[name] = self._merge([self._fragments[name]])
        return self._merged_fragments[name]

    def _work(self, amount: int) -> None:
        self._remaining_work -= amount
        if self._remaining_work < 0:
            raise _OutOfWork


def _with_common_parents(fields: Sequence[_Field]) -> list[list[_Field]]:
    """Return groups of the fields that may belong to one object: those of one object type, and of all other types."""
    of_other_types = [each for each in fields if not is_object_type(each.parent)]
    by_type: dict[Any, list[_Field]] = {}
    for each in fields:
        if is_object_type(each.parent):
            by_type.setdefault(each.parent, []).append(each)
    return [[*group, *of_other_types] for group in by_type.values()] or [of_other_types]


def _find_different_call(fields: Sequence[_Field]) -> _Conflict | None:
    first = fields[0]
    for each in fields:
        if each.call is not first.call:
            names = first.call[0][:MAX_QUOTED_LENGTH], each.call[0][:MAX_QUOTED_LENGTH]
            is_other_field = first.call[0] != each.call[0]
            reason = (
                "'{}' and '{}' are different fields".format(*names)
                if is_other_field
                else "they have differing arguments"
            )
            return _Conflict(reason, [first.node, each.node], (first.key,))
    return None


def _find_different_shape(fields: Sequence[_Field]) -> _Conflict | None:
    known = [each for each in fields if each.shape is not None]
    for each in known:
        if each.shape is not known[0].shape:
            return _Conflict("they return conflicting types", [known[0].node, each.node], (each.key,))
    return None


def _shape(type_: Any) -> Any:
    """Return what types of mergeable fields have in common: lists, non-null, and the type itself if it is a leaf."""
    if is_list_type(type_):
        return ("list", _shape(type_.of_type))
    if is_non_null_type(type_):
        return ("non-null", _shape(type_.of_type))
    return None if is_composite_type(type_) else type_.name


def _value(node: Any) -> Any:
    """Return a hashable value that is equal for equal literals. The order of the fields of an object is ignored."""
    if isinstance(node, ListValueNode):
        return (node.kind, *map(_value, node.values))
    if isinstance(node, ObjectValueNode):
        fields = sorted(node.fields, key=lambda field: field.name.value)
        return (node.kind, *((field.name.value, _value(field.value)) for field in fields))
    if isinstance(node, VariableNode):
        return (node.kind, node.name.value)
    return (node.kind, getattr(node, "value", None), bool(getattr(node, "block", False)))
