"""Whether documents fit a schema, told so that somebody can find the place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    validate,
    visit,
)

from app.engine.document import InvalidDocument, parse_document
from app.engine.validation_rules import rules


@dataclass(frozen=True)
class Problem:
    """An error of a document: the operation (or fragment), the field or argument, and what is wrong there."""

    operation: str
    place: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.operation, self.place, self.message) if part)


def problems(schema: GraphQLSchema, text: str) -> list[Problem]:
    """What is wrong with a document; nothing when it fits."""
    try:
        ast = parse_document(text)
    except InvalidDocument as error:
        return [Problem("", "", error.message)]
    return [_problem(schema, ast, error) for error in validate(schema, ast, rules(introspection=False), max_errors=20)]


def operation_names(text: str) -> str:
    """The names of the operations in a text that can be parsed."""
    found = (node for node in parse_document(text).definitions if isinstance(node, OperationDefinitionNode))
    return ", ".join(_name(node) for node in found)


def _problem(schema: GraphQLSchema, ast: DocumentNode, error: GraphQLError) -> Problem:
    node = error.nodes[0] if error.nodes else None
    definition = next((each for each in ast.definitions if node is not None and _holds(each, node)), None)
    if definition is None:
        return Problem("", "", error.message)
    finder = _Place(node)
    info = TypeInfo(schema)
    finder.info = info
    visit(definition, TypeInfoVisitor(info, finder))
    return Problem(_name(definition), finder.found, error.message)


def _name(definition: Any) -> str:
    kind = "fragment " if isinstance(definition, FragmentDefinitionNode) else ""
    return f"{kind}{definition.name.value}" if definition.name else "(unnamed)"


def _holds(root: Node, wanted: Node) -> bool:
    return any(node is wanted for node in _below(root))


def _below(node: Node) -> Iterator[Node]:
    yield node
    for key in node.keys:
        value = getattr(node, key, None)
        for child in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(child, Node):
                yield from _below(child)


class _Place(Visitor):
    """Finds out where a node stands: `CPU.listings(first:)`, `CPUFilter.socket`, `$id`, or a type."""

    info: TypeInfo

    def __init__(self, wanted: Node | None) -> None:
        super().__init__()
        self.wanted = wanted
        self.found = ""
        self._field: list[str] = []

    def enter(self, node: Node, *_: Any) -> None:
        """Keeps the field that is being visited, and stops remembering at the node itself."""
        if node.kind == "field":
            parent = self.info.get_parent_type()
            self._field.append(f"{parent.name if parent else '?'}.{_value(node)}")
        if node is self.wanted:
            self.found = self._place(node)

    def leave(self, node: Node, *_: Any) -> None:
        """Goes back to the field around."""
        if node.kind == "field":
            self._field.pop()

    def _place(self, node: Node) -> str:
        field = self._field[-1] if self._field else ""
        if node.kind == "argument":
            return f"{field}({_value(node)}:)"
        if node.kind in {"variable_definition", "variable"}:
            name = node.variable.name.value if node.kind == "variable_definition" else _value(node)  # type: ignore[attr-defined]
            return " ".join(part for part in (field, f"${name}") if part)
        if node.kind == "object_field":
            parent = get_named_type(self.info.get_parent_input_type())
            return f"{parent.name}.{_value(node)}" if parent is not None else field
        if node.kind == "named_type":
            return _value(node)
        argument = self.info.get_argument()
        if field and argument is not None:
            name = next((n for n, each in self._arguments().items() if each is argument), "")
            return f"{field}({name}:)"
        return field

    def _arguments(self) -> dict[str, Any]:
        definition = self.info.get_field_def()
        return definition.args if definition is not None else {}


def _value(node: Node) -> str:
    name: Any = getattr(node, "name", None)
    return str(name.value) if name is not None else "?"
