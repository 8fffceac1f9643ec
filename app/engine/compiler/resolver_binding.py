"""How fields get their values: the quickest way that gives what the resolvers of the schema give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLID,
    GraphQLSchema,
    GraphQLString,
    Node,
    Undefined,
    VariableNode,
    Visitor,
    default_field_resolver,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    visit,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry import ID
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryMaybe, StrawberryOptional
from strawberry.types.field import StrawberryField

from app.engine.compiler.plan import Field, nullable
from app.graphql.fields import AHEAD

NO_VARIABLES = VariableValues({}, {})
Arguments = Callable[[VariableValues], Mapping[str, Any]]


def converting(converter: Any, declared: StrawberryField) -> Callable[[Mapping[str, Any], Any], dict[str, Any]] | None:
    """From the arguments of a field to those of its resolver, as Strawberry converts them; None without any.

    Numbers and texts are what they were, and null is None.
    """
    config, registry = converter.config, converter.scalar_registry
    ways = [
        (config.name_converter.from_argument(each), each.python_name, each.type, _converts(each.type))
        for each in declared.arguments
    ]
    if not ways:
        return None

    def convert(arguments: Mapping[str, Any], info: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, python_name, type_, converts in ways:
            if name in arguments:
                value = arguments[name]
                if converts and (value is not None or isinstance(type_, StrawberryMaybe)):
                    value = convert_argument(value, type_, registry, config, info, path=(name,))
                given[python_name] = value
        return given

    return convert


def _converts(type_: Any) -> bool:
    """Whether values of a type may differ from those that graphql-core gives."""
    if isinstance(type_, StrawberryOptional) and not isinstance(type_, StrawberryMaybe):
        type_ = type_.of_type
    return type_ not in (int, str, float, bool, ID)


def settle(schema: GraphQLSchema, made: Field) -> None:
    """Finds how a field gets its value, once the selections below it are known."""
    _Resolution(schema, made).settle()


def arguments_of(definition: Any, node: FieldNode) -> Arguments:
    """What the arguments of a field are, given the variables. What they are always is found now."""
    if not definition.args:
        return lambda _: {}
    if not any(_has_variable(argument.value) for argument in node.arguments or ()):
        try:
            constant = get_argument_values(definition, node, NO_VARIABLES)
        except GraphQLError:
            pass
        else:
            if _is_immutable(constant):
                return lambda _: constant
    reference = partial(get_argument_values, definition, node)
    return _plainly(definition, node, reference) or reference


def _plainly(definition: Any, node: FieldNode, reference: Arguments) -> Arguments | None:
    """Arguments that are variables as they are, or left out; None where there is more to do."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    named: list[tuple[str, str, bool]] = []
    for name, argument in definition.args.items():
        value = given.get(name)
        if isinstance(value, VariableNode):
            named.append((argument.out_name or name, value.name.value, is_non_null_type(argument.type)))
        elif value is not None:
            return None
    try:
        # Defaults: what it would be if no variable had a value.
        without = FieldNode(name=node.name, arguments=())
        constant = get_argument_values(definition, without, NO_VARIABLES)
    except GraphQLError:
        return None
    if not _is_immutable(constant):
        return None

    def arguments(variables: VariableValues) -> Mapping[str, Any]:
        found = dict(constant)
        for name, variable, required in named:
            value = variables.coerced.get(variable, Undefined)
            if value is None and required:
                return reference(variables)  # it words the error
            if value is not Undefined:
                found[name] = value
        return found

    return arguments


def _is_immutable(arguments: Mapping[str, Any]) -> bool:
    """Whether all executions may share them: resolvers cannot change what they are given."""
    return all(isinstance(value, (str, int, float, bool, type(None))) for value in arguments.values())


def _has_variable(node: Node) -> bool:
    found = False

    class Search(Visitor):
        def enter_variable(self, *_: Any) -> None:
            nonlocal found
            found = True

    visit(node, Search())
    return found


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
            made.ahead = self._ahead(declared)
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
        info_class = converter.config.info_class
        parameters = converting(converter, declared)
        needs_info = info_name is not None or parameters is not None

        def resolve(source: Any, raw_info: Any, arguments: Mapping[str, Any]) -> Any:
            given: dict[str, Any] = {}
            if needs_info:
                info = info_class(_raw_info=raw_info, _field=declared)
                if parameters is not None:
                    given = parameters(arguments, info)
                if info_name is not None:
                    given[info_name] = info
            for name in parents:
                given[name] = source
            return function(source, **given) if takes_self else function(**given)

        return resolve, needs_info

    def _ahead(self, declared: StrawberryField) -> Callable[[Mapping[str, Any]], Any] | None:
        """What the field will ask a loader for, where it is declared to tell."""
        tell = declared.metadata.get(AHEAD)
        if tell is None:
            return None
        converter = getattr(self.schema, "_strawberry_schema").schema_converter  # noqa: B009
        parameters = converting(converter, declared)
        assert parameters is not None
        return lambda arguments: tell(**parameters(arguments, None))

    def _is_computed(self, declared: StrawberryField) -> bool:
        """Whether it is a plain method of its object, which can be called in place."""
        resolver: Any = declared.base_resolver
        others = (resolver.parent_parameter, resolver.root_parameter, resolver.info_parameter)
        return (
            resolver.self_parameter is not None and not any(others) and not declared.arguments and not resolver.is_async
        )


def _is_inline(made: Field) -> bool:
    """Whether generated code can build the value where it stands."""
    type_ = nullable(made.type)
    if is_leaf_type(type_):
        return True
    if is_list_type(type_):
        return nullable(type_.of_type) in (GraphQLString, GraphQLID)
    if not is_object_type(type_) or type_.is_type_of is not None:
        return False
    return all(each.inline for each in made.selections[type_.name].fields)


def unsettled(*_: Any) -> Any:
    """Of a field whose way is not found yet."""
    raise AssertionError
