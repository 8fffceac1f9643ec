"""Files that come with a request: the scalar `Upload`, whose values only a multipart request can hold."""

from __future__ import annotations

from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from app.bulk_import.uploaded_file import UploadedFile


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
