"""A synthetic schema with the constructs that the production schema does not use.

The behavior of its resolvers follows from a seed. Each object has a `key`, the place where it was created. A resolver
draws from the seed, that key, its name and its arguments (`World.draw`), or from the path if it receives one. Two
executions of a document therefore see the same values, nulls and errors, in any order of the calls. Some resolvers
record in the world that they were called.
"""

from __future__ import annotations

import asyncio
import datetime
import decimal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Generic, NewType, TypeVar
from zlib import crc32

import strawberry
from graphql import GraphQLError, GraphQLSchema
from strawberry.extensions.field_extension import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types.nodes import SelectedField
from strawberry.types.scalar import ScalarDefinition

from app.core.errors import BadInput, NotFound
from app.graphql.strawberry_bridge import graphql_schema
from tests.engine.compiler.random_values import Pools

T = TypeVar("T")
# Kinds of failure: a plain exception, two AppErrors, a GraphQLError, a null, and an exception as a value.
MOODS = ("plain", "input", "missing", "graphql", "null", "returned")


@dataclass
class World:
    """The context of one execution. `error_rate`: the percentage of calls that fail."""

    seed: int
    error_rate: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    # What root mutations did, in order: (event, response key).
    log: list[tuple[str, str]] = field(default_factory=list)
    total: int = 0

    def draw(self, *about: object) -> int:
        """Return a number below 2**32 that follows from the seed and the subject."""
        return crc32(repr(about).encode(), self.seed)

    def mood(self, *about: object) -> str | None:
        """Return the kind of failure, or None."""
        drawn = self.draw("mood", *about)
        return MOODS[drawn // 100 % len(MOODS)] if drawn % 100 < self.error_rate else None

    def act(self, value: T, *about: object) -> T:
        """Return the value; `error_rate` percent of the calls raise an error, or return None or an exception."""
        mood = self.mood(*about)
        if mood is None:
            return value
        words = f"{mood} {self.draw(*about) % 1000}"
        if mood == "plain":
            raise ValueError(words)
        if mood == "input":
            raise BadInput(words)
        if mood == "missing":
            raise NotFound(words)
        if mood == "graphql":
            raise GraphQLError(words, extensions={"code": "OWN", "about": [1, None]})
        return None if mood == "null" else RuntimeError(words)

    async def later(self, value: T, *about: object) -> T:
        """Act after zero to three iterations of the event loop."""
        for _ in range(self.draw("turns", *about) % 4):
            await asyncio.sleep(0)
        return self.act(value, *about)


Info = strawberry.Info[World, None]


class Later(Generic[T]):
    """An awaitable that is not a coroutine and can be awaited more than once."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self.make = make

    def __await__(self) -> Iterator[Any]:
        return self.make().__await__()

    def __repr__(self) -> str:
        return "<Later>"


def place(info: Info) -> str:
    """Return the path of a field as text, and record the call."""
    found = ".".join(map(str, info.path.as_list()))
    info.context.calls[found] += 1
    return found


# --- scalars and enums ---

Even = NewType("Even", int)
Point = NewType("Point", tuple[int, int])


def _even(value: Any) -> int:
    if not isinstance(value, int) or value % 2:
        raise ValueError(f"{value!r} is not even")
    return value


def _point(value: Any) -> tuple[int, int]:
    x, y = str(value).split("/")
    return int(x), int(y)


SCALARS: dict[object, ScalarDefinition] = {
    Even: strawberry.scalar(name="Even", serialize=_even, parse_value=_even),
    Point: strawberry.scalar(name="Point", serialize=lambda at: f"{at[0]}/{at[1]}", parse_value=_point),
}
POOLS = Pools(
    named={"depth": [0, 1, 2], "count": [0, 1, 2, 3], "first": [0, 1, 2, 3], "text": ["x", "", "ü\n\"'"]},
    scalars={
        "Even": [0, 2, -4],
        "Point": ["1/2", "-3/0"],
        "JSON": [1, "text", {"a": [1, {"b": None}]}, [], 1.5, True],
        "Date": ["2024-02-29"],
        "DateTime": ["2024-02-29T12:00:00+00:00", "2024-02-29T12:00:00.123456"],
        "Time": ["12:30:00"],
        "Decimal": ["1.50", "-3"],
        "UUID": ["12345678-1234-5678-1234-567812345678"],
    },
)


@strawberry.enum(description="Members have names, GraphQL other names, Python other values.")
class Color(Enum):
    RED = "r-e-d"
    GREEN = 2
    BLUE = strawberry.enum_value(("a", "tuple"), name="AZURE")
    OLD = strawberry.enum_value(None.__class__, deprecation_reason="gone")


@strawberry.enum
class Level(IntEnum):
    LOW = 1
    HIGH = 10


@strawberry.enum(name="Letters")
class Alphabet(StrEnum):
    a = "A"
    True_ = "T"


# --- inputs ---


@strawberry.input
class Inner:
    n: int = 7
    color: Color = Color.GREEN
    tags: list[str] | None = strawberry.field(default_factory=lambda: ["one", "two"])
    matrix: list[list[int | None]] | None = None
    class_: str | None = strawberry.field(name="class", default="k")


@strawberry.input(name="Outer")
class OuterInput:
    must: int
    inner: Inner | None = strawberry.UNSET
    inners: list[Inner] = strawberry.field(default_factory=list)
    self_again: OuterInput | None = None
    even: Even | None = None
    level: Level = Level.HIGH
    maybe: strawberry.Maybe[int]
    maybe_null: strawberry.Maybe[str | None]
    at: datetime.date | None = None


@strawberry.input(one_of=True)
class Either:
    number: int | None = strawberry.UNSET
    text: str | None = strawberry.UNSET
    inner: Inner | None = strawberry.UNSET


def shown(value: Any) -> str:
    """Return an argument as text that distinguishes types, enum members and unset values."""
    if isinstance(value, (Inner, OuterInput, Either)):
        names = value.__dataclass_fields__
        return f"{type(value).__name__}({', '.join(f'{name}={shown(getattr(value, name))}' for name in names)})"
    if isinstance(value, strawberry.Some):
        return f"Some({shown(value.value)})"
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return "UNSET" if value is strawberry.UNSET else repr(value)


# --- permissions and extensions of fields ---


class Maybe(BasePermission):
    """Allows access if the draw does."""

    message = "not today"
    error_extensions = {"code": "NOT_TODAY"}  # noqa: RUF012

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        return info.context.draw("may", getattr(source, "key", None), shown_all(kwargs)) % 4 > 0


class MaybeLater(BasePermission):
    """Allows access asynchronously; its error has no code."""

    message = "not even later"

    async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        await asyncio.sleep(0)
        return info.context.draw("later", getattr(source, "key", None), info.field_name) % 4 > 0


class Refuses(BasePermission):
    """Raises an AppError."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        if info.context.draw("refuses", getattr(source, "key", None)) % 3 == 0:
            raise NotFound("You may not know whether it exists.")
        return True


class Shouting(FieldExtension):
    """A field extension that changes the arguments and the result."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        kwargs = {name: each.upper() if isinstance(each, str) else each for name, each in kwargs.items()}
        found = next_(source, info, **kwargs)
        return f"{found}!" if isinstance(found, str) else found


class ShoutingLater(FieldExtension):
    """A field extension that changes an awaited result."""

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        found = await next_(source, info, **kwargs)
        await asyncio.sleep(0)
        return f"{found}?" if isinstance(found, str) else found


def shown_all(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={shown(each)}" for name, each in sorted(arguments.items()))


# --- interfaces, objects, unions ---


@strawberry.interface(description="The lowest.")
class Entity:
    key: strawberry.ID

    @strawberry.field
    def where(self, info: Info) -> str:
        return place(info)

    @strawberry.field
    async def kin(self, info: Info, count: int = 1) -> list[Entity]:
        """Return a list of an interface, with items of several classes."""
        world = info.context
        made = [beast(world, f"{self.key}.kin{count}.{n}") for n in range(min(count, 3))]
        return await world.later(made, self.key, "kin", count)


@strawberry.interface
class Named(Entity):
    name: str

    @strawberry.field(deprecation_reason="Use name.")
    def title(self, info: Info) -> str | None:
        return info.context.act(f"Title of {self.name}", self.key, "title")


@strawberry.interface
class Legged:
    legs: int | None


@strawberry.type
class Cat(Named, Legged):
    purrs: bool

    @strawberry.field
    def friend(self, info: Info) -> Named | None:
        return info.context.act(beast(info.context, f"{self.key}.friend"), self.key, "friend")

    @strawberry.field
    async def lives(self, info: Info) -> int:
        return await info.context.later(9, self.key, "lives")


@strawberry.type
class Dog(Named, Legged):
    barks: float

    @strawberry.field
    async def friend(self, info: Info) -> Cat | None:
        """Return another type than the cat's field of this name, and none that is covariant."""
        return await info.context.later(cat(info.context, f"{self.key}.friend"), self.key, "friend")

    @strawberry.field(name="kin")
    def own_kin(self, info: Info, count: int = 2, extra: bool = False) -> list[Dog]:
        """Implement the field of the interface with another default, one more argument and a narrower type."""
        return [dog(info.context, f"{self.key}.pup{n}.{extra}") for n in range(min(count, 3))]


@strawberry.type
class Rock(Entity):
    """An object type without a name and legs."""

    weight: decimal.Decimal | None

    @strawberry.field
    @staticmethod
    def weighed(info: Info, parent: strawberry.Parent[Rock], times: int = 2) -> str | None:
        return info.context.act(f"{parent.weight} {times}", parent.key, times)


def _doubled(parent: strawberry.Parent[Duck], by: int = 2) -> int:
    return parent.number * (by % 5)


@strawberry.type
class Plain:
    """Implements no interface: any Python object with these attributes can represent it."""

    key: str
    number: int
    half: float | None
    flag: bool | None
    due: int | None
    day: datetime.date
    moment: datetime.datetime | None
    exact: decimal.Decimal
    token: uuid.UUID
    anything: JSON | None
    color: Color
    colors: list[Color | None]
    level: Level
    letter: Alphabet | None
    even: Even
    point: Point | None

    doubled: int = strawberry.field(resolver=_doubled)

    @strawberry.field
    def deeper(self: Any, info: Info) -> Plain:
        return info.context.act(Duck(info.context, f"{self.key}.deeper"), self.key, "deeper")


class Duck:
    """Represents a `Plain` by properties, some of which raise, have the wrong type or return awaitables."""

    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self.key = key
        self.day = datetime.date(2024, 2, 29)
        self.exact = decimal.Decimal("1.50")
        self.token = uuid.UUID(int=world.draw(key))
        self.level = Level.LOW
        self.letter = Alphabet.True_

    def __repr__(self) -> str:
        return f"<Duck {self.key}>"

    def pick(self, name: str, good: T, *bad: Any) -> T:
        """Return the valid value, or in `error_rate` percent of the calls an invalid one."""
        drawn = self.world.draw(self.key, name)
        if bad and drawn % 50 < self.world.error_rate:
            return bad[drawn // 50 % len(bad)]
        return good

    @property
    def number(self) -> int:
        return self.pick("number", 3, 2**40, "12", "no number", 1.0, True, 1.5, None)

    @property
    def half(self) -> float:
        return self.pick("half", 0.5, float("nan"), float("inf"), "0.25", 2, "x")

    @property
    def flag(self) -> bool | None:
        return self.pick("flag", True, 1, 0.0, "yes", None)

    @property
    def due(self) -> Any:
        return Later(lambda: self.world.later(5, self.key, "due"))

    @property
    def moment(self) -> datetime.datetime:
        return self.world.act(datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.UTC), self.key, "moment")

    @property
    def anything(self) -> Any:
        return self.pick("anything", {"b": [1, {"a": None}], "a": 2.5}, 0, "", [], False)

    @property
    def color(self) -> Any:
        return self.pick("color", list(Color)[self.world.draw(self.key) % 3], "r-e-d", "no color", 2, None)

    @property
    def colors(self) -> Any:
        return self.pick("colors", (Color.RED, None, Color.BLUE), [Color.GREEN, "no color"], None, 7, "string")

    @property
    def even(self) -> Any:
        return self.pick("even", 4, 5, None, "4")

    @property
    def point(self) -> Any:
        return self.pick("point", (1, 2), (), "12", ValueError("no point"))


@strawberry.type
class Box(Generic[T]):
    """A generic type."""

    key: str
    content: T
    contents: list[T | None]
    spare: T | None = None


@strawberry.type
class Nothing:
    """A type with one field, which is always null although it is non-null."""

    @strawberry.field
    def null(self) -> int | None:
        return None

    @strawberry.field
    def never(self) -> int:
        return None


@strawberry.interface
class Form:
    """An interface. Its objects name their own type, some asynchronously and some wrongly."""

    corners: int

    @classmethod
    def resolve_type(cls, value: Any, info: Any, abstract_type: Any) -> Any:
        return Later(lambda: _soon(value.is_called)) if value.takes_time else value.is_called


@strawberry.type
class Round(Form):
    radius: float

    @classmethod
    async def is_type_of(cls, value: Any, info: Any) -> bool:
        return await _soon(value.corners == 0)


@strawberry.type
class Square(Form):
    @strawberry.field
    def side(self, info: Info) -> float | None:
        return info.context.act(1.5, self.corners, "side")

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        if value.corners == 5:
            raise ValueError("five corners")
        return bool(value.corners == 4)


@dataclass
class Drawn:
    """Represents any form."""

    is_called: Any
    takes_time: bool
    corners: int
    radius: float = 1.0

    def side(self, info: Info) -> float:
        raise AssertionError("The resolver is the type's, not the object's.")


async def _soon(value: T) -> T:
    await asyncio.sleep(0)
    return value


def form(world: World, key: str) -> Drawn:
    """Return a form, or in `error_rate` percent of the calls one with a wrong type name, or another object."""
    drawn = world.draw(key, "form")
    if drawn % 60 < world.error_rate:
        wrong = (("Rond", 0), ("Cat", 0), (None, 0), (7, 0), ("Color", 4), ("Square", 0), ("Round", 4), ("Square", 5))
        name, corners = wrong[drawn // 60 % len(wrong)]
        return Drawn(name, drawn % 2 == 0, corners)
    return Drawn("Round", drawn % 4 < 2, 0) if drawn % 2 else Drawn("Square", drawn % 4 < 2, 4)


Thing = Annotated[Cat | Rock | Plain | Nothing, strawberry.union("Thing", description="Of all kinds.")]


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    page_info: PageInfo
    edges: list[Edge[T]]
    nodes: list[T]
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field
    async def total_count(self) -> int:
        return await self.count()


@strawberry.type
class Lists:
    """Lists of every nullability and of every Python type."""

    key: str

    @strawberry.field
    def ints(self, info: Info) -> list[int]:
        return self._list(info.context, "ints", range(3))

    @strawberry.field
    def maybe_ints(self, info: Info) -> list[int | None] | None:
        return self._list(info.context, "maybe_ints", (n for n in (1, None, 3)))

    @strawberry.field
    async def nested(self, info: Info) -> list[list[int]]:
        return self._list(info.context, "nested", [(1, 2), [], {3: "three"}.keys()])

    @strawberry.field
    def nested_maybe(self, info: Info) -> list[list[int | None] | None]:
        return self._list(info.context, "nested_maybe", [[1, None], None, iter([2])])

    @strawberry.field
    def nested_strict(self, info: Info) -> list[list[int] | None] | None:
        """Return nested lists in which a null item sets only its inner list to null."""
        return self._list(info.context, "nested_strict", [[1, None], [2], [ValueError("in a list")]])

    @strawberry.field
    def cube(self, info: Info) -> list[list[list[Plain | None]]]:
        world = info.context
        return [[[Duck(world, f"{self.key}.cube{n}{m}") for m in range(2)], []] for n in range(2)]

    @strawberry.field
    def promised(self, info: Info) -> list[int | None]:
        """Return a list with awaitables and plain values."""
        world = info.context
        return [world.later(n, self.key, "promised", n) if n % 2 else n for n in range(4)]

    @strawberry.field
    def promised_strict(self, info: Info) -> list[int]:
        world = info.context
        return [Later(lambda n=n: world.later(n, self.key, "strict", n)) for n in range(3)]

    @strawberry.field
    def promised_things(self, info: Info) -> list[Thing | None]:
        world = info.context
        return [world.later(thing(world, f"{self.key}.{n}"), self.key, "things", n) for n in range(3)]

    @strawberry.field
    def streamed(self, info: Info) -> list[int | None]:
        """Return an asynchronous generator as a list."""
        return self._stream(info.context, "streamed")

    @strawberry.field
    def breaking(self, info: Info) -> list[int | None] | None:
        """Return a generator that raises before it ends."""
        return self._breaking(info.context)

    @strawberry.field
    async def beasts(self, info: Info, count: int = 2) -> list[Named | None]:
        world = info.context
        made = [
            world.act(beast(world, f"{self.key}.b{n}"), self.key, n) if n % 2 else beast(world, f"{self.key}.b{n}")
            for n in range(min(count, 4))
        ]
        return await world.later(made, self.key, "beasts", count)

    @strawberry.field
    async def strict_things(self, info: Info) -> list[Thing]:
        """Return a list of non-null items: one that fails sets the list to null."""
        return [thing(info.context, f"{self.key}.strict{n}") for n in range(2)]

    def _list(self, world: World, name: str, good: Any) -> Any:
        drawn = world.draw(self.key, name)
        if drawn % 40 < world.error_rate:
            return (None, 7, "text", [None], [1, "x"], [[None]], ValueError("a list"), [True, 2.0], {1: 1})[
                drawn // 40 % 9
            ]
        return good

    async def _stream(self, world: World, name: str) -> AsyncIterator[Any]:
        for n in range(3):
            await asyncio.sleep(0)
            yield world.act(n, self.key, name, n)

    def _breaking(self, world: World) -> Iterator[Any]:
        yield 1
        yield world.act(2, self.key, "breaking")
        yield None


def cat(world: World, key: str) -> Cat:
    return Cat(key=strawberry.ID(key), name=f"Tom {world.draw(key) % 100}", legs=4, purrs=True)


def dog(world: World, key: str) -> Dog:
    name = None if world.mood(key, "dog") == "null" else "Rex"
    return Dog(key=strawberry.ID(key), name=name, legs=None, barks=1.0)


def beast(world: World, key: str) -> Any:
    """Return a cat, a dog or a rock; rarely an object that no interface knows."""
    drawn = world.draw(key, "beast")
    if drawn % 200 < world.error_rate:
        return Nothing() if drawn % 2 else f"no beast {key}"
    if drawn % 3 == 0:
        return cat(world, key)
    return dog(world, key) if drawn % 3 == 1 else Rock(key=strawberry.ID(key), weight=decimal.Decimal(drawn % 9))


def thing(world: World, key: str) -> Any:
    """Return a member of the union; rarely another object."""
    drawn = world.draw(key, "thing")
    if drawn % 300 < world.error_rate:
        return dog(world, key) if drawn % 2 else 5
    if drawn % 4 == 0:
        return cat(world, key)
    if drawn % 4 == 1:
        return Nothing()
    return plain(world, key) if drawn % 4 == 2 else Rock(key=strawberry.ID(key), weight=None)


def plain(world: World, key: str) -> Plain:
    """Return an instance of the class, because a union checks the class."""
    duck = Duck(world, key)
    names = [name for name, each in Plain.__dataclass_fields__.items() if each.init and name != "moment"]
    return Plain(**{name: getattr(duck, name) for name in names}, moment=None)


# --- the roots ---


@strawberry.type
class Query:
    @strawberry.field
    def where(self, info: Info) -> str:
        """Return the position that the resolve info contains."""
        place(info)
        raw = info._raw_info
        position = [info.path.as_list(), info.field_name, info.python_name, raw.parent_type.name, str(raw.return_type)]
        return repr([*position, raw.operation.operation.value, len(raw.field_nodes)])

    @strawberry.field
    def selected(self, info: Info, depth: int | None = None) -> list[str]:
        """Return the selected fields and the variables that the resolve info contains."""
        return [each.name for each in info.selected_fields if isinstance(each, SelectedField)] + [
            f"{name}={shown(each)}" for name, each in sorted(info.variable_values.items())
        ]

    @strawberry.field
    def no_info(self) -> int:
        return 1

    @strawberry.field
    async def echo(
        self,
        number: int = 3,
        *,
        info: Info,
        text: str | None = "default",
        ratio: float = 1.5,
        flag: Annotated[bool | None, strawberry.argument(name="if")] = None,
        id_: Annotated[strawberry.ID | None, strawberry.argument(name="id")] = None,
        colour: Annotated[Color, strawberry.argument(name="color", description="With another name.")] = Color.BLUE,
        level: Level | None = strawberry.UNSET,
        letters: list[Alphabet] | None = None,
    ) -> str | None:
        """Return scalar and enum arguments, with defaults and with renamed arguments such as `info`."""
        given = (number, text, ratio, flag, id_, colour, level, letters)
        return await info.context.later(", ".join(map(shown, given)), "echo", place(info))

    @strawberry.field
    def inputs(
        self,
        outer: OuterInput | None = None,
        inner: Inner = Inner(n=5, tags=None),  # noqa: B008
        either: Either | None = None,
        matrix: list[list[int]] | None = None,
        inners: list[Inner | None] = [],  # noqa: B006
        numbers: list[int] = [1, 2],  # noqa: B006
        maybe: strawberry.Maybe[int | None] = None,
    ) -> str:
        """Return input objects as the resolver receives them."""
        return "; ".join(map(shown, (outer, inner, either, matrix, inners, numbers, maybe)))

    @strawberry.field
    def scalars(
        self,
        even: Even | None = None,
        point: Point | None = None,
        at: datetime.datetime | None = None,
        day: datetime.date | None = None,
        exact: decimal.Decimal | None = None,
        token: uuid.UUID | None = None,
        anything: JSON | None = None,
    ) -> str:
        """Return custom scalars as the resolver receives them."""
        return "; ".join(map(repr, (even, point, at, day, exact, token, anything)))

    @strawberry.field
    def keep(self, thing: JSON | None = None, things: list[JSON] | None = None) -> str:
        """Change its argument in place, which the next call must not see."""
        seen = repr((thing, things))
        for each in (thing, *(things or ())):
            given: Any = each
            if isinstance(given, dict):
                given["changed"] = True
            if isinstance(given, list):
                given.append("changed")
        return seen

    @strawberry.field
    def required(self, info: Info, number: int, outer: OuterInput, colors: list[Color]) -> str | None:
        return info.context.act(f"{number} {shown(outer)} {shown(colors)}", number)

    @strawberry.field
    def plain(self, info: Info) -> Plain:
        return Duck(info.context, place(info))

    @strawberry.field
    async def maybe_plain(self, info: Info) -> Plain | None:
        world = info.context
        return await world.later(Duck(world, place(info)), place(info), "maybe_plain")

    @strawberry.field
    def promise(self, info: Info) -> Plain | None:
        """Return an awaitable from a synchronous resolver."""
        world = info.context
        return world.later(Duck(world, "promise"), place(info))

    @strawberry.field
    def lists(self, info: Info) -> Lists | None:
        return Lists(key=place(info))

    @strawberry.field
    async def all_lists(self, info: Info, count: int = 2) -> list[Lists]:
        return [Lists(key=f"{place(info)}.{n}") for n in range(min(count, 3))]

    @strawberry.field
    def thing(self, info: Info) -> Thing | None:
        return thing(info.context, place(info))

    @strawberry.field
    async def things(self, info: Info, count: int = 3) -> list[Thing | None]:
        world = info.context
        found = [thing(world, f"{place(info)}.{n}") for n in range(min(count, 4))]
        return await world.later(found, "things", place(info))

    @strawberry.field
    def entity(self, info: Info) -> Entity | None:
        return beast(info.context, place(info))

    @strawberry.field
    async def entities(self, info: Info, count: int = 3) -> list[Entity | None]:
        return [beast(info.context, f"{place(info)}.{n}") for n in range(min(count, 4))]

    @strawberry.field
    def form(self, info: Info) -> Form | None:
        return form(info.context, place(info))

    @strawberry.field
    async def forms(self, info: Info, count: int = 3) -> list[Form | None]:
        return [form(info.context, f"{place(info)}.{n}") for n in range(min(count, 4))]

    @strawberry.field
    def round(self, info: Info) -> Round | None:
        return form(info.context, place(info))

    @strawberry.field
    def strict_forms(self, info: Info) -> list[Form] | None:
        return [form(info.context, f"{place(info)}.{n}") for n in range(3)]

    @strawberry.field
    def legged(self, info: Info) -> Legged | None:
        return beast(info.context, place(info))

    @strawberry.field
    def impostor(self, info: Info) -> Cat | None:
        """Return an object that may not be a cat."""
        return info.context.act(thing(info.context, place(info)), "impostor")

    @strawberry.field
    def strict(self, info: Info) -> Named:
        """Return an object with a non-null field that may fail, which sets all data to null."""
        found = beast(info.context, place(info))
        return cat(info.context, "strict") if isinstance(found, Rock) and not info.context.error_rate else found

    @strawberry.field
    def box(self, info: Info) -> Box[int] | None:
        return Box(key="box", content=1, contents=[1, None])

    @strawberry.field
    def cat_box(self, info: Info) -> Box[Cat]:
        made = cat(info.context, place(info))
        return Box(key="cats", content=made, contents=[made, None, made], spare=made)

    @strawberry.field
    def named_box(self, info: Info) -> Box[Named] | None:
        at = place(info)
        return Box(key=at, content=beast(info.context, at), contents=[dog(info.context, at)])

    @strawberry.field
    async def cats(self, info: Info, first: int | None = None, after: str | None = None) -> Connection[Cat] | None:
        """Return a connection as defined by Relay."""
        world, at = info.context, place(info)
        nodes = [cat(world, f"{at}.{n}") for n in range(min(first if first is not None else 2, 4))]
        return Connection(
            page_info=PageInfo(has_next_page=bool(nodes), end_cursor=str(len(nodes)) if nodes else None),
            edges=[Edge(cursor=str(n), node=node) for n, node in enumerate(nodes)],
            nodes=nodes,
            count=lambda: world.later(len(nodes), "total", at),
        )

    @strawberry.field
    def lazy(self, info: Info) -> Annotated[Remote, strawberry.lazy("tests.engine.compiler.synthetic_schema")] | None:
        return Remote(key=place(info))

    @strawberry.field
    def found_now(self, info: Info, number: int = 0) -> Thing | None:
        """Raise NotFound, which may become a value (see `Finds`)."""
        return info.context.act(thing(info.context, place(info)), "found", number)

    @strawberry.field
    async def found(self, info: Info) -> Thing:
        return await info.context.later(thing(info.context, place(info)), place(info))

    @strawberry.field(permission_classes=[Maybe])
    def guarded(self, info: Info, number: int = 1) -> int:
        return number

    @strawberry.field(permission_classes=[Maybe, MaybeLater])
    async def guarded_later(self, info: Info) -> Plain | None:
        return await info.context.later(Duck(info.context, "guarded"), "guarded")

    @strawberry.field(permission_classes=[MaybeLater])
    def guarded_sync_by_async(self, info: Info) -> str | None:
        return info.context.act("passed", "by async")

    @strawberry.field(extensions=[PermissionExtension([Maybe()], fail_silently=True)])
    def silent(self, info: Info, number: int = 1) -> int | None:
        return number

    @strawberry.field(extensions=[PermissionExtension([MaybeLater(), Refuses()], fail_silently=True)])
    async def silent_list(self, info: Info) -> list[Thing]:
        return [thing(info.context, f"silent{n}") for n in range(2)]

    @strawberry.field(extensions=[Shouting()])
    def shouted(self, info: Info, text: str = "loud") -> str | None:
        return info.context.act(text, "shouted", text)

    @strawberry.field(extensions=[ShoutingLater()], permission_classes=[Refuses])
    async def shouted_later(self, text: str = "later") -> str:
        await asyncio.sleep(0)
        return text

    @strawberry.field(extensions=[Shouting(), ShoutingLater()])
    def shouted_sync_by_async(self, text: str | None = None) -> str | None:
        return text


@strawberry.type
class Remote:
    """A lazily resolved type that leads back to the root."""

    key: str

    @strawberry.field
    def query(self) -> Query:
        return Query()

    @strawberry.field
    def again(self, info: Info) -> Annotated[Remote, strawberry.lazy("tests.engine.compiler.synthetic_schema")] | None:
        return info.context.act(Remote(key=f"{self.key}+"), self.key)


@strawberry.type
class Receipt:
    """The payload of a mutation: the total at that time, and slow fields."""

    key: strawberry.Private[str]
    total: int

    @strawberry.field
    async def slow_total(self, info: Info) -> int:
        """Return the total after a while: the next mutation must not have begun."""
        world = info.context
        world.log.append(("below", self.key))
        for _ in range(3):
            await asyncio.sleep(0)
        world.log.append(("below", self.key))
        return world.total

    @strawberry.field
    async def risky(self, info: Info) -> Receipt:
        info.context.log.append(("below", self.key))
        return await info.context.later(self, self.key, "risky")

    @strawberry.field
    def thing(self, info: Info) -> Thing | None:
        return thing(info.context, self.key)


@strawberry.type
class Mutation:
    """Root fields record when they begin and end, to show that they are executed serially."""

    @strawberry.mutation
    def add(self, info: Info, number: int = 1) -> Receipt:
        return _receipt(info, number)

    @strawberry.mutation
    async def add_later(self, info: Info, number: int = 1) -> Receipt | None:
        world, at = info.context, place(info)
        world.log.append(("begin", at))
        for _ in range(2):
            await asyncio.sleep(0)
        receipt = _receipt(info, number)
        world.log.append(("end", at))
        return await world.later(receipt, at, "add_later")

    @strawberry.mutation
    def add_or_fail(self, info: Info, number: int = 1) -> Receipt:
        """Fail in `error_rate` percent of the calls: then all data is null and later mutations are not executed."""
        return info.context.act(_receipt(info, number), place(info), "add_or_fail")

    @strawberry.mutation
    def count(self, info: Info) -> int | None:
        world = info.context
        world.log.append(("count", place(info)))
        return world.act(world.total, place(info), "count")


def _receipt(info: Info, number: int) -> Receipt:
    world, at = info.context, place(info)
    world.log.append(("add", at))
    world.total += number
    return Receipt(key=at, total=world.total)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, count: int = 2) -> AsyncIterator[int]:
        for n in range(count):
            yield n


class Finds(strawberry.ExceptionHandler[NotFound, Nothing]):
    """Converts some exceptions to values where the type of the field allows it."""

    def handle(self, exception: NotFound, *, field: Any, info: Any) -> Nothing | None:
        return Nothing() if len(exception.message) % 2 else None


def build(*, handlers: bool = False) -> GraphQLSchema:
    """Return the graphql-core schema. With `handlers`, exceptions can become values."""
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Cat, Dog, Rock, Round, Square],
        config=StrawberryConfig(scalar_map=SCALARS),
        exception_handlers=[Finds()] if handlers else [],
    )
    return graphql_schema(schema)
