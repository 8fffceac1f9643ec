"""Documents: parsed, validated and measured once, when they are published or first seen; never per request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    validate,
    visit,
)

from app.core.errors import AppError, BadRequest
from app.db.tables import Domain
from app.engine.compiler.column_projection import Columns, columns_of
from app.engine.compiler.compiler import NotCompilable, Plan, compile_plan
from app.engine.cost import Cost, measure
from app.engine.validation_rules import rules

HASH_PREFIX = "sha256:"
# Checking that fields of the same name agree takes time with the square of a text's length: at the first of these
# lengths 0.2 s, which a text that anybody may send must not exceed. Published ones are checked when they are published.
MAX_TOKENS_GIVEN = 1_000
MAX_TOKENS_PUBLISHED = 10_000


class InvalidDocument(AppError):
    """A text that is no document, or none of this schema; `errors` are graphql-core's own."""

    code = "GRAPHQL_VALIDATION_FAILED"

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = list(errors)


@dataclass
class Pace:
    """Whether an operation needs one statement only, as far as experience tells.

    Then it runs without a transaction. Each time that this was wrong, more runs in a row must have needed one.
    """

    MOST = 1_000
    needed: int = 1
    seen: int = 0

    @property
    def one_statement(self) -> bool:
        """What to expect of the next run."""
        return self.seen >= self.needed

    def ran(self, one_statement: bool) -> None:
        """Whether a run needed one only."""
        self.seen = self.seen + 1 if one_statement else 0

    def failed(self) -> None:
        """One was not enough. Of runs at the same time only the first counts."""
        if self.one_statement:
            self.needed = min(2 * self.needed, self.MOST)
        self.seen = 0


@dataclass(frozen=True)
class Operation:
    """One operation of a document, and what is known of it without running it."""

    node: OperationDefinitionNode
    name: str | None
    kind: OperationType
    variables: frozenset[str]
    cost: Cost
    columns: Columns
    compile: Callable[[], Plan]
    pace: Pace = field(default_factory=Pace, compare=False)

    @cached_property
    def plan(self) -> Plan | NotCompilable:
        """What runs it; or why graphql-core must."""
        try:
            return self.compile()
        except NotCompilable as reason:
            return reason.with_traceback(None)  # which would keep all that was compiled until then

    @property
    def not_compiled(self) -> str | None:
        """Why it has no plan; None when it has one."""
        return str(self.plan) if isinstance(self.plan, NotCompilable) else None


@dataclass(frozen=True)
class Document:
    """A document that is valid for the schema.

    `content` is the id by content, under which answers are kept. `reads`: the domains whose data its answers are made
    of. `max_age`: for how many seconds others may keep an answer. `public`: whether the answer is the same for every
    viewer. `timed`: whether it changes as time goes by.
    """

    id: str
    text: str
    content: str
    ast: DocumentNode
    operations: Mapping[str | None, Operation]
    reads: frozenset[Domain]
    max_age: int
    public: bool
    timed: bool

    def operation(self, name: str | None) -> Operation | None:
        """The operation to run: the named one, or the only one."""
        if name is None:
            return next(iter(self.operations.values())) if len(self.operations) == 1 else None
        return self.operations.get(name)

    @property
    def title(self) -> str:
        """The names of its operations."""
        return ", ".join(name or "(unnamed)" for name in self.operations)


def content_id(text: str) -> str:
    """The id that a text has by its content: `sha256:` and the hash of its UTF-8.

    A text with half characters (surrogates) has no UTF-8, but an id: the parser refuses it with a better sentence.
    """
    return HASH_PREFIX + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def read_document(
    schema: GraphQLSchema, document_id: str, text: str, *, introspection: bool = False, given: bool = False
) -> Document:
    """Parses, validates and measures a text; `given` by a client, it must be shorter. Raises InvalidDocument."""
    ast = parse_document(text, MAX_TOKENS_GIVEN if given else MAX_TOKENS_PUBLISHED)
    if errors := validate(schema, ast, rules(introspection), max_errors=20):
        raise InvalidDocument(errors)
    nodes = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    operations = {operation.name: operation for operation in (_operation(schema, ast, node) for node in nodes)}
    traits = _Traits()
    info = TypeInfo(schema)
    visit(ast, TypeInfoVisitor(info, _FieldVisitor(info, traits)))
    return Document(
        id=document_id,
        text=text,
        content=content_id(text),
        ast=ast,
        operations=operations,
        reads=frozenset(traits.reads),
        max_age=min(traits.max_ages, default=0),
        public=traits.public,
        timed=traits.timed,
    )


def parse_document(text: str, max_tokens: int = MAX_TOKENS_PUBLISHED) -> DocumentNode:
    """The syntax tree of a text that holds an operation. Raises InvalidDocument."""
    try:
        ast = parse(text, max_tokens=max_tokens)
    except GraphQLError as error:
        raise InvalidDocument([error]) from None
    except RecursionError:
        raise InvalidDocument([GraphQLError("The document is nested too deeply.")]) from None
    if not any(isinstance(node, OperationDefinitionNode) for node in ast.definitions):
        raise InvalidDocument([GraphQLError("The document has no operation.")])
    return ast


def _operation(schema: GraphQLSchema, ast: DocumentNode, node: OperationDefinitionNode) -> Operation:
    return Operation(
        node=node,
        name=node.name.value if node.name else None,
        kind=node.operation,
        variables=frozenset(definition.variable.name.value for definition in node.variable_definitions or ()),
        cost=measure(schema, ast, node),
        compile=partial(compile_plan, schema, ast, node),
        columns=columns_of(schema, ast, node),
    )


@dataclass
class _Traits:
    """What the fields of a document say together."""

    reads: set[Domain] = field(default_factory=set)
    max_ages: list[int] = field(default_factory=list)
    public: bool = True
    timed: bool = False


class _FieldVisitor(Visitor):
    """Gathers what `app.graphql.directives.reads` says of each field."""

    def __init__(self, info: TypeInfo, traits: _Traits) -> None:
        super().__init__()
        self.info, self.traits = info, traits

    def enter_field(self, _node: FieldNode, *_: Any) -> None:
        """Fields of interfaces count like those of the types that have them: both are declared with facts."""
        definition = self.info.get_field_def()
        declared: Any = definition.extensions.get("strawberry-definition") if definition is not None else None
        if declared is None:
            return
        facts = declared.metadata
        self.traits.reads.update(facts.get("reads", ()))
        if "max_age" in facts:
            self.traits.max_ages.append(facts["max_age"])
        self.traits.timed |= facts.get("timed", False)
        self.traits.public &= not declared.permission_classes and not facts.get("own", False)


def operation_of(document: Document, name: str | None) -> Operation:
    """The operation to run. Raises BadRequest when the name is missing, or no operation has it."""
    operation = document.operation(name)
    if operation is not None:
        return operation
    names = ", ".join(str(each) for each in document.operations)
    if name is None:
        raise BadRequest(f"The document has several operations: name one of {names} in `operationName`.")
    raise BadRequest(f'The document has no operation "{name[:100]}"; it has {names}.')
