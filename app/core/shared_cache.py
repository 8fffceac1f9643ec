"""Per-process cache of values that several tasks need at about the same time, each computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from app.core.shared_task import SharedTask

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedCache(Generic[K, V]):
    """Cache that removes its oldest values when their total weight exceeds a limit.

    Tasks that miss the same key wait for one computation. `weigh` returns the weight of a value, and None for a value
    that is not stored: only the tasks that already wait for it get it.
    """

    def __init__(self, max_weight: int, weigh: Callable[[V], int | None]) -> None:
        self.max_weight = max_weight
        self.weight = 0
        self._weigh = weigh
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._computations: dict[K, SharedTask[Mapping[K, V]]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get_all(self, keys: Sequence[K]) -> list[V] | None:
        """Return the values of these keys, or None if one is missing."""
        values = self._values
        try:
            return [values[key][0] for key in keys]
        except KeyError:
            return None

    async def get_or_compute(
        self, keys: Sequence[K], compute: Callable[[list[int]], Awaitable[Sequence[V]]]
    ) -> list[V]:
        """Return the values of these keys.

        `compute` is called once, with the indices of the keys that are missing and that no other task computes; it
        returns their values. What it raises is raised here, in all tasks that wait for one of these keys.
        """
        found = {key: self._values[key][0] for key in keys if key in self._values}
        computations = {key: self._computations[key] for key in keys if self._is_computed(key) and key not in found}
        missing = {key: index for index, key in enumerate(keys) if key not in found and key not in computations}
        if missing:
            computation = self._start(list(missing), compute(list(missing.values())))
            computations.update(dict.fromkeys(missing, computation))
        for computation in set(computations.values()):
            found.update(await computation.wait())
        return [found[key] for key in keys]

    def _is_computed(self, key: K) -> bool:
        computation = self._computations.get(key)
        return computation is not None and not computation.cancelled

    def _start(self, keys: list[K], values: Awaitable[Sequence[V]]) -> SharedTask[Mapping[K, V]]:
        async def run() -> Mapping[K, V]:
            return dict(zip(keys, await values, strict=True))

        computation = SharedTask(run())
        self._computations.update(dict.fromkeys(keys, computation))
        computation.task.add_done_callback(lambda _: self._on_done(keys, computation))
        return computation

    def _on_done(self, keys: list[K], computation: SharedTask[Mapping[K, V]]) -> None:
        for key in keys:
            if self._computations.get(key) is computation:
                del self._computations[key]
        # The waiting tasks get the exception; without any, asyncio would log that it was never retrieved.
        task = computation.task
        if not task.cancelled() and task.exception() is None:
            for key, value in task.result().items():
                self._store(key, value)

    def _store(self, key: K, value: V) -> None:
        weight = self._weigh(value)
        if weight is None or weight > self.max_weight // 4:
            return
        replaced = self._values.pop(key, None)
        self.weight += weight - (replaced[1] if replaced is not None else 0)
        self._values[key] = (value, weight)
        while self.weight > self.max_weight:
            _, (_, evicted) = self._values.popitem(last=False)
            self.weight -= evicted
