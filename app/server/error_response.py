"""Bodies of error responses."""

from __future__ import annotations

import orjson
from graphql import GraphQLError

from app.core.errors import AppError
from app.engine.document import InvalidDocument
from app.graphql.error_masking import mask_errors

# Retry-After of errors that do not define their own.
RETRY_AFTER_SECONDS = 2


def graphql_errors(error: AppError) -> list[GraphQLError]:
    """Return the validation errors of an invalid document, otherwise the one error."""
    if isinstance(error, InvalidDocument):
        return mask_errors(error.errors) or []
    return [GraphQLError(error.message, extensions={"code": error.code})]


def error_body(error: AppError) -> bytes:
    """Return a well-formed GraphQL response with this error and without data."""
    return orjson.dumps({"errors": [graphql_error.formatted for graphql_error in graphql_errors(error)]})
