"""Files that come with a request: the scalar `Upload`, whose values only a multipart request can hold."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, NewType

import strawberry
from graphql import GraphQLError


@dataclass(frozen=True)
class UploadedFile:
    """A file, all of it; what reads from a `Path` can read from this."""

    name: str
    content: bytes = field(repr=False)

    def open(self, _mode: Literal["rb"], /) -> BinaryIO:
        """To read it from its beginning."""
        return io.BytesIO(self.content)


def _parsed(value: Any) -> UploadedFile:
    if not isinstance(value, UploadedFile):
        raise GraphQLError("Upload must be a file of a multipart request (the variable itself is null there).")
    return value


def _never(_value: Any) -> Any:
    raise GraphQLError("Files are not sent back.")


Upload = NewType("Upload", UploadedFile)
UPLOAD = strawberry.scalar(
    name="Upload",
    description="A file, sent as the GraphQL multipart request specification says.",
    specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
    parse_value=_parsed,
    serialize=_never,
)
