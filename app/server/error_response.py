"""Bodies of error responses."""

from __future__ import annotations

import orjson
from graphql import GraphQLError

from app.core.errors import AppError
from app.engine.document import InvalidDocument
from app.graphql.error_masking import presentable


def errors_of(error: AppError) -> list[GraphQLError]:
    """The error, or those of a document that is not valid."""
    if isinstance(error, InvalidDocument):
        return presentable(error.errors) or []
    return [GraphQLError(error.message, extensions={"code": error.code})]


def error_body(error: AppError) -> bytes:
    """A well-formed GraphQL response with this error."""
    return orjson.dumps({"errors": [each.formatted for each in errors_of(error)]})
