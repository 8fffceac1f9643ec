"""Documents compiled into plans: Python that builds the answer of one operation, generated once and then only run.

For every selection of fields on an object type there is a function that takes a list of such objects and gives a list
of results, and one that has the resolvers among its fields called. The functions hold nothing of a document but
response keys, in the form that `repr` gives them; all else is bound by name to objects of the schema. `plan` holds what
they run on, and what happens to values that are not as expected.
"""

from __future__ import annotations

import keyword
import linecache
import re
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from itertools import count
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    Node,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    Visitor,
    default_field_resolver,
    execute,
    get_named_type,
    is_abstract_type,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    visit,
)
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from app.columns import Column
from app.gateway.plan import PLAIN, Deviation, Field, Frame, Run, Selection, deviate
from app.gateway.variables import Coercion

# A selection for every type that an object may have, at every level: interfaces within interfaces multiply.
MAX_SELECTIONS = 1_000
# Each combination of conditions is a variant of its own, made when it occurs in a millisecond or two; these many stay.
MAX_VARIANTS = 64

NO_VARIABLES = VariableValues({}, {})
EXACT = {
    GraphQLString: "{v}.__class__ is str",
    GraphQLID: "{v}.__class__ is str",
    GraphQLInt: "{v}.__class__ is int and -0x80000000 <= {v} <= 0x7FFFFFFF",
    GraphQLFloat: "{v}.__class__ is float and {v} - {v} == 0.0",
    GraphQLBoolean: "{v}.__class__ is bool",
}

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
        self._variants: OrderedDict[tuple[bool, ...], _Variant] = OrderedDict()
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
            variables = VariableValues({}, dict(zip(self.conditions, held, strict=True)))
            found = self._variants[held] = _Compiler(self.schema, self.document, self.operation, variables).compile()
            if len(self._variants) > MAX_VARIANTS:
                self._variants.popitem(last=False)
        else:
            self._variants.move_to_end(held)
        return found

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
        return _Variant(Frame(self.schema, self.operation, self.definitions, root, serial), source)

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
            resolve=_unsettled,
            arguments=_arguments(definition, nodes[0]),
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
        _Resolution(self.schema, made).settle()
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
        name = next(n for n in _names_like(_snake(selection.type.name)) if f"build_{n}" not in self.names)
        self.names[f"build_{name}"] = None
        self.functions[name] = selection
        body = _Shape(self.names, self.bound).result(selection, "s", " " * 12)
        self.lines += ["", "", f"def build_{name}(sources):  # {selection.type.name}", "    outs = []"]
        self.lines += ["    for s in sources:", f"        outs.append({body})", "    return outs"]
        called = {each.key: each for each in selection.fields if not each.inline}
        if not called:
            return
        self.names[f"fields_of_{name}"] = called
        self.lines += ["", "", f"def resolve_{name}(run, sources, outs):"]
        for key, each in called.items():
            signature = f"{each.parent.name}.{each.nodes[0].name.value}: {each.type}"
            self.lines.append(f"    run.call(fields_of_{name}[{key!r}], sources, outs)  # {signature}")

    def _make(self, source: str) -> None:
        """Compiles the functions; tracebacks show their source as long as the plan lives."""
        file = f"<plan {next(_numbers)}>"
        exec(compile(source, file, "exec"), self.names)  # noqa: S102 - made of the schema's names and of literals alone
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        for name, selection in self.functions.items():
            selection.build = self.names[f"build_{name}"]
            selection.resolve = self.names.get(f"resolve_{name}", selection.resolve)
        weakref.finalize(self.selections[0], linecache.cache.pop, file, None)


class _Resolution:
    """How a field gets its value."""

    def __init__(self, schema: GraphQLSchema, made: Field) -> None:
        self.schema, self.made = schema, made
        declared = made.definition.extensions.get("strawberry-definition")
        self.declared = declared if isinstance(declared, StrawberryField) else None

    def settle(self) -> None:
        """Finds the quickest way that gives the same."""
        made, declared = self.made, self.declared
        if made.nodes[0].name.value == "__typename":
            name = made.parent.name
            made.resolve, made.needs_info, made.inline = (lambda *_: name), False, True
        elif declared is None or declared.extensions or not self._is_direct():
            made.resolve = self._by_graphql()
        elif declared.base_resolver is None:
            made.resolve, made.needs_info = self._attribute(declared), False
            made.inline = _is_inline(made)
        else:
            made.resolve, made.needs_info = self._method(declared)
            made.inline = self._is_computed(declared) and _is_inline(made)

    def _is_direct(self) -> bool:
        """Whether Strawberry would do nothing else around the field's own way."""
        strawberry_schema: Any = getattr(self.schema, "_strawberry_schema", None)
        return strawberry_schema is not None and not getattr(strawberry_schema, "exception_handlers", ())

    def _by_graphql(self) -> Callable[[Any, Any, Mapping[str, Any]], Any]:
        """The resolver of the schema, with all that Strawberry has put around it."""
        resolve: Any = self.made.definition.resolve or default_field_resolver
        return lambda source, info, arguments: resolve(source, info, **arguments)

    def _attribute(self, declared: StrawberryField) -> Callable[[Any, Any, Mapping[str, Any]], Any]:
        return lambda source, *_: declared.get_result(source, info=None, args=[], kwargs={})

    def _method(self, declared: StrawberryField) -> tuple[Callable[[Any, Any, Mapping[str, Any]], Any], bool]:
        """A call of the function that resolves the field, and whether it takes an Info."""
        resolver: Any = declared.base_resolver
        function = resolver.wrapped_func
        takes_self = resolver.self_parameter is not None
        parents = [each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each is not None]
        info_name = resolver.info_parameter.name if resolver.info_parameter is not None else None
        converter = getattr(self.schema, "_strawberry_schema").schema_converter  # noqa: B009
        config, registry, info_class = converter.config, converter.scalar_registry, converter.config.info_class
        parameters = declared.arguments
        needs_info = info_name is not None or bool(parameters)

        def resolve(source: Any, raw_info: Any, arguments: Mapping[str, Any]) -> Any:
            given: dict[str, Any] = {}
            if needs_info:
                info = info_class(_raw_info=raw_info, _field=declared)
                if parameters:
                    given = convert_arguments(dict(arguments), parameters, registry, config, info)
                if info_name is not None:
                    given[info_name] = info
            for name in parents:
                given[name] = source
            return function(source, **given) if takes_self else function(**given)

        return resolve, needs_info

    def _is_computed(self, declared: StrawberryField) -> bool:
        """Whether it is a plain method of its object, which can be called in place."""
        resolver: Any = declared.base_resolver
        others = (resolver.parent_parameter, resolver.root_parameter, resolver.info_parameter)
        return (
            resolver.self_parameter is not None and not any(others) and not declared.arguments and not resolver.is_async
        )


def _is_inline(made: Field) -> bool:
    """Whether generated code can build the value where it stands."""
    type_: Any = made.type.of_type if is_non_null_type(made.type) else made.type
    if is_leaf_type(type_):
        return True
    if is_list_type(type_):
        item = type_.of_type.of_type if is_non_null_type(type_.of_type) else type_.of_type
        return item in (GraphQLString, GraphQLID)
    if not is_object_type(type_) or type_.is_type_of is not None:
        return False
    return all(each.inline for each in made.selections[type_.name].fields)


class _Shape:
    """Expressions that build results. `names` takes what they refer to."""

    def __init__(self, names: dict[str, Any], bound: dict[Any, str]) -> None:
        self.names, self.bound = names, bound
        self.depth = 0

    def result(self, selection: Selection, source: str, indent: str) -> str:
        """A dict display with a line per field. Those that are resolved by call are null until then."""
        if not selection.fields:
            return "{}"
        lines = [f"{indent}{each.key!r}: {self._value(each, source, indent)},\n" for each in selection.fields]
        return "{\n" + "".join(lines) + indent[:-4] + "}"

    def _value(self, each: Field, source: str, indent: str) -> str:
        if not each.inline:
            return "None"
        if each.nodes[0].name.value == "__typename":
            return repr(each.parent.name)
        nullable = not is_non_null_type(each.type)
        type_: Any = each.type if nullable else each.type.of_type  # type: ignore[union-attr]
        read = self._read(each, source)
        if is_list_type(type_):
            empty = not is_non_null_type(type_.of_type)
            name = self._name("strings", ("strings", nullable, empty), lambda: _strings(nullable, empty))
            return f"{name}({read})"
        if is_enum_type(type_):
            name = self._name(f"names_{type_.name}", (type_, nullable), lambda: _enum_names(type_, nullable))
            return f"{name}[{read}]"
        if is_leaf_type(type_):
            return read if _is_trusted(each, type_) else self._scalar(type_, read, nullable)
        return self._object(each, type_, read, source, indent, nullable)

    def _read(self, each: Field, source: str) -> str:
        """The expression for the value before it is completed."""
        declared: Any = each.definition.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            function = declared.base_resolver.wrapped_func
            wish = f"{_snake(each.parent.name)}_{declared.python_name}"
            return f"{self._name(wish, function, lambda: function)}({source})"
        if isinstance(declared, Column):
            if declared.column is None:
                return source
            read = f"{source}[{declared.column!r}]"
            if declared.mapping is None:
                return read
            meaning = declared.mapping
            wish = f"{_snake(each.parent.name)}_{declared.python_name}"
            name = self._name(wish, id(meaning), lambda: meaning)
            return f"{name}[{read}]"
        name = declared.python_name
        if type(declared) is StrawberryField and declared.default_resolver is getattr and _is_attribute(name):
            return f"{source}.{name}"
        wish = f"{_snake(each.parent.name)}_{declared.python_name}"
        function = self._name(wish, declared, lambda: lambda s: declared.get_result(s, info=None, args=[], kwargs={}))
        return f"{function}({source})"

    def _scalar(self, type_: Any, read: str, nullable: bool) -> str:
        exact = EXACT.get(type_)
        if exact is None:
            name = self._name(f"coerce_{type_.name}", (type_, nullable), lambda: _coerce(type_, nullable))
            return f"{name}({read})"
        condition = exact.format(v="v")
        if nullable:
            return f"v if (v := {read}) is None or {condition} else deviate()"
        first, *rest = condition.split(" ", 1)
        return f"v if (v := {read}).{first.removeprefix('v.')} {rest[0]} else deviate()"

    def _object(self, each: Field, type_: Any, read: str, source: str, indent: str, nullable: bool) -> str:
        selection = each.selections[type_.name]
        if read == source:
            return self.result(selection, source, indent + "    ")
        self.depth += 1
        name = f"s{self.depth}"
        result = self.result(selection, name, indent + "    ")
        self.depth -= 1
        checked = f"{result} if plain[{name}.__class__] else deviate()"
        return (
            f"None if ({name} := {read}) is None else {checked}"
            if nullable
            else checked.replace(f"plain[{name}.__class__]", f"plain[({name} := {read}).__class__]")
        )

    def _name(self, wish: str, key: Any, make: Callable[[], Any]) -> str:
        """The name of an object that generated code refers to; the same for the same key."""
        if key not in self.bound:
            name = next(name for name in _names_like(wish) if name not in self.names)
            self.names[name], self.bound[key] = make(), name
        return self.bound[key]


def _is_trusted(each: Field, type_: Any) -> bool:
    """Whether a column holds nothing but such values: tests/test_column_types.py compares SQL types with GraphQL's.

    Not numbers of floating point: NaN and infinity are none to GraphQL.
    """
    declared = each.definition.extensions["strawberry-definition"]
    if not isinstance(declared, Column) or declared.mapping is not None:
        return False
    return type_ in (GraphQLString, GraphQLInt, GraphQLBoolean)


def _unsettled(*_: Any) -> Any:
    raise AssertionError


def _names_like(wish: str) -> Iterator[str]:
    yield wish
    for number in count(2):
        yield f"{wish}_{number}"


def _is_attribute(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _snake(name: str) -> str:
    """`CPUConnection` as `cpu_connection`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _enum_names(type_: Any, nullable: bool) -> dict[Any, str | None]:
    """Value -> name as it is sent, for members of the Python enumeration and their values alike."""
    names: dict[Any, str | None] = {}
    for value in [each.value for each in type_.values.values()] + list(getattr(type_, "wrapped_cls", ())):
        try:
            names[value] = type_.coerce_output_value(value)
        except (TypeError, ValueError, GraphQLError):
            continue
    if nullable:
        names[None] = None
    return names


def _coerce(type_: Any, nullable: bool) -> Callable[[Any], Any]:
    """Of a custom scalar."""
    to_output = type_.coerce_output_value

    def coerce(value: Any) -> Any:
        if value is None and nullable:
            return None
        if not PLAIN[value.__class__]:
            raise Deviation
        coerced = to_output(value)
        if coerced is None or coerced is Undefined:
            raise Deviation
        return coerced

    return coerce


def _strings(nullable: bool, empty: bool) -> Callable[[Any], Any]:
    """Of a list of texts."""
    allowed = {str, type(None)} if empty else {str}

    def strings(value: Any) -> Any:
        if value is None and nullable:
            return None
        if value.__class__ is not list or not allowed.issuperset(map(type, value)):
            raise Deviation
        return value[:]

    return strings


def _arguments(definition: Any, node: FieldNode) -> Callable[[VariableValues], Mapping[str, Any]]:
    """What the arguments of a field are, given the variables. What they are always is found now."""
    if not definition.args:
        return lambda _: {}
    if not any(_has_variable(argument.value) for argument in node.arguments or ()):
        try:
            constant = get_argument_values(definition, node, NO_VARIABLES)
        except GraphQLError:
            pass
        else:
            if all(isinstance(value, (str, int, float, bool, type(None))) for value in constant.values()):
                return lambda _: constant
    return lambda variables: get_argument_values(definition, node, variables)


def _has_variable(node: Node) -> bool:
    found = False

    class Search(Visitor):
        def enter_variable(self, *_: Any) -> None:
            nonlocal found
            found = True

    visit(node, Search())
    return found
