"""The scalar `Upload`: a file sent in a multipart request."""

from __future__ import annotations

from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from app.bulk_import.uploaded_file import UploadedFile


def _parse_upload(value: Any) -> UploadedFile:
    if not isinstance(value, UploadedFile):
        raise GraphQLError("Upload must be a file of a multipart request, in which the variable itself is null.")
    return value


def _reject_serialization(_value: Any) -> Any:
    raise GraphQLError("Upload is an input type only.")


Upload = NewType("Upload", UploadedFile)
UPLOAD = strawberry.scalar(
    name="Upload",
    description="A file, sent as described in the GraphQL multipart request specification.",
    specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
    parse_value=_parse_upload,
    serialize=_reject_serialization,
)
