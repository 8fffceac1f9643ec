"""Measurement of how the CPU time and the memory of a parser grow with the size of its input."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

from tests.support.effort import size_of

# The sizes of the measured inputs, as divisors of the largest one.
DIVISORS = (8, 4, 2, 1)
# Of linear work the exponent is 1, of n log n about 1.1, of quadratic work 2.
MAX_EXPONENT = 1.6
# Shorter times and smaller amounts are noise, and harm nobody.
MIN_SECONDS = 0.02
MIN_BYTES = 4 * 1024 * 1024
ATTEMPTS = 4
# All tests but a soak measure smaller inputs, but not fewer units than this.
MIN_LARGEST = 250


@dataclass(frozen=True)
class ClientInput:
    """One shape of input that a client can send.

    `create` returns the input of a size, from 1 to `largest`, which is the most that the server or a client's patience
    admits. `parse` reads it and must not raise.
    """

    name: str
    parse: Callable[[Any], object]
    create: Callable[[int], Any]
    largest: int

    def __str__(self) -> str:
        return self.name


def exponent(values: dict[int, float]) -> float:
    """Return the exponent k of the power law c * size**k that fits the values by size best (least squares of logs)."""
    points = [(log(size), log(max(value, 1e-9))) for size, value in values.items()]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def check_time(measured: ClientInput) -> str | None:
    """Return a complaint if the CPU time grows faster than linearly, else None.

    Other processes only make it longer, so the shortest time of several attempts counts. CPU time of this thread, not
    of the clock, and without garbage collection, whose time depends on other objects.
    """
    inputs = {size: measured.create(size) for size in _sizes(measured)}
    seconds = dict.fromkeys(inputs, float("inf"))
    growth = 0.0
    # The first call fills caches, and would make the smallest size look slow and the growth small.
    measured.parse(measured.create(min(inputs)))
    for _ in range(ATTEMPTS):
        for size, value in inputs.items():
            seconds[size] = min(seconds[size], _thread_seconds(measured.parse, value))
        growth = exponent(seconds)
        if max(seconds.values()) < MIN_SECONDS or growth < MAX_EXPONENT:
            return None
    times = ", ".join(f"{size:,}: {1000 * value:.1f} ms" for size, value in seconds.items())
    return f"{measured}: the time grows with the power {growth:.2f} of the size ({times})"


def check_memory(measured: ClientInput) -> str | None:
    """Return a complaint if the peak of allocated memory grows faster than linearly, else None."""
    peaks = {size: float(_peak_bytes(measured.parse, measured.create(size))) for size in _sizes(measured)[::3]}
    growth = exponent(peaks)
    if max(peaks.values()) < MIN_BYTES or growth < MAX_EXPONENT:
        return None
    sizes = ", ".join(f"{size:,}: {value / 1024:,.0f} KiB" for size, value in peaks.items())
    return f"{measured}: the memory grows with the power {growth:.2f} of the size ({sizes})"


def _sizes(measured: ClientInput) -> list[int]:
    largest = max(min(measured.largest, MIN_LARGEST), measured.largest // size_of(short=32, long=8, soak=1))
    return sorted({max(1, largest // divisor) for divisor in DIVISORS})


def _thread_seconds(parse: Callable[[Any], object], value: Any) -> float:
    gc.disable()
    try:
        started_at = time.thread_time()
        parse(value)
        return time.thread_time() - started_at
    finally:
        gc.enable()


def _peak_bytes(parse: Callable[[Any], object], value: Any) -> int:
    tracemalloc.start()
    try:
        parse(value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
