"""A file that a request uploaded."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import BinaryIO, Literal


@dataclass(frozen=True)
class UploadedFile:
    """A file, all of it; what reads from a `Path` can read from this."""

    name: str
    content: bytes = field(repr=False)

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """To read it from its beginning."""
        return io.BytesIO(self.content)
