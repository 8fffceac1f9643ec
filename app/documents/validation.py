"""Validation of documents against a schema, with the location of each problem in the document."""

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
from app.engine.validation_rules import validation_rules

MAX_PROBLEMS = 20


@dataclass(frozen=True)
class DocumentProblem:
    """A validation error: the operation or fragment, the field or argument, and the message."""

    operation: str
    location: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.operation, self.location, self.message) if part)


def find_problems(schema: GraphQLSchema, text: str) -> list[DocumentProblem]:
    """Return up to MAX_PROBLEMS problems of a document; none if it fits the schema."""
    try:
        ast = parse_document(text)
    except InvalidDocument as error:
        return [DocumentProblem("", "", error.message)]
    return [
        _problem(schema, ast, error)
        for error in validate(schema, ast, validation_rules(allow_introspection=False), max_errors=MAX_PROBLEMS)
    ]


def operation_names(text: str) -> str:
    """Return the names of the operations in a syntactically valid text, separated by commas."""
    operations = (node for node in parse_document(text).definitions if isinstance(node, OperationDefinitionNode))
    return ", ".join(_definition_name(node) for node in operations)


def _problem(schema: GraphQLSchema, ast: DocumentNode, error: GraphQLError) -> DocumentProblem:
    node = error.nodes[0] if error.nodes else None
    definition = next((d for d in ast.definitions if node is not None and _contains(d, node)), None)
    if definition is None:
        return DocumentProblem("", "", error.message)
    finder = _LocationFinder(node)
    info = TypeInfo(schema)
    finder.info = info
    visit(definition, TypeInfoVisitor(info, finder))
    return DocumentProblem(_definition_name(definition), finder.location, error.message)


def _definition_name(definition: Any) -> str:
    kind = "fragment " if isinstance(definition, FragmentDefinitionNode) else ""
    return f"{kind}{definition.name.value}" if definition.name else "(unnamed)"


def _contains(root: Node, searched: Node) -> bool:
    return any(node is searched for node in _descendants(root))


def _descendants(node: Node) -> Iterator[Node]:
    yield node
    for key in node.keys:
        value = getattr(node, key, None)
        for child in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(child, Node):
                yield from _descendants(child)


class _LocationFinder(Visitor):
    """Determines the location of a node: `CPU.listings(first:)`, `CPUFilter.socket`, `$id`, or a type."""

    info: TypeInfo

    def __init__(self, searched: Node | None) -> None:
        super().__init__()
        self.searched = searched
        self.location = ""
        # `Type.field` of the fields around the current node.
        self._fields: list[str] = []

    def enter(self, node: Node, *_: Any) -> None:
        """Track the enclosing fields, and set the location at the searched node."""
        if node.kind == "field":
            parent = self.info.get_parent_type()
            self._fields.append(f"{parent.name if parent else '?'}.{_node_name(node)}")
        if node is self.searched:
            self.location = self._location_of(node)

    def leave(self, node: Node, *_: Any) -> None:
        """Return to the enclosing field."""
        if node.kind == "field":
            self._fields.pop()

    def _location_of(self, node: Node) -> str:
        field = self._fields[-1] if self._fields else ""
        if node.kind == "argument":
            return f"{field}({_node_name(node)}:)"
        if node.kind in {"variable_definition", "variable"}:
            name = node.variable.name.value if node.kind == "variable_definition" else _node_name(node)  # type: ignore[attr-defined]
            return " ".join(part for part in (field, f"${name}") if part)
        if node.kind == "object_field":
            parent = get_named_type(self.info.get_parent_input_type())
            return f"{parent.name}.{_node_name(node)}" if parent is not None else field
        if node.kind == "named_type":
            return _node_name(node)
        argument = self.info.get_argument()
        if field and argument is not None:
            name = next((name for name, declared in self._arguments().items() if declared is argument), "")
            return f"{field}({name}:)"
        return field

    def _arguments(self) -> dict[str, Any]:
        definition = self.info.get_field_def()
        return definition.args if definition is not None else {}


def _node_name(node: Node) -> str:
    name: Any = getattr(node, "name", None)
    return str(name.value) if name is not None else "?"
