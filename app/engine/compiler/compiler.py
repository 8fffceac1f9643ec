"""Compiler: turns an operation of a valid document into Python functions that build its response.

For every selection of an object type, a function is generated that takes a list of such objects and returns a list of
results, and one that calls the resolvers of its other fields. Response keys are the only text of the document in the
generated code, as `repr` writes them. The code refers to everything else by names that are bound to objects of the
schema. `dealmark documents plan` prints the code. `runtime` executes it.
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

from app.engine.compiler.codegen import SOURCE, ExpressionGenerator, numbered_names, snake_case
from app.engine.compiler.plan import (
    IS_SYNC_VALUE,
    BuildResults,
    CompiledOperation,
    Field,
    RowBuilder,
    Selection,
    bail_out,
)
from app.engine.compiler.resolver_binding import bind_arguments, bind_event, bind_resolver, unbound
from app.engine.compiler.runtime import OperationExecution
from app.engine.compiler.variable_coercion import VariableCoercer

# There is a selection per possible type at every level, so interfaces within interfaces multiply.
MAX_SELECTIONS = 1_000
# A fragment that is spread often multiplies the fields. Each takes 1.4 KB of memory.
MAX_PLAN_FIELDS = 1_000
# Combinations of @skip and @include conditions that stay compiled, and their fields in all. Compiling a combination
# takes one or two milliseconds.
MAX_VARIANTS = 64
MAX_VARIANT_FIELDS = 2_000

# For readers of the generated code.
CODE_COMMENT = (
    "# A dict display builds the result of one object; fields that are None in it are resolved afterwards.",
    "# bail_out() leaves this code: the objects are then completed field by field.",
    "# `value - value == 0.0` is false for NaN and infinity, which GraphQL does not allow.",
)

_source_numbers = count(1)


class NotCompilable(Exception):
    """The operation must be executed by graphql-core; the message is the reason."""


@dataclass
class Plan:
    """The plan of an operation: one compiled operation per combination of its @skip and @include conditions.

    `conditions` are the names of the variables in these directives.
    """

    schema: GraphQLSchema
    document: DocumentNode
    operation: OperationDefinitionNode
    conditions: list[str]

    def __post_init__(self) -> None:
        self._variable_coercer = VariableCoercer(self.schema, self.operation)
        # By the values of the conditions; a string is the reason why that variant cannot be compiled.
        self._variants: OrderedDict[tuple[bool, ...], CompiledOperation | str] = OrderedDict()
        self.variant(tuple(True for _ in self.conditions))

    @property
    def source(self) -> str:
        """The generated Python code, for a document with conditions as if all of them were true."""
        return self.variant(tuple(True for _ in self.conditions)).source

    async def execute(self, context: Any, variables: Mapping[str, Any], root_value: Any = None) -> ExecutionResult:
        """Execute the operation and return what graphql-core would return. Raises nothing but CancelledError.

        `root_value`: the event, for a subscription.
        """
        execution = self._prepare(context, variables)
        if isinstance(execution, ExecutionResult):
            return execution
        if execution is None:
            return await self._interpret(context, variables, root_value)
        return await execution.execute(root_value)

    async def execute_events(
        self, context: Any, variables: Mapping[str, Any], events: Sequence[Any]
    ) -> list[dict[str, Any]] | None:
        """Execute a subscription for several events at a time, so that loaders batch their keys.

        Return the data of each event, or None if there is an error: then the caller executes one event after another.
        """
        execution = self._prepare(context, variables)
        return await execution.execute_events(events) if isinstance(execution, OperationExecution) else None

    def _prepare(self, context: Any, variables: Mapping[str, Any]) -> OperationExecution | ExecutionResult | None:
        """Return an execution, the result of invalid variables, or None if graphql-core must execute the operation."""
        coerced = self._variable_coercer.coerce(variables)
        if isinstance(coerced, list):
            return ExecutionResult(None, coerced)
        values = tuple(coerced.coerced.get(name) for name in self.conditions)
        if any(value.__class__ is not bool for value in values):
            return None  # graphql-core produces the error message
        try:
            return OperationExecution(self.variant(values), context, coerced)
        except NotCompilable:
            return None

    def variant(self, values: tuple[Any, ...]) -> CompiledOperation:
        """Return the operation compiled for these values of the conditions. Raises NotCompilable."""
        compiled = self._variants.get(values)
        if compiled is None:
            compiled = self._variants[values] = self._try_compile(values)
            while len(self._variants) > MAX_VARIANTS or self._field_count() > MAX_VARIANT_FIELDS:
                self._variants.popitem(last=False)
        else:
            self._variants.move_to_end(values)
        if isinstance(compiled, str):
            raise NotCompilable(compiled)
        return compiled

    def _field_count(self) -> int:
        return sum(compiled.field_count for compiled in self._variants.values() if not isinstance(compiled, str))

    def _try_compile(self, values: tuple[Any, ...]) -> CompiledOperation | str:
        """Return the compiled operation or the reason why there is none; both are cached."""
        conditions = VariableValues({}, dict(zip(self.conditions, values, strict=True)))
        try:
            return OperationCompiler(self.schema, self.document, self.operation, conditions).compile()
        except NotCompilable as reason:
            return str(reason)

    async def _interpret(self, context: Any, variables: Mapping[str, Any], root_value: Any) -> ExecutionResult:
        """Execute the operation by graphql-core."""
        name = self.operation.name.value if self.operation.name else None
        result = execute(
            self.schema,
            self.document,
            root_value,
            context_value=context,
            variable_values=dict(variables),
            operation_name=name,
        )
        return await result if isawaitable(result) else result


def compile_plan(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Plan:
    """Return the plan of an operation of a valid document. Raises NotCompilable."""
    if operation.directives:
        raise NotCompilable("the operation has directives")
    scan = DocumentScan()
    visit(document, scan)
    if scan.has_introspection:
        raise NotCompilable("introspection is not compiled")
    declared = {definition.variable.name.value for definition in operation.variable_definitions or ()}
    return Plan(schema, document, operation, sorted(scan.condition_variables & declared))


class DocumentScan(Visitor):
    """Scans a document for introspection and for the variables in conditions."""

    def __init__(self) -> None:
        super().__init__()
        self.has_introspection = False
        self.condition_variables: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Detect introspection. `__typename` is compiled like any other field."""
        self.has_introspection |= node.name.value in {"__schema", "__type"}

    def enter_directive(self, node: Any, *_: Any) -> None:
        """Add variables of @skip and @include, the only directives that a valid document can have on fields."""
        for argument in node.arguments:
            if isinstance(argument.value, VariableNode):
                self.condition_variables.add(argument.value.name.value)


class OperationCompiler:
    """Compiles one operation for one combination of conditions."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        conditions: VariableValues,
    ) -> None:
        self.schema, self.operation, self.conditions = schema, operation, conditions
        fragments = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
        self.fragments = {node.name.value: node for node in fragments}
        self.fragment_details = {name: FragmentDetails(node) for name, node in self.fragments.items()}
        self.selections: list[Selection] = []
        self.field_count = 0
        self.lines: list[str] = []
        # By the name in `build_{name}` and `resolve_{name}`.
        self.generated: dict[str, Selection] = {}
        # Names of those that read columns.
        self.row_builders: set[str] = set()
        # Globals of the generated code; `bound` has the name of each object that is in them already.
        self.names: dict[str, Any] = {"is_sync_value": IS_SYNC_VALUE, "bail_out": bail_out}
        self.bound: dict[Any, str] = {}

    def compile(self) -> CompiledOperation:
        """Return the compiled operation. Raises NotCompilable."""
        root_type = self.schema.get_root_type(self.operation.operation)
        assert root_type is not None
        collected = collect_fields(self.schema, self.fragment_details, self.conditions, root_type, self.operation)
        root = self._select(root_type, collected.grouped_field_set)
        for field in root.fields:
            field.is_inline = False
            if self.operation.operation is OperationType.SUBSCRIPTION:
                bind_event(field)
        title = self.operation.name.value if self.operation.name else "(unnamed)"
        self.lines += [f"# {self.operation.operation.value} {title}", *CODE_COMMENT]
        for selection in self._selections_to_generate(root):
            self._generate(selection)
        source = "\n".join(self.lines) + "\n"
        self._load(source)
        is_serial = self.operation.operation is OperationType.MUTATION
        return CompiledOperation(
            schema=self.schema,
            operation=self.operation,
            fragments=self.fragments,
            root=root,
            is_serial=is_serial,
            prefetching=[] if is_serial else self._prefetching_fields(),
            source=source,
            field_count=self.field_count,
        )

    def _prefetching_fields(self) -> list[Field]:
        """Return the fields that can request a prefetch. A field that is selected more than once is left to loaders."""
        fields = [field for selection in self.selections for field in selection.fields if field.prefetch is not None]
        counts = Counter((field.parent, field.name) for field in fields)
        return [field for field in fields if counts[field.parent, field.name] == 1]

    def _select(self, type_: GraphQLObjectType, grouped: Mapping[str, FieldDetailsList]) -> Selection:
        """Return the selection of these fields of a type, including all selections below."""
        if len(self.selections) >= MAX_SELECTIONS:
            raise NotCompilable(f"more than {MAX_SELECTIONS} combinations of fields and types")
        selection = Selection(type_)
        self.selections.append(selection)
        selection.fields = [self._select_field(type_, key, details) for key, details in grouped.items()]
        return selection

    def _select_field(self, parent: GraphQLObjectType, key: str, details: FieldDetailsList) -> Field:
        self.field_count += 1
        if self.field_count > MAX_PLAN_FIELDS:
            raise NotCompilable(f"more than {MAX_PLAN_FIELDS} fields")
        nodes = [detail.node for detail in details]
        definition = self.schema.get_field(parent, nodes[0].name.value)
        assert definition is not None
        field = Field(
            key=key,
            nodes=nodes,
            definition=definition,
            parent=parent,
            resolve=unbound,
            coerce_arguments=bind_arguments(definition, nodes[0]),
        )
        named_type = get_named_type(definition.type)
        if is_abstract_type(named_type):
            types = self.schema.get_possible_types(named_type)
        else:
            types = [named_type] if is_object_type(named_type) else []
        for type_ in types:
            grouped = collect_subfields(
                self.schema, self.fragment_details, self.conditions, self.operation, type_, details
            ).grouped_field_set
            field.selections[type_.name] = self._select(type_, grouped)
        bind_resolver(self.schema, field)
        return field

    def _selections_to_generate(self, selection: Selection) -> Iterator[Selection]:
        """Yield the selections that need functions. Those of inline fields are part of the expression above them."""
        yield selection
        for field in selection.fields:
            if not field.is_inline:
                for below in field.selections.values():
                    yield from self._selections_to_generate(below)

    def _generate(self, selection: Selection) -> None:
        """Append the source of a selection's functions."""
        name = next(
            name for name in numbered_names(snake_case(selection.type.name)) if f"build_{name}" not in self.names
        )
        self.names[f"build_{name}"] = None
        self.generated[name] = selection
        expressions = ExpressionGenerator(self.names, self.bound)
        self.lines += ["", "", *self._build_function(name, selection, expressions)]
        if expressions.columns:
            self.row_builders.add(name)
        resolved = {field.key: field for field in selection.fields if not field.is_inline}
        if not resolved:
            return
        self.names[f"fields_of_{name}"] = resolved
        self.lines += ["", "", f"def resolve_{name}(execution, sources, results):"]
        for key, field in resolved.items():
            signature = f"{field.parent.name}.{field.name}: {field.type}"
            call = f"execution.resolve_field(fields_of_{name}[{key!r}], sources, results)"
            self.lines.append(f"    {call}  # {signature}")

    def _build_function(
        self, name: str, selection: Selection, expressions: ExpressionGenerator, columns: Sequence[str] = ()
    ) -> list[str]:
        """Return the source of the function that builds results. With `columns` it unpacks rows that have these."""
        result = expressions.result(selection, SOURCE, " " * 12)
        variables = [expressions.columns.get(column, "_") for column in columns]
        return [
            f"def build_{name}(sources):  # {selection.type.name}",
            "    results = []",
            f"    for {SOURCE} in sources:",
            *([f"        {', '.join(variables)}, = {SOURCE}"] if columns else []),
            f"        results.append({result})",
            "    return results",
        ]

    def _generate_unpacking(self, name: str, selection: Selection, columns: tuple[str, ...]) -> BuildResults | None:
        """Return a function that builds results of rows with these columns; None if they lack one."""
        expressions = ExpressionGenerator(self.names, self.bound, is_unpacked=True)
        lines = self._build_function(name, selection, expressions, columns)
        if not expressions.columns.keys() <= set(columns):
            return None
        build_results: BuildResults = self._exec("\n".join(lines) + "\n")[f"build_{name}"]
        return build_results

    def _load(self, source: str) -> None:
        """Execute the source and assign its functions to their selections."""
        self.names.update(self._exec(source))
        for name, selection in self.generated.items():
            selection.build_results = self.names[f"build_{name}"]
            if name in self.row_builders:
                generate_unpacking = partial(self._generate_unpacking, name, selection)
                selection.build_results = RowBuilder(selection.build_results, generate_unpacking)
            selection.resolve_fields = self.names.get(f"resolve_{name}", selection.resolve_fields)

    def _exec(self, source: str) -> dict[str, Any]:
        """Return the functions of a source by name. Tracebacks show the source while the plan exists."""
        file = f"<plan {next(_source_numbers)}>"
        functions: dict[str, Any] = {}
        exec(compile(source, file, "exec"), self.names, functions)  # noqa: S102 - only names of the schema and literals
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        weakref.finalize(self.selections[0], linecache.cache.pop, file, None)
        return functions
