"""What compiled documents run on: a level of objects at a time, and the rare ways in which it goes other than planned.

Generated code (see `compiler`) builds the results of a whole list of objects at once and is written for values as they
should be. Where one is not, it raises, and the same objects are built carefully, field by field, as the specification
tells. Resolvers of one level are called for all of its objects, then awaited together, so that loaders batch. Where a
value cannot be had, its place is left null and a fault is noted; only at the end are the paths of faults found, and
nulls carried up to where they may be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    Undefined,
    default_type_resolver,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import inspect, is_iterable

from app.engine.compiler.awaitables import all_of, collect, one_by_one
from app.engine.compiler.field_errors import Fault, Indices, Position, positions, with_errors
from app.engine.compiler.plan import PLAIN, Field, Frame, Selection, must_be_awaited
from app.engine.compiler.resolve_info import Info

# Of more, loaders are better asked all at once, should they not have it after all.
FEW = 5

# Objects, and the places where their results belong: a dict and a response key, or a list and an index, or a list and
# a slice, which takes as many results as it is long.
Found = dict["Selection", tuple[list[Any], list[tuple[Any, Any]]]]


class Place(NamedTuple):
    """Where one value belongs."""

    field: Field
    type: GraphQLOutputType
    holder: dict[str, Any]
    container: Any
    slot: Any
    indices: Indices


class _Pending(NamedTuple):
    """Values, some of them to be awaited, and what goes on with them. `field`: whose they all are."""

    go_on: Callable[[list[Any]], None]
    values: list[Any]
    field: Field | None = None


class Run:
    """One execution."""

    def __init__(self, frame: Frame, context: Any, variables: VariableValues) -> None:
        self.frame, self.context, self.variables = frame, context, variables
        self.data: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self._pending: list[_Pending] = []
        # Fields that told ahead what they ask for.
        self._told: set[Field] = set()
        self._arguments: dict[Field, Mapping[str, Any] | Exception] = {}

    async def result(self) -> ExecutionResult:
        """Runs the operation."""
        root = self.frame.root
        self._look_ahead()
        (self.data,) = root.build([None])
        if self.frame.serial:
            for each in root.fields:
                self.call(each, [None], [self.data])
                await self._drain()
                if any(self._position_of(fault).nulled is None for fault in self.faults):
                    break
        else:
            root.resolve(self, [None], [self.data])
            await self._drain()
        return with_errors(self.frame, self.data, self.faults) if self.faults else ExecutionResult(self.data, None)

    def call(self, field: Field, sources: Sequence[Any], outs: list[dict[str, Any]]) -> None:
        """Resolves a field of all these objects; what must be awaited is left for the end of the level."""
        values: list[Any] = []
        resolve = field.resolve
        try:
            arguments = self._arguments_of(field)
        except GraphQLError as error:
            values = [error] * len(outs)
        else:
            for source, out in zip(sources, outs, strict=True):
                try:
                    values.append(resolve(source, Info(self, field, out) if field.needs_info else None, arguments))
                except Exception as error:
                    values.append(error)
        if any(map(must_be_awaited, values)):
            self._pending.append(_Pending(lambda values: self.settle(field, outs, values), values, field))
        else:
            self.settle(field, outs, values)

    def settle(self, field: Field, outs: list[dict[str, Any]], values: list[Any]) -> None:
        """Puts the values of a field into the results, and goes on with the objects among them."""
        found: Found = {}
        for out, value in zip(outs, values, strict=True):
            if not self._is_plain(field, out, value, found):
                self._complete(Place(field, field.type, out, out, field.key, ()), value, found)
        self._descend(found)

    def path_of(self, holder: dict[str, Any]) -> tuple[str | int, ...]:
        """Return the response path of a result."""
        return self.position(holder).path

    def position(self, holder: dict[str, Any]) -> Position:
        """Where in the answer a result is."""
        return positions(self.frame, self.data, [holder])[id(holder)]

    def _arguments_of(self, field: Field) -> Mapping[str, Any]:
        found = self._arguments.get(field)
        if found is None:
            try:
                found = field.arguments(self.variables)
            except GraphQLError as error:
                found = error
            self._arguments[field] = found
        if isinstance(found, Exception):
            raise found
        return found

    def _look_ahead(self) -> None:
        """Tells the context what loaders will be asked for, so that a statement before can bring it along."""
        told: dict[str, list[Any]] = {}
        for field in self.frame.ahead:
            assert field.ahead is not None
            with suppress(Exception):  # the resolver will say so
                asked = field.ahead(self._arguments_of(field))
                if asked is not None:
                    told.setdefault(field.parent.name, []).append(asked)
                    self._told.add(field)
        if told:  # instead of what another operation with the same context told: its columns have the same names
            self.context.ahead = told

    async def _drain(self) -> None:
        """Awaits what a level needs, all at once, until no level is left."""
        while self._pending:
            level, self._pending = self._pending, []
            waiting = [value for each in level for value in each.values if must_be_awaited(value)]
            # What is there already needs no tasks to wait for it.
            at_once = len(waiting) <= FEW and all(self._is_brought(each.field) for each in level)
            results = iter(await (one_by_one if at_once else all_of)(waiting))
            for each in level:
                each.go_on([next(results) if must_be_awaited(value) else value for value in each.values])

    def _is_brought(self, field: Field | None) -> bool:
        """Whether a statement brought along what the field asks for."""
        return field in self._told and field.parent.name in self.context.brought

    def _is_plain(self, field: Field, out: dict[str, Any], value: Any, found: Found) -> bool:
        """Puts the usual values where they belong: an object, a list of objects, none of them null, a plain scalar."""
        selection = field.objects
        if selection is None:
            if field.is_exact is None or not field.is_exact(value):
                return False
            out[field.key] = value
            return True
        values = value if field.is_list else [value]
        if values.__class__ is not list or not self._are_objects(selection.type, field, out, values):
            return False
        sources, places = found.setdefault(selection, ([], []))
        sources.extend(values)
        if field.is_list:
            results: list[Any] = [None] * len(values)
            out[field.key] = results
            places.append((results, slice(len(values))))
        else:
            out[field.key] = None
            places.append((out, field.key))
        return True

    def _are_objects(self, type_: GraphQLObjectType, field: Field, out: dict[str, Any], values: list[Any]) -> bool:
        """Whether all are objects of this type, none of them null or to be awaited."""
        kinds = set(map(type, values))
        if field.records:
            return all(issubclass(kind, field.records) for kind in kinds)
        return all(PLAIN[kind] for kind in kinds) and self._all_are(type_, field, out, values)

    def _all_are(self, type_: GraphQLObjectType, field: Field, out: dict[str, Any], values: list[Any]) -> bool:
        """Whether all objects are of this type, as far as can be told at once."""
        is_type_of = type_.is_type_of
        if is_type_of is None:
            return True
        info: Any = Info(self, field, out)
        try:
            return not iscoroutinefunction(is_type_of) and all(is_type_of(each, info) is True for each in values)
        except Exception:  # it is asked again for each
            return False

    def _complete(self, place: Place, value: Any, found: Found) -> None:
        """A value as its type tells. Objects are only found here."""
        try:
            self._complete_as(place, place.type, value, found)
        except Exception as error:
            self._fail(place, error)

    def _complete_as(self, place: Place, type_: Any, value: Any, found: Found) -> None:
        if isinstance(value, Exception):
            raise value
        if must_be_awaited(value):
            self._later(place, value)
            return
        if is_non_null_type(type_):
            type_ = type_.of_type
            if value is None or value is Undefined:
                raise TypeError(f"Cannot return null for non-nullable field {place.field.parent}.{_name(place.field)}.")
        place.container[place.slot] = None
        if value is None or value is Undefined:
            return
        if is_list_type(type_):
            self._complete_list(place, type_, value, found)
        elif is_leaf_type(type_):
            place.container[place.slot] = _leaf(type_, value)
        else:
            self._complete_object(place, type_, value, found)

    def _complete_list(self, place: Place, type_: Any, value: Any, found: Found) -> None:
        if hasattr(value, "__aiter__"):
            self._later(place, collect(value))
            return
        if not is_iterable(value):
            name = f"{place.field.parent}.{_name(place.field)}"
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{name}'.")
        items = list(value)
        results = place.container[place.slot] = [None] * len(items)
        for index, item in enumerate(items):
            position = place._replace(
                type=type_.of_type, container=results, slot=index, indices=(*place.indices, index)
            )
            self._complete(position, item, found)

    def _complete_object(self, place: Place, type_: Any, value: Any, found: Found) -> None:
        if is_abstract_type(type_):
            info: Any = Info(self, place.field, place.holder)
            name = (type_.resolve_type or default_type_resolver)(value, info, type_)
            if must_be_awaited(name):
                self._when_known(
                    place,
                    name,
                    lambda name, found: self._of_type(place, self._known(place, type_, value, name), value, found),
                )
                return
            type_ = self._known(place, type_, value, name)
        self._of_type(place, type_, value, found)

    def _of_type(self, place: Place, type_: GraphQLObjectType, value: Any, found: Found) -> None:
        """An object of what should be this type."""
        info: Any = Info(self, place.field, place.holder)
        is_one = True if type_.is_type_of is None else type_.is_type_of(value, info)
        if must_be_awaited(is_one):
            self._when_known(place, is_one, lambda is_one, found: self._enlist(place, type_, value, is_one, found))
        else:
            self._enlist(place, type_, value, is_one, found)

    def _enlist(self, place: Place, type_: GraphQLObjectType, value: Any, is_one: Any, found: Found) -> None:
        if not is_one:
            raise GraphQLError(f"Expected value of type '{type_}' but got: {inspect(value)}.", place.field.nodes)
        selection = place.field.selections[type_.name]
        sources, places = found.setdefault(selection, ([], []))
        sources.append(value)
        places.append((place.container, place.slot))

    def _when_known(self, place: Place, awaitable: Awaitable[Any], go_on: Callable[[Any, Found], None]) -> None:
        """Goes on at this place when the awaitable is done."""

        def settle(values: list[Any]) -> None:
            found: Found = {}
            try:
                if isinstance(values[0], Exception):
                    raise values[0]
                go_on(values[0], found)
            except Exception as error:
                self._fail(place, error)
            self._descend(found)

        self._pending.append(_Pending(settle, [awaitable]))

    def _later(self, place: Place, awaitable: Awaitable[Any]) -> None:
        """Completes the value at this place when it is there."""

        def settle(values: list[Any]) -> None:
            found: Found = {}
            self._complete(place, values[0], found)
            self._descend(found)

        self._pending.append(_Pending(settle, [awaitable]))

    def _descend(self, found: Found) -> None:
        """The results of the objects that were found, put where they belong, and then what they resolve."""
        for selection, (sources, places) in found.items():
            try:
                outs = selection.build(sources)
            except Exception:  # whatever it is: careful work finds out
                outs = [{each.key: None for each in selection.fields} for _ in sources]
                careful = True
            else:
                careful = False
            _put(places, outs)
            if careful:
                for each in selection.fields:
                    self.call(each, sources, outs)
            else:
                selection.resolve(self, sources, outs)

    def _known(self, place: Place, abstract: Any, value: Any, name: Any) -> GraphQLObjectType:
        """The object type of this name. Raises what the specification calls a field error."""
        schema = self.frame.schema
        where = f"'{place.field.parent}.{_name(place.field)}'"
        nodes = place.field.nodes
        if name is None:
            raise GraphQLError(
                f"Abstract type '{abstract}' must resolve to an Object type at runtime for field {where}."
                f" Either the '{abstract}' type should provide a 'resolve_type' function or each possible type should"
                " provide an 'is_type_of' function.",
                nodes,
            )
        if not isinstance(name, str):
            raise GraphQLError(
                f"Abstract type '{abstract}' must resolve to an Object type at runtime for field {where} with value"
                f" {inspect(value)}, received '{inspect(name)}', which is not a valid Object type name.",
                nodes,
            )
        found = schema.get_type(name)
        if found is None:
            message = (
                f"Abstract type '{abstract}' was resolved to a type '{name}' that does not exist inside the schema."
            )
            raise GraphQLError(message, nodes)
        if not is_object_type(found):
            raise GraphQLError(f"Abstract type '{abstract}' was resolved to a non-object type '{name}'.", nodes)
        if not schema.is_sub_type(abstract, found):
            raise GraphQLError(f"Runtime Object type '{found}' is not a possible type for '{abstract}'.", nodes)
        return found

    def _fail(self, place: Place, error: Exception) -> None:
        place.container[place.slot] = None
        self.faults.append(Fault(place.holder, place.field, place.indices, error))

    def _position_of(self, fault: Fault) -> Position:
        return self.position(fault.holder).of(fault.field, fault.indices)


def _put(places: list[tuple[Any, Any]], outs: list[dict[str, Any]]) -> None:
    """Puts results where they belong."""
    index = 0
    for container, slot in places:
        if slot.__class__ is slice:
            end = index + slot.stop
            container[:] = outs[index:end]
            index = end
        else:
            container[slot] = outs[index]
            index += 1


def _leaf(type_: Any, value: Any) -> Any:
    """A scalar or enum value as it is sent."""
    coerced = type_.coerce_output_value(value)
    if coerced is Undefined or coerced is None:
        raise TypeError(
            f"Expected `{inspect(type_)}.coerce_output_value({inspect(value)})` to return non-nullable value, returned:"
            f" {inspect(coerced)}"
        )
    return coerced


def _name(field: Field) -> str:
    return field.nodes[0].name.value
