"""Rows of import files: accepted, rejected, and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be loaded however its cells are read: why, and the cells as far as there are any."""

    reason: str
    cells: Sequence[str]


# The line (from 1) where the row begins, and its cells in the order of `Records.columns`.
Row = tuple[int, Sequence[str] | Fault]

Progress = Callable[[int], None]  # called with the bytes read so far


class File(Protocol):
    """What a file is to be read from: a `Path`, or anything that can be opened like one."""

    @property
    def name(self) -> str:
        """For messages."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """To read its bytes from the beginning."""


class Records(Protocol):
    """Rows to import, and the columns that they have. They can be iterated once."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns that are there."""

    def __iter__(self) -> Iterator[Row]: ...


def no_progress(_bytes_read: int) -> None:
    """For callers that do not show any."""
