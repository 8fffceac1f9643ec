"""Documents compiled into plans: Python that builds the answer of one operation, generated once and then only run.

For every selection of fields on an object type there is a function that takes a list of such objects and gives a list
of results, and one that has the resolvers among its fields called. The functions hold nothing of a document but
response keys, in the form that `repr` gives them; all else is bound by name to objects of the schema. `plan` holds what
they run on, and what happens to values that are not as expected.
"""

from __future__ import annotations

import linecache
import weakref
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from itertools import count
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    execute,
    get_named_type,
    is_abstract_type,
    is_object_type,
    visit,
)
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from app.engine.compiler.codegen import ROW, Shape, names_like, snake
from app.engine.compiler.plan import PLAIN, Build, Field, Frame, RowBuild, Selection, deviate
from app.engine.compiler.resolver_binding import arguments_of, settle, unsettled
from app.engine.compiler.runtime import Run
from app.engine.compiler.variable_coercion import Coercion

# A selection for every type that an object may have, at every level: interfaces within interfaces multiply.
MAX_SELECTIONS = 1_000
# Each combination of conditions is a variant of its own, made when it occurs in a millisecond or two; these many stay.
MAX_VARIANTS = 64

_numbers = count(1)


class NotCompilable(Exception):
    """The operation is left to graphql-core; the message is what keeps it there."""


@dataclass
class Plan:
    """A compiled operation. `execute` gives what graphql-core would."""

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    conditions: list[str]

    def __post_init__(self) -> None:
        self._coercion = Coercion(self.schema, self.operation)
        self._variants: OrderedDict[tuple[bool, ...], _Variant | str] = OrderedDict()
        self.variant(tuple(True for _ in self.conditions))

    @property
    def source(self) -> str:
        """The generated Python; of documents with conditions, as if all of them held."""
        return self.variant(tuple(True for _ in self.conditions)).source

    async def execute(self, context: Any, variables: Mapping[str, Any]) -> ExecutionResult:
        """The result of the operation. Errors of resolvers are in it; only being cancelled is raised."""
        coerced = self._coercion.coerce(variables)
        if isinstance(coerced, list):
            return ExecutionResult(None, coerced)
        held = tuple(coerced.coerced.get(name) for name in self.conditions)
        if any(each.__class__ is not bool for each in held):
            return await self._interpret(context, variables)  # it words the error
        try:
            frame = self.variant(held).frame
        except NotCompilable:
            return await self._interpret(context, variables)
        return await Run(frame, context, coerced).result()

    def variant(self, held: tuple[Any, ...]) -> _Variant:
        """The plan for conditions that are so. Raises NotCompilable."""
        found = self._variants.get(held)
        if found is None:
            found = self._variants[held] = self._made(held)
            if len(self._variants) > MAX_VARIANTS:
                self._variants.popitem(last=False)
        else:
            self._variants.move_to_end(held)
        if isinstance(found, str):
            raise NotCompilable(found)
        return found

    def _made(self, held: tuple[Any, ...]) -> _Variant | str:
        """What keeps it from being compiled is kept as well, so that it is tried once."""
        variables = VariableValues({}, dict(zip(self.conditions, held, strict=True)))
        try:
            return _Compiler(self.schema, self.document, self.operation, variables).compile()
        except NotCompilable as reason:
            return str(reason)

    async def _interpret(self, context: Any, variables: Mapping[str, Any]) -> ExecutionResult:
        """By graphql-core."""
        name = self.operation.name.value if self.operation.name else None
        result = execute(
            self.schema,
            self.document,
            context_value=context,
            variable_values=dict(variables),
            operation_name=name,
        )
        return await result if isawaitable(result) else result


@dataclass(frozen=True)
class _Variant:
    frame: Frame
    source: str


def compile_plan(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Plan:
    """The plan of an operation of a valid document. Raises NotCompilable."""
    if operation.operation is OperationType.SUBSCRIPTION:
        raise NotCompilable("a subscription")
    if operation.directives:
        raise NotCompilable("the operation has directives")
    look = _Look()
    visit(document, look)
    if look.introspects:
        raise NotCompilable("it asks for the schema")
    declared = {definition.variable.name.value for definition in operation.variable_definitions or ()}
    return Plan(schema, document, operation, sorted(look.conditions & declared))


class _Look(Visitor):
    """What a document has that concerns all of its plan."""

    def __init__(self) -> None:
        super().__init__()
        self.introspects = False
        self.conditions: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """`__typename` is a field like any other."""
        self.introspects |= node.name.value in {"__schema", "__type"}

    def enter_directive(self, node: Any, *_: Any) -> None:
        """Only @skip and @include can stand in documents."""
        for argument in node.arguments:
            if isinstance(argument.value, VariableNode):
                self.conditions.add(argument.value.name.value)


class _Compiler:
    """Compiles one operation for one combination of conditions."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: VariableValues,
    ) -> None:
        self.schema, self.operation, self.variables = schema, operation, variables
        definitions = [each for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
        self.definitions = {each.name.value: each for each in definitions}
        self.fragments = {name: FragmentDetails(each) for name, each in self.definitions.items()}
        self.selections: list[Selection] = []
        self.lines: list[str] = []
        self.functions: dict[str, Selection] = {}
        # Those that read columns.
        self.of_rows: set[str] = set()
        # What has a name already: made once, it is referred to by the same name wherever it is needed.
        self.bound: dict[Any, str] = {}
        self.names: dict[str, Any] = {"plain": PLAIN, "deviate": deviate}

    def compile(self) -> _Variant:
        """The frame of the plan, its functions made."""
        root_type = self.schema.get_root_type(self.operation.operation)
        assert root_type is not None
        collected = collect_fields(self.schema, self.fragments, self.variables, root_type, self.operation)
        root = self._selection(root_type, collected.grouped_field_set)
        for each in root.fields:
            each.inline = False
        title = self.operation.name.value if self.operation.name else "(unnamed)"
        self.lines.append(f"# {self.operation.operation.value} {title}")
        for selection in self._called(root):
            self._functions(selection)
        source = "\n".join(self.lines) + "\n"
        self._make(source)
        serial = self.operation.operation is OperationType.MUTATION
        frame = Frame(self.schema, self.operation, self.definitions, root, serial, [] if serial else self._ahead())
        return _Variant(frame, source)

    def _ahead(self) -> list[Field]:
        """Fields that say what they will ask for. One that is selected in several ways is left to loaders."""
        found = [each for selection in self.selections for each in selection.fields if each.ahead is not None]
        ways = Counter((each.parent, each.nodes[0].name.value) for each in found)
        return [each for each in found if ways[each.parent, each.nodes[0].name.value] == 1]

    def _selection(self, type_: GraphQLObjectType, grouped: Mapping[str, FieldDetailsList]) -> Selection:
        """What is selected of objects of this type, and of all that are below them."""
        if len(self.selections) >= MAX_SELECTIONS:
            raise NotCompilable(f"more than {MAX_SELECTIONS} combinations of fields and types")
        selection = Selection(type_)
        self.selections.append(selection)
        selection.fields = [self._field(type_, key, details) for key, details in grouped.items()]
        return selection

    def _field(self, parent: GraphQLObjectType, key: str, details: FieldDetailsList) -> Field:
        nodes = [each.node for each in details]
        definition = self.schema.get_field(parent, nodes[0].name.value)
        assert definition is not None
        made = Field(
            key=key,
            nodes=nodes,
            definition=definition,
            parent=parent,
            resolve=unsettled,
            arguments=arguments_of(definition, nodes[0]),
        )
        named = get_named_type(definition.type)
        if is_abstract_type(named):
            types = self.schema.get_possible_types(named)
        else:
            types = [named] if is_object_type(named) else []
        for type_ in types:
            below = collect_subfields(
                self.schema, self.fragments, self.variables, self.operation, type_, details
            ).grouped_field_set
            made.selections[type_.name] = self._selection(type_, below)
        settle(self.schema, made)
        return made

    def _called(self, selection: Selection) -> Iterator[Selection]:
        """Selections whose objects are found at run time; the others are built in place, as part of these."""
        yield selection
        for each in selection.fields:
            if not each.inline:
                for below in each.selections.values():
                    yield from self._called(below)

    def _functions(self, selection: Selection) -> None:
        """The source of a selection's functions."""
        name = next(n for n in names_like(snake(selection.type.name)) if f"build_{n}" not in self.names)
        self.names[f"build_{name}"] = None
        self.functions[name] = selection
        shape = Shape(self.names, self.bound)
        self.lines += ["", "", *self._build(name, selection, shape, [])]
        if shape.columns:
            self.of_rows.add(name)
        called = {each.key: each for each in selection.fields if not each.inline}
        if not called:
            return
        self.names[f"fields_of_{name}"] = called
        self.lines += ["", "", f"def resolve_{name}(run, sources, outs):"]
        for key, each in called.items():
            signature = f"{each.parent.name}.{each.nodes[0].name.value}: {each.type}"
            self.lines.append(f"    run.call(fields_of_{name}[{key!r}], sources, outs)  # {signature}")

    def _build(self, name: str, selection: Selection, shape: Shape, columns: Sequence[str]) -> list[str]:
        """The source of the function that builds results; of rows with these columns, if any, by position."""
        body = shape.result(selection, ROW, " " * 12)
        unpacking = [f"        {', '.join(shape.columns.get(each, '_') for each in columns)}, = {ROW}"]
        return [
            f"def build_{name}(sources):  # {selection.type.name}",
            "    outs = []",
            f"    for {ROW} in sources:",
            *(unpacking if columns else []),
            f"        outs.append({body})",
            "    return outs",
        ]

    def _unpacking(self, name: str, selection: Selection, columns: tuple[str, ...]) -> Build | None:
        """The same function for rows with these columns; None when one is missing."""
        shape = Shape(self.names, self.bound, unpacked=True)
        lines = self._build(name, selection, shape, columns)
        if not shape.columns.keys() <= set(columns):
            return None
        found: Build = self._run("\n".join(lines) + "\n")[f"build_{name}"]
        return found

    def _make(self, source: str) -> None:
        """Compiles the functions."""
        self.names.update(self._run(source))
        for name, selection in self.functions.items():
            selection.build = self.names[f"build_{name}"]
            if name in self.of_rows:
                selection.build = RowBuild(selection.build, partial(self._unpacking, name, selection))
            selection.resolve = self.names.get(f"resolve_{name}", selection.resolve)

    def _run(self, source: str) -> dict[str, Any]:
        """The functions of a source, by name; tracebacks show it as long as the plan lives."""
        file = f"<plan {next(_numbers)}>"
        functions: dict[str, Any] = {}
        exec(compile(source, file, "exec"), self.names, functions)  # noqa: S102 - made of the schema's names and of literals alone
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        weakref.finalize(self.selections[0], linecache.cache.pop, file, None)
        return functions
