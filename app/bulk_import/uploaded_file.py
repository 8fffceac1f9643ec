"""File uploaded with a request."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import BinaryIO, Literal


@dataclass(frozen=True)
class UploadedFile:
    """An uploaded file in memory. It can be read like a `Path`."""

    name: str
    content: bytes = field(repr=False)

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """Open the file for reading from the start."""
        return io.BytesIO(self.content)
