"""Documents: parsed, validated and analysed once, when they are published or first received, never per request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, NamedTuple

from graphql import (
    SKIP,
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    VisitorAction,
    parse,
    validate,
    visit,
)

from app.core.errors import AppError, BadRequest
from app.db.tables import Domain
from app.engine.compiler.column_projection import ColumnsByType, project_columns
from app.engine.compiler.compiler import NotCompilable, Plan, compile_plan
from app.engine.cost import Cost, cost_function
from app.engine.document_memory import estimate_memory
from app.engine.input_limits import InputScan, VariableLimits
from app.engine.validation_rules import validation_rules
from app.graphql.prefetch import SnapshotHeuristic
from app.graphql.strawberry_bridge import field_definition

HASH_PREFIX = "sha256:"
# A client may send a document of MAX_TOKENS_AD_HOC with each request. Validation takes 30 to 50 ms for it, mostly for
# visiting its nodes with 30 rules. Published documents are validated beforehand.
MAX_TOKENS_AD_HOC = 1_000
MAX_TOKENS_PUBLISHED = 10_000
# Comments, names and strings of a client's document can be long, and errors quote them. graphql-core counts the lines
# before each error.
MAX_AD_HOC_LENGTH = 32 * 1024
MAX_AD_HOC_LINES = 2_000
MAX_VALIDATION_ERRORS = 5
MAX_ERROR_MESSAGE_LENGTH = 500


class InvalidDocument(AppError):
    """The text is not a GraphQL document, or not valid for the schema. `errors` have messages, codes and locations."""

    code = "GRAPHQL_VALIDATION_FAILED"

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        self.errors = [_detach_error(error) for error in errors]
        super().__init__(self.errors[0].message)


def _detach_error(error: GraphQLError) -> GraphQLError:
    """Return an error without the text and the syntax tree of its document, which errors are remembered longer than.

    A message may quote a name of any length.
    """
    message = error.message
    if len(message) > MAX_ERROR_MESSAGE_LENGTH:
        message = message[:MAX_ERROR_MESSAGE_LENGTH] + "..."
    detached = GraphQLError(message, extensions=error.extensions)
    detached.locations = error.locations
    return detached


@dataclass(frozen=True)
class Operation:
    """One operation of a document, analysed.

    `variables`: the names of its variables. `find_event_variables` returns the variables used below the root fields.
    `compile` returns its plan or raises NotCompilable. The analysis happens on first use of the operation, because a
    document can have many that spread the same fragments.
    """

    schema: GraphQLSchema
    ast: DocumentNode
    node: OperationDefinitionNode
    name: str | None
    kind: OperationType
    variables: frozenset[str]
    find_event_variables: Callable[[], set[str]]
    compile: Callable[[], Plan]
    snapshot_heuristic: SnapshotHeuristic = field(default_factory=SnapshotHeuristic, compare=False)

    @cached_property
    def event_variables(self) -> frozenset[str]:
        """The variables that the result for an event of a subscription depends on; the others select the events."""
        return self.variables & self.find_event_variables()

    @cached_property
    def variable_limits(self) -> VariableLimits:
        """The limits of the values of the variables."""
        return VariableLimits(InputScan(self.schema, self.ast, self.node).uses)

    @cached_property
    def cost(self) -> Cost:
        """The cost as a function of the variables."""
        return cost_function(self.schema, self.ast, self.node)

    @cached_property
    def columns(self) -> ColumnsByType:
        """The columns that the operation needs of the rows of each type."""
        return project_columns(self.schema, self.ast, self.node)

    @cached_property
    def plan(self) -> Plan | NotCompilable:
        """The plan, compiled on first use; NotCompilable if graphql-core must execute the operation."""
        try:
            return self.compile()
        except NotCompilable as reason:
            return reason.with_traceback(None)  # the traceback would keep the compiler alive

    @property
    def not_compiled_reason(self) -> str | None:
        """The reason why the operation has no plan; None if it has one."""
        return str(self.plan) if isinstance(self.plan, NotCompilable) else None


class DocumentSummary(NamedTuple):
    """What caches need to know of a document. It is small, so it may outlive the document."""

    id: str
    content_id: str
    domains: frozenset[Domain]
    max_age: int
    time_dependent: bool


@dataclass(frozen=True)
class Document:
    """A document that is valid for the schema.

    `content_id` identifies the text and is part of cache keys. `domains`: the data domains that responses depend on.
    `max_age`: seconds for which clients and proxies may cache a response. `public`: the response is the same for every
    viewer. `time_dependent`: the response changes with time, without a change of data. `memory_bytes`: an estimate of
    the memory that the document takes, with the plans of its operations.
    """

    id: str
    text: str
    content_id: str
    ast: DocumentNode
    operations: Mapping[str | None, Operation]
    domains: frozenset[Domain]
    max_age: int
    public: bool
    time_dependent: bool
    memory_bytes: int

    @cached_property
    def summary(self) -> DocumentSummary:
        """The facts that caches keep."""
        return DocumentSummary(self.id, self.content_id, self.domains, self.max_age, self.time_dependent)

    def select_operation(self, name: str | None) -> Operation:
        """Return the operation with this name, or the only one if there is no name. Raises BadRequest."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        operation = None if name is None else self.operations.get(name)
        if operation is not None:
            return operation
        names = ", ".join(map(str, self.operations))
        if name is None:
            raise BadRequest(f"The document has several operations: name one of {names} in `operationName`.")
        raise BadRequest(f'The document has no operation "{name[:100]}"; it has {names}.')

    @property
    def title(self) -> str:
        """The names of the operations, separated by commas."""
        return ", ".join(name or "(unnamed)" for name in self.operations)


def content_id(text: str) -> str:
    """Return the id of a text: `sha256:` and the SHA-256 of its UTF-8 encoding.

    Lone surrogates are encoded too. Such a text is not valid UTF-8, but the parser rejects it with a better message.
    """
    return HASH_PREFIX + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def prepare_document(
    schema: GraphQLSchema, document_id: str, text: str, *, allow_introspection: bool = False, ad_hoc: bool = False
) -> Document:
    """Parse, validate and analyse a document. Raises InvalidDocument.

    An `ad_hoc` document, which a client sends with its request, must be shorter than a published one.
    """
    if ad_hoc:
        _check_length(text)
    ast = parse_document(text, MAX_TOKENS_AD_HOC if ad_hoc else MAX_TOKENS_PUBLISHED)
    if errors := validate(schema, ast, validation_rules(allow_introspection), max_errors=MAX_VALIDATION_ERRORS):
        raise InvalidDocument(errors)
    nodes = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    operations = [_analyze_operation(schema, ast, node) for node in nodes]
    facts = DocumentFacts()
    info = TypeInfo(schema)
    visit(ast, TypeInfoVisitor(info, _FactCollector(info, facts)))
    return Document(
        id=document_id,
        text=text,
        content_id=content_id(text),
        ast=ast,
        operations={operation.name: operation for operation in operations},
        domains=frozenset(facts.domains),
        max_age=min(facts.max_ages, default=0),
        public=facts.public,
        time_dependent=facts.time_dependent,
        memory_bytes=estimate_memory(text, ast),
    )


def _check_length(text: str) -> None:
    if len(text) > MAX_AD_HOC_LENGTH:
        raise InvalidDocument([GraphQLError(f"The document has more than {MAX_AD_HOC_LENGTH:,} characters.")])
    if text.count("\n") + text.count("\r") > MAX_AD_HOC_LINES:
        raise InvalidDocument([GraphQLError(f"The document has more than {MAX_AD_HOC_LINES:,} lines.")])


def parse_document(text: str, max_tokens: int = MAX_TOKENS_PUBLISHED) -> DocumentNode:
    """Parse a document and check that it has an operation. Raises InvalidDocument."""
    try:
        ast = parse(text, max_tokens=max_tokens)
    except GraphQLError as error:
        raise InvalidDocument([error]) from None
    except RecursionError:
        raise InvalidDocument([GraphQLError("The document is nested too deeply.")]) from None
    if not any(isinstance(node, OperationDefinitionNode) for node in ast.definitions):
        raise InvalidDocument([GraphQLError("The document has no operation.")])
    return ast


def _analyze_operation(schema: GraphQLSchema, ast: DocumentNode, node: OperationDefinitionNode) -> Operation:
    return Operation(
        schema=schema,
        ast=ast,
        node=node,
        name=node.name.value if node.name else None,
        kind=node.operation,
        variables=frozenset(definition.variable.name.value for definition in node.variable_definitions or ()),
        find_event_variables=partial(_variables_below_root, ast, node),
        compile=partial(compile_plan, schema, ast, node),
    )


def _variables_below_root(ast: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """Return the variables used outside the arguments of the root fields that the operation itself selects."""
    collector = _VariableCollector(operation)
    for node in (operation, *(node for node in ast.definitions if isinstance(node, FragmentDefinitionNode))):
        visit(node, collector)
    return collector.names


class _VariableCollector(Visitor):
    def __init__(self, operation: OperationDefinitionNode) -> None:
        super().__init__()
        root_fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
        self.root_arguments = {id(argument) for node in root_fields for argument in node.arguments or ()}
        self.names: set[str] = set()

    def enter_argument(self, node: ArgumentNode, *_: Any) -> VisitorAction:
        """Skip the arguments of the root fields."""
        return SKIP if id(node) in self.root_arguments else None

    def enter_variable_definition(self, *_: Any) -> VisitorAction:
        """Skip definitions: they name all variables."""
        return SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        """Add a variable that is used."""
        self.names.add(node.name.value)


@dataclass
class DocumentFacts:
    """The cache hints of all fields of a document, combined."""

    domains: set[Domain] = field(default_factory=set)
    max_ages: list[int] = field(default_factory=list)
    public: bool = True
    time_dependent: bool = False


class _FactCollector(Visitor):
    """Combines the metadata that `app.graphql.directives.cache_hints` made for each field."""

    def __init__(self, info: TypeInfo, facts: DocumentFacts) -> None:
        super().__init__()
        self.info, self.facts = info, facts

    def enter_field(self, _node: FieldNode, *_: Any) -> None:
        """Add the hints of a field. Fields of interfaces are declared with hints of their own."""
        field = self.info.get_field_def()
        definition = field_definition(field) if field is not None else None
        if definition is None:
            return
        hints = definition.metadata
        self.facts.domains.update(hints.get("domains", ()))
        if "max_age" in hints:
            self.facts.max_ages.append(hints["max_age"])
        self.facts.time_dependent |= hints.get("time_dependent", False)
        self.facts.public &= not definition.permission_classes and not hints.get("per_viewer", False)
