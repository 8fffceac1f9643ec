"""Rows of import files, accepted or rejected, and the interfaces of files and readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be parsed: the reason, and its cells as far as they are known."""

    reason: str
    cells: Sequence[str]


# The line (from 1) on which a row begins, and its cells in the order of `Records.columns`.
NumberedRow = tuple[int, Sequence[str] | RejectedRow]

# Called with the number of bytes read so far.
BytesReadCallback = Callable[[int], None]


class ReadableFile(Protocol):
    """A file to import: a `Path`, or any object that is opened like one."""

    @property
    def name(self) -> str:
        """Name for messages."""

    def open(self, mode: Literal["rb"], /) -> BinaryIO:
        """Open the file for reading from the start."""


class Records(Protocol):
    """Rows to import, which can be iterated once, and their columns."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns that the file has."""

    def __iter__(self) -> Iterator[NumberedRow]: ...


def ignore_progress(_bytes_read: int) -> None:
    """Do nothing; for callers that do not report progress."""
