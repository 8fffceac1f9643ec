"""What one request works with: the viewer, one snapshot of the database, and its loaders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from aiodataloader import DataLoader, dispatch_queue
from aiodataloader import Loader as Wanted

from app.db.session import OneStatementReader
from app.db.transaction import Tx
from app.graphql.viewer import NOBODY, Viewer
from app.resources import Reader, Resources

if TYPE_CHECKING:
    from strawberry import Info as StrawberryInfo

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
L = TypeVar("L", bound="Loader[Any, Any]")

if TYPE_CHECKING:
    from typing import TypeAlias

    Info: TypeAlias = StrawberryInfo["Context", None]


NOTHING: frozenset[str] = frozenset()


@dataclass
class Context:
    """One per request. All reads of a request see the same snapshot, so an answer never mixes before and after."""

    resources: Resources
    viewer: Viewer = NOBODY
    # By GraphQL type: the columns that the operation needs of its rows; None: all of them.
    columns: Mapping[str, frozenset[str] | None] | None = None
    # By GraphQL type: what will be asked of loaders for each of its rows, where a plan can tell.
    ahead: dict[str, list[Ahead]] = field(default_factory=dict)
    _loaders: dict[type, Any] = field(default_factory=dict)
    _offered: dict[type, list[Any]] = field(default_factory=dict)
    # The types of whose rows a statement brought that along.
    brought: set[str] = field(default_factory=set)
    # Whether all is expected to be read by one statement; see OneStatementReader.
    one_statement: bool = False
    reader: Reader | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ended: bool = False
    # The tasks of batches under way: whoever waits for a batch can be cancelled without ending it.
    batches: set[asyncio.Task[Any]] = field(default_factory=set)

    def loader(self, cls: type[L]) -> L:
        """The request's loader of this class: the class is the key."""
        found = self._loaders.get(cls)
        if found is None:
            found = self._loaders[cls] = cls(self)
        for row in self._offered.pop(cls, ()):
            found.prime(row["id"], row)
        return found

    def offer(self, cls: type[Loader[int, Any]], rows: Sequence[Any]) -> None:
        """Rows that a loader by id would find; it takes them over when somebody asks for it."""
        self._offered[cls] = [*self._offered.get(cls, ()), *rows]

    def read(self) -> Turn:
        """The request's snapshot, opened when first asked for; a connection runs one statement at a time."""
        return Turn(self)

    def wanted(self, type_name: str) -> frozenset[str] | None:
        """The columns that the operation needs of the rows of a GraphQL type; None: all of them."""
        return None if self.columns is None else self.columns.get(type_name, NOTHING)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        """A transaction of a mutation. What is read after it is read anew."""
        async with self.resources.write() as tx:
            yield tx
        await self.close()

    async def close(self) -> None:
        """Gives the snapshot back, once no statement runs on it, and forgets what was loaded."""
        async with self._one_at_a_time:
            self._loaders.clear()
            self._offered.clear()
            reader, self.reader = self.reader, None
            if reader is not None:
                await reader.close()

    async def __aenter__(self) -> Context:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended = True
        if kind is asyncio.CancelledError:  # nobody waits for the answer: what still runs for it is ended, too
            for task in self.batches:
                task.cancel()
        await self.close()


class Ahead(Protocol):
    """What will be asked of a loader for each row of a type: the statement that reads the rows can bring it along."""

    values: Mapping[str, Any]

    def column(self, context: Context) -> Any:
        """The expression to select, the same object for the same text; it refers to the row's table."""

    def take(self, context: Context, row: Any) -> None:
        """Primes the loader with what a row brought."""


class Turn:
    """Entered, it is a request's snapshot; until it is left, nobody else of the request runs a statement."""

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context

    async def __aenter__(self) -> Reader:
        context = self.context
        await context._one_at_a_time.acquire()
        if context._ended:
            # An error has ended the request; the loader that is still under way must not open another snapshot.
            context._one_at_a_time.release()
            raise RuntimeError("The request has ended.")
        if context.reader is None:
            kind = OneStatementReader if context.one_statement else Reader
            context.reader = kind(context.resources.reading)
        return context.reader

    async def __aexit__(self, *_: object) -> None:
        self.context._one_at_a_time.release()


class Loader(DataLoader[K, V], Generic[K, V]):
    """Keys in, values out in the same order; each batch is one statement on the request's snapshot."""

    def __init__(self, context: Context) -> None:
        # What the library's own does but for its checks of `batch_load_fn`, which take longer than a load.
        self.context = context
        self.loop = asyncio.get_running_loop()
        self._cache = {}
        self._queue = []

    def get_cache_key(self, key: K) -> K:
        """Keys are their own."""
        return key

    def do_resolve_reject(self, key: K, future: asyncio.Future[V]) -> None:
        """Queues a key. Its batch begins as late as the library has it begin, but without a task to wait for that."""
        self._queue.append(Wanted(key, future))
        if len(self._queue) == 1:
            self.loop.call_soon(self.loop.call_soon, dispatch_queue, self)

    async def batch_load_fn(self, keys: list[K]) -> list[V]:
        """Called by aiodataloader with the keys of one tick, in a task of its own."""
        task = asyncio.current_task()
        assert task is not None
        self.context.batches.add(task)
        try:
            async with self.context.read() as session:
                return await self.values(session, keys)
        except asyncio.CancelledError:
            raise RuntimeError("The request has ended.") from None
        finally:
            self.context.batches.discard(task)

    async def values(self, session: Reader, keys: list[K]) -> list[V]:
        """The values of these keys, in their order."""
        raise NotImplementedError
